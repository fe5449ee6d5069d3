"""An agent killed with SIGKILL at every step, and started again: never two starts, nothing lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fabcoord.printers.base import Outcome

from .doubles import FakeServer, offer
from .file_machine import MachineFile

pytestmark = pytest.mark.faults
_ROOT = Path(__file__).parents[2]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def machine(tmp_path: Path) -> MachineFile:
    return MachineFile(tmp_path / "machine.json")


@pytest.fixture
def start(tmp_path: Path, server: FakeServer, machine: MachineFile) -> Iterator[Start]:
    """Starts agents, each a process of its own, on one data directory."""
    started: list[subprocess.Popen[bytes]] = []

    def start(die_at: str = "") -> subprocess.Popen[bytes]:
        arguments = [str(tmp_path / "agent"), server.url, str(machine.path), die_at]
        command = [sys.executable, "-m", "tests.agent.file_machine", *arguments]
        started.append(subprocess.Popen(command, cwd=_ROOT))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def forget(machine: MachineFile, *, remembers: bool) -> None:
    with machine.open() as m:
        m.remembers = remembers


def end_print(machine: MachineFile) -> None:
    with machine.open() as m:
        m.end(Outcome.FINISHED)


@pytest.mark.parametrize("step", ["transfer", "find", "before start", "after start"])
@pytest.mark.parametrize("remembers", [True, False], ids=["remembers", "forgets"])
def test_killed_around_the_start(
    step: str, remembers: bool, server: FakeServer, machine: MachineFile, start: Start
) -> None:
    forget(machine, remembers=remembers)
    server.desk.offer(offer())
    first = start("before start" if step == "find" else step)
    assert first.wait(20) == -9
    if step == "find":  # killed a second time, while it looks
        assert start("find").wait(20) == -9
    start()
    server.desk.wait_state("a1", "printing" if step in ("transfer", "after start") else "unknown")
    if step == "transfer":
        assert server.desk.kinds("a1") == ["accepted", "transferring", "starting", "printing"]
    if machine.load().running:
        end_print(machine)
        server.desk.wait_state("a1", "finished")
    assert machine.load().starts == ([] if step in ("before start", "find") else ["a1"])


def test_killed_between_taking_and_reporting(
    server: FakeServer, machine: MachineFile, start: Start
) -> None:
    desk = server.desk
    desk.offer(offer())
    heard = desk._apply

    def kill_at_accepted(kind: str, *rest: str) -> None:
        heard(kind, *rest)
        if kind == "accepted":
            first.kill()

    desk._apply = kill_at_accepted  # type: ignore[method-assign]
    first = start()
    assert first.wait(20) == -9
    start()
    desk.wait_state("a1", "printing")
    assert desk.kinds("a1") == ["accepted", "transferring", "starting", "printing"]
    assert machine.load().starts == ["a1"]


def test_killed_before_anything_was_heard(
    server: FakeServer, machine: MachineFile, start: Start
) -> None:
    """The server gets `accepted` only from the second process."""
    server.desk.offer(offer())
    server.script = lambda what, n: "drop" if what == "sync" and n > 1 else None
    first = start()
    journal = machine.path.parent / "agent" / "journal.sqlite"
    server.desk.wait_for(lambda: server.counts.get("sync", 0) > 2)
    assert journal.exists()
    first.kill()
    first.wait()
    assert server.desk.kinds("a1") == []
    server.script = lambda _what, _n: None
    start()
    server.desk.wait_state("a1", "printing")
    assert server.desk.kinds("a1").count("accepted") == 1
    assert machine.load().starts == ["a1"]


@pytest.mark.parametrize("end", ["while away", "seen, not written"])
def test_killed_at_the_end_of_the_print(
    end: str, server: FakeServer, machine: MachineFile, start: Start
) -> None:
    server.desk.offer(offer())
    first = start("end seen" if end == "seen, not written" else "")
    server.desk.wait_state("a1", "printing")
    if end == "while away":
        first.kill()
    end_print(machine)
    assert first.wait(20) == -9
    start()
    server.desk.wait_state("a1", "finished")
    assert machine.load().starts == ["a1"]


def test_killed_in_the_middle_of_a_streamed_print_a_person_must_look(
    server: FakeServer, machine: MachineFile, start: Start
) -> None:
    forget(machine, remembers=False)
    server.desk.offer(offer())
    first = start()
    server.desk.wait_state("a1", "printing")
    first.kill()
    with machine.open() as m:  # the stream has ended with the agent
        m.running = None
    start()
    server.desk.wait_state("a1", "unknown")
    assert "Look" in server.desk.history[-1][2]
    # A person settles it, and the printer takes the next one.
    server.desk.say("a1", "failed")
    server.desk.offer(offer("a2"))
    server.desk.wait_state("a2", "printing")
    assert machine.load().starts.count("a1") == 1


def test_the_printer_is_followed_without_the_server(
    server: FakeServer, machine: MachineFile, start: Start
) -> None:
    """Restarted while the server is away, the agent knows its printers and what they print."""
    server.desk.offer(offer())
    first = start()
    server.desk.wait_state("a1", "printing")
    first.kill()
    first.wait()
    server.script = lambda _what, _n: "drop"
    with machine.open() as m:
        m.paused = True
    second = start()
    server.desk.wait_for(lambda: server.counts["sync"] > 3)
    server.script = lambda _what, _n: None
    server.desk.wait_state("a1", "paused")
    assert second.poll() is None


def test_a_second_agent_says_who_holds_the_directory(
    server: FakeServer, machine: MachineFile, start: Start, tmp_path: Path
) -> None:
    first = start()
    server.desk.wait_for(lambda: bool(server.desk.requests))
    arguments = [str(tmp_path / "agent"), server.url, str(machine.path)]
    second = subprocess.run(
        [sys.executable, "-m", "tests.agent.file_machine", *arguments],
        cwd=_ROOT, capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert second.returncode == 9
    assert f"process {first.pid}" in second.stderr


def test_with_nothing_live_one_signal_ends_it_at_once(server: FakeServer, start: Start) -> None:
    first = start()
    server.desk.wait_for(lambda: bool(server.desk.requests))
    first.terminate()
    assert first.wait(2) == 0


@pytest.mark.parametrize("last", [signal.SIGINT, signal.SIGQUIT])
def test_with_a_live_print_only_a_second_ctrl_c_or_sigquit_cancels_it(
    server: FakeServer, machine: MachineFile, start: Start, last: signal.Signals
) -> None:
    server.desk.offer(offer())
    first = start()
    server.desk.wait_state("a1", "printing")
    for harmless in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
        first.send_signal(harmless)
        server.desk.wait_for(lambda: server.desk.requests[-1].draining)
        assert first.poll() is None
    first.send_signal(last)
    assert first.wait(15) == 0
    assert machine.load().cancels == ["a1"]
    assert server.desk.states["a1"] == "cancelled"
