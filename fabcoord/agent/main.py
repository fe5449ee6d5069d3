"""Runs the agent: one process that drives this machine's printers for one server."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from fabcoord.agent import identity as identities
from fabcoord.agent.client import Client
from fabcoord.agent.drivers import DriverFactory, make_printer
from fabcoord.agent.fleet import Fleet
from fabcoord.agent.identity import Identity
from fabcoord.agent.journal import Journal
from fabcoord.agent.messages import PrinterConfig
from fabcoord.agent.pairing import pair
from fabcoord.agent.places import Places
from fabcoord.agent.runner import Runner
from fabcoord.agent.spool import Spool
from fabcoord.agent.stance import Stance
from fabcoord.agent.sync import Sync
from fabcoord.errors import BadInput, Conflict, Superseded

_LOG = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_NOT_ENDED = 1  # told to stop twice, and a live print could not be cancelled
EXIT_SUPERSEDED = Superseded.exit_code  # another process has taken over this agent
EXIT_LOCKED = 9  # another agent works with this directory

_GIVE_BACK_S = 1.0  # how long to wait for attempts not yet started to be given back
_CANCEL_S = 30.0  # how long live prints may take to end when told to


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run_agent(
    data_dir: Path,
    server: str | None = None,
    name: str | None = None,
    identity: Identity | None = None,
    *,
    make: DriverFactory = make_printer,
    say: Callable[[str], None] = _say,
    stance: Stance | None = None,
) -> int:
    """Drive printers until told to stop; returns the exit code of the process.

    Pairs with ``server`` first where ``data_dir`` holds no identity for it; ``identity`` is
    given by a server that starts the agent for its own machine and then needs no pairing.
    SIGTERM, however often, and a first SIGINT take nothing new and end it when no print is live;
    SIGQUIT and a second SIGINT cancel live prints and cool them. So do ``drain`` and ``cancel``
    of a ``stance`` that the caller keeps. Raises BadInput when there is no server to talk to or
    it refuses the request.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        held = identities.lock(data_dir)
    except Conflict as error:
        say(str(error))
        return EXIT_LOCKED
    stance = stance or Stance()
    with held, _signals(stance):
        identity = identity or _identity(data_dir, server, name, stance, say)
        return _drive(data_dir, identity, make, stance, say) if identity else EXIT_OK


def _identity(
    data_dir: Path,
    server: str | None,
    name: str | None,
    stance: Stance,
    say: Callable[[str], None],
) -> Identity | None:
    """The identity kept for this server, or a new one; None when stopped while pairing."""
    kept = identities.load(data_dir)
    server = server.rstrip("/") if server else None
    if kept is not None and server in (None, kept.server):
        return kept
    if server is None:
        raise BadInput(
            "This agent does not know its server yet.", hint="Name it with --server URL."
        )
    # A token is for one server only: at another address, pair again.
    name = name or socket.gethostname()
    return pair(data_dir, server, name, say=say, wait=stance.draining.wait)


def _drive(
    data_dir: Path,
    identity: Identity,
    make: DriverFactory,
    stance: Stance,
    say: Callable[[str], None],
) -> int:
    journal = Journal(data_dir / "journal.sqlite")
    spool = Spool(data_dir / "spool")
    spool.keep_only(journal.held())
    client = Client(identity.server, identity)
    places = Places(journal)

    def make_runner(config: PrinterConfig) -> Runner:
        return Runner(
            config,
            make=lambda: make(config, data_dir),
            client=client.another,
            journal=journal,
            spool=spool,
            stance=stance,
            notify=sync.notify,
            places=places,
        )

    fleet = Fleet(journal, make_runner)
    started_at = journal.new_instance_start()
    sync = Sync(client, journal, fleet, stance, instance=uuid.uuid4().hex, started_at=started_at)
    fleet.configure(journal.printers())
    sync.start()
    _LOG.info("agent %s works for %s", identity.agent_id, identity.server)
    try:
        stance.draining.wait()
        fleet.poke()
        ended = _wait_for_prints(fleet, stance, say)
        sync.last_report(timeout_s=5.0 if stance.cancelling.is_set() else 0.5)
    finally:
        sync.stop()
        fleet.stop()
        journal.close()
    if stance.superseded.is_set():
        return EXIT_SUPERSEDED
    return EXIT_OK if ended else EXIT_NOT_ENDED


def _wait_for_prints(fleet: Fleet, stance: Stance, say: Callable[[str], None]) -> bool:
    """Wait until nothing is live; False when a print could not be ended in time."""
    give_up_waiting = time.monotonic() + _GIVE_BACK_S
    while fleet.undecided and time.monotonic() < give_up_waiting:
        time.sleep(0.02)
    if fleet.live and not stance.cancelling.is_set():
        say(
            f"Still printing on {', '.join(fleet.live)}: the agent ends when that has ended. "
            "Press Ctrl-C once more, or send SIGQUIT, to cancel these prints."
        )
    while fleet.live and not stance.cancelling.wait(0.2):
        pass
    fleet.poke()
    give_up = time.monotonic() + _CANCEL_S
    while fleet.live and time.monotonic() < give_up:
        time.sleep(0.1)
    for printer in fleet.live:
        say(f"The print on {printer} could not be cancelled: look at the printer.")
    return not fleet.live


@contextmanager
def _signals(stance: Stance) -> Iterator[None]:
    """Let signals drain and cancel; only the main thread can do this."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    interrupts = 0

    def on_signal(number: int, _frame: FrameType | None) -> None:
        nonlocal interrupts
        interrupts += number == signal.SIGINT
        if number == signal.SIGQUIT or interrupts > 1:
            stance.cancel()
        else:
            stance.drain()

    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
