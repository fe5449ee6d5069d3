"""`fabcoord serve`: starts web, worker and agent, keeps them running, and ends them in order."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from fabcoord.errors import BadInput, Conflict

log = logging.getLogger(__name__)

_POLL_S = 0.1
_SLOWEST_RESTART_S = 5.0
_STOP_S = 6.0  # how long web and worker may take to end before they are killed
_CANCEL_S = 40.0
_TRIES_AT_START = 3
_LOG_KEPT_BYTES = 5_000_000


@dataclass(slots=True)
class Child:
    """One process that serve looks after.

    Attributes:
        outlives: keeps running when serve dies: it drives hot machines.
        quiet_exits: codes with which it ends as it should.
        outlived: the process id of one that an earlier serve started and that still runs.
    """

    name: str
    argv: list[str]
    log_path: Path | None = None
    outlives: bool = False
    quiet_exits: tuple[int, ...] = ()
    outlived: Callable[[], int | None] = lambda: None
    process: subprocess.Popen[bytes] | None = None
    restart_at: float = 0.0
    restart_delay_s: float = 0.2
    started_at: float = field(default=0.0)
    failures: int = 0  # how often it ended by itself

    def start(self) -> None:
        """Start the process; with serve's death the kernel ends it, unless it outlives."""
        argv = self.argv
        if not self.outlives:
            argv = ["setpriv", "--pdeathsig", "TERM", "--", *argv]
        log_file: IO[bytes] | None = None
        if self.log_path is not None:
            if self.log_path.exists() and self.log_path.stat().st_size > _LOG_KEPT_BYTES:
                self.log_path.replace(self.log_path.with_suffix(".log.1"))
            log_file = self.log_path.open("ab")
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log_file or sys.stderr,
            stderr=log_file or sys.stderr,
            # Ctrl-C in a terminal reaches the whole group; serve passes on what is meant.
            start_new_session=True,
        )
        if log_file is not None:
            log_file.close()
        self.started_at = time.monotonic()

    def look_after(self) -> None:
        """Start it again when it ended by itself, more slowly the sooner it ended."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.restart_at and self.outlived() is None:
                self.start()
            return
        code = self.process.poll()
        if code is None:
            return
        self.process = None
        self.failures += 1
        if now - self.started_at > 30:
            self.restart_delay_s = 0.2
        if code not in self.quiet_exits:
            log.warning("%s ended with code %s; starting it again", self.name, code)
        self.restart_at = now + self.restart_delay_s
        self.restart_delay_s = min(self.restart_delay_s * 2, _SLOWEST_RESTART_S)

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to the process, or to the one that outlived an earlier serve."""
        with contextlib.suppress(ProcessLookupError):
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(number)
            elif (pid := self.outlived()) is not None:
                os.kill(pid, number)

    def ended(self) -> bool:
        own = self.process is not None and self.process.poll() is None
        return not own and self.outlived() is None

    def end(self, deadline: float) -> None:
        """Wait until it has ended, and kill it when it has not by ``deadline``."""
        while not self.ended() and time.monotonic() < deadline:
            time.sleep(_POLL_S / 2)
        if not self.ended() and self.process is not None:
            log.warning("%s did not end in time and is killed", self.name)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    """Runs the processes of one lab until a signal ends it.

    Args:
        web, worker, agent: the three processes.
        url: where the web answers.
        live_prints: the names of printers where a print of ours is live now.
        say: tells the person at the terminal.
    """

    def __init__(
        self,
        web: Child,
        worker: Child,
        agent: Child,
        *,
        url: str,
        live_prints: Callable[[], list[str]],
        say: Callable[[str], None],
    ) -> None:
        self._web, self._worker, self._agent = web, worker, agent
        self._url, self._live_prints, self._say = url, live_prints, say
        self._interrupts, self._terminated = 0, False

    def run(self, on_ready: Callable[[], None]) -> int:
        """Start everything, call ``on_ready`` when the web answers, and stay until told to stop.

        Returns the exit code. SIGTERM ends web and worker at once and lets the agent end when no
        print is live. Ctrl-C with live prints only warns; a second one cancels and cools them.
        """
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGINT, self._on_interrupt)
        for child in (self._web, self._worker):
            child.start()
        ready, warned = False, False
        while not self._terminated:
            for child in (self._web, self._worker):
                child.look_after()
            if not ready and self._answers():
                ready = True
                self._agent.look_after()
                on_ready()
            elif ready:
                self._agent.look_after()
            elif self._web.failures >= _TRIES_AT_START:
                self._say("The web server does not start; the reason is above.")
                self._stop(cancel=False)
                return 1
            if self._interrupts:
                live = [] if warned and self._interrupts > 1 else self._live_prints()
                if not live:
                    return self._stop(cancel=warned)
                if not warned:
                    warned = True
                    self._interrupts = 1
                    self._say(
                        f"Still printing on {', '.join(live)}. Press Ctrl-C again to cancel and"
                        " cool down; otherwise the lab goes on."
                    )
            time.sleep(_POLL_S)
        return self._stop(cancel=False)

    def _stop(self, *, cancel: bool) -> int:
        self._agent.tell(signal.SIGTERM)
        if cancel:
            # While the web still answers, so that the lab hears how the prints ended.
            self._say("Cancelling and cooling down …")
            self._agent.tell(signal.SIGQUIT)
            self._wait_for_agent(_CANCEL_S)
        else:
            self._wait_for_agent(2.5)
        if not self._agent.ended():
            self._say("Prints go on: the agent stays until the last has ended.")
        deadline = time.monotonic() + _STOP_S
        for child in (self._web, self._worker):
            child.tell(signal.SIGTERM)
        for child in (self._web, self._worker):
            child.end(deadline)
        return 0

    def _wait_for_agent(self, longest_s: float) -> None:
        deadline = time.monotonic() + longest_s
        while not self._agent.ended() and time.monotonic() < deadline:
            time.sleep(_POLL_S / 2)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/healthz", timeout=1) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _on_term(self, _number: int, _frame: object) -> None:
        self._terminated = True

    def _on_interrupt(self, _number: int, _frame: object) -> None:
        self._interrupts += 1


def take_lab(data_dir: Path) -> IO[bytes]:
    """Take the lab's lock, held while the file is open; raises Conflict when it is served."""
    data_dir.mkdir(parents=True, exist_ok=True)
    file = (data_dir / "serve.lock").open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise Conflict(
            f"The lab in {data_dir} is being served already.",
            hint="Stop that one first, or give this one another directory with --data.",
        ) from None
    return file


def require_free_port(host: str, port: int, *, wait_s: float = 5.0) -> None:
    """Raise BadInput when something else listens there; a predecessor gets time to let go."""
    deadline = time.monotonic() + wait_s
    while True:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                return
            except OSError as error:
                reason = error.strerror
        if time.monotonic() > deadline:
            raise BadInput(
                f"Cannot listen on {host} port {port}: {reason}.",
                hint="Choose another with --port, or stop what uses it.",
            )
        time.sleep(0.2)
