"""A real agent with a real serial driver: killed, unplugged, renumbered, asked, and left hot."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fabcoord.agent.journal import Journal
from fabcoord.agent.messages import Command, PrinterTelemetry, PromptTelemetry
from tests.printers.simulated import Simulated, until

from .doubles import FakeServer, offer, printer

pytestmark = pytest.mark.faults

_AGENT = """
import sys, logging
from pathlib import Path
from fabcoord.agent.identity import Identity
from fabcoord.agent.main import run_agent
logging.basicConfig(level=logging.INFO)
sys.exit(run_agent(Path(sys.argv[1]), identity=Identity(sys.argv[2], "ag1", "secret-token")))
"""
Start = Callable[[], "subprocess.Popen[bytes]"]
_GCODE = "M140 S60\nM104 S200\nG28\nG90\nM83\n" + "G1 X50 Y50 E0.1 F600\nG1 X60 E0.1\n" * 3000
GCODE = _GCODE.encode()


@pytest.fixture
def simulated() -> Iterator[Simulated]:
    running = Simulated(speed=20.0)
    yield running
    running.stop()


@pytest.fixture
def start(tmp_path: Path, server: FakeServer) -> Iterator[Start]:
    """Starts agent processes on one directory; the last one is ended after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", _AGENT, str(tmp_path / "agent"), server.url]
        started.append(subprocess.Popen(command))
        return started[-1]

    yield start
    for process in started:
        for _ in range(2):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def seen(server: FakeServer) -> PrinterTelemetry | None:
    requests = server.desk.requests
    return requests[-1].printers[0] if requests and requests[-1].printers else None


def activity_is(server: FakeServer, activity: str) -> Callable[[], bool]:
    def check() -> bool:
        shown = seen(server)
        return shown is not None and shown.activity == activity

    return check


def place_of(attempt_id: str, path: Path) -> tuple[int, dict[str, object]]:
    """How far the journal says that the print has come: line, state; 0 when it does not."""
    journal = Journal(path)
    try:
        place = journal.places().get(attempt_id)
    finally:
        journal.close()
    return (place.line, place.state) if place else (0, {})


def offered(server: FakeServer, gcode: bytes = GCODE) -> None:
    digest = hashlib.sha256(gcode).hexdigest()
    server.gcode[digest] = gcode
    server.desk.offer(offer(gcode_sha256=digest, size=len(gcode)))
    server.wake()


def test_killed_in_the_middle_of_a_print_the_heat_goes_off_by_itself(
    server: FakeServer, simulated: Simulated, start: Start, tmp_path: Path
) -> None:
    settings = {"port": str(simulated.link), "hotend_off_after_s": 2, "bed_off_after_s": 3}
    server.desk.printers = (printer("p1", "serial", **settings),)
    first = start()
    until(activity_is(server, "idle"))
    offered(server)
    server.desk.wait_state("a1", "printing")
    until(lambda: simulated.ask("state")["homed"], "homing")
    journal = tmp_path / "agent" / "journal.sqlite"
    until(lambda: place_of("a1", journal)[0] > 10, "the place in the journal")
    first.kill()
    first.wait()
    assert simulated.ask("state")["hotend_target_c"] == 200
    line, state = place_of("a1", journal)
    assert state["hotend_c"] == 200
    assert state["relative_e"] is True
    assert 5 < line < len(GCODE.splitlines())
    start()
    server.desk.wait_state("a1", "unknown")
    before = simulated.ask("state")["position"]
    until(lambda: simulated.ask("state")["hotend_target_c"] == 0, "the hot end to go off")
    until(lambda: simulated.ask("state")["bed_target_c"] == 0, "the bed to go off")
    assert server.desk.states["a1"] == "unknown", "nothing is settled by that"
    assert simulated.ask("state")["position"]["Z"] == before["Z"]


def test_unplugged_and_plugged_in_under_another_number_it_is_found_again(
    server: FakeServer, simulated: Simulated, start: Start
) -> None:
    server.desk.printers = (printer("p1", "serial", port=str(simulated.link)),)
    agent = start()
    until(activity_is(server, "idle"))
    before = simulated.link.readlink()
    simulated.ask("unplug", seconds=3.0)
    until(activity_is(server, "offline"))
    # Free only now that the agent has let go of it; others on this machine take numbers too.
    placeholders = [fd for _ in range(8) for fd in os.openpty()]
    try:
        until(activity_is(server, "idle"), "the printer to be back")
    finally:
        for fd in placeholders:
            os.close(fd)
    assert simulated.link.readlink() != before
    assert agent.poll() is None


@pytest.mark.parametrize("cut", ["unplugged", "power"])
def test_cut_off_in_the_middle_of_a_print_it_has_failed_and_nothing_goes_on_by_itself(
    server: FakeServer, simulated: Simulated, start: Start, cut: str
) -> None:
    server.desk.printers = (printer("p1", "serial", port=str(simulated.link)),)
    agent = start()
    until(activity_is(server, "idle"))
    offered(server)
    server.desk.wait_state("a1", "printing")
    until(lambda: simulated.ask("log")["count"] > 10, "the first moves")
    if cut == "power":
        simulated.ask("reset")
    simulated.ask("unplug", seconds=0.5)
    server.desk.wait_state("a1", "failed")
    reason = next(why for _, kind, why in server.desk.history if kind == "failed")
    assert "Connection lost" in reason or "restarted" in reason
    until(simulated.link.exists, "the printer to be plugged in")
    simulated.ask("clear_log")
    until(activity_is(server, "idle"), "the printer to be back")
    until(lambda: simulated.ask("state")["hotend_target_c"] == 0, "the heat to go off")
    said = simulated.ask("log")["last"]
    assert not [line for line in said if line.startswith("G1")], "nothing was gone on with"
    assert server.desk.kinds("a1").count("starting") == 1
    assert server.desk.states["a1"] == "failed"
    assert agent.poll() is None


def test_a_question_travels_to_the_server_and_the_answer_back(
    server: FakeServer, simulated: Simulated, start: Start
) -> None:
    server.desk.printers = (printer("p1", "serial", port=str(simulated.link)),)
    start()
    until(activity_is(server, "idle"))
    for text in ("begin Load filament?", "button Yes", "button No", "show"):
        simulated.ask("say", text=f"//action:prompt_{text}")
    asked = PromptTelemetry("Load filament?", ("Yes", "No"))
    until(lambda: (shown := seen(server)) is not None and shown.prompt == asked, "the question")
    server.desk.command(Command("c1", "answer", "p1", "", "2999-01-01T00:00:00Z", choice=1))
    server.wake()
    server.desk.wait_for(lambda: "c1" in server.desk.results)
    assert server.desk.results["c1"] == (True, "")
    until(lambda: simulated.ask("state")["answered"] == [1], "the answer")
    server.desk.command(Command("c2", "answer", "p1", "", "2999-01-01T00:00:00Z"))
    server.wake()
    server.desk.wait_for(lambda: "c2" in server.desk.results)
    assert server.desk.results["c2"] == (False, "The printer asks nothing any more.")


def test_killed_while_the_card_prints_it_is_found_again_and_seen_to_its_end(
    server: FakeServer, simulated: Simulated, start: Start
) -> None:
    settings = {"port": str(simulated.link), "mode": "sd", "hotend_off_after_s": 1}
    server.desk.printers = (printer("p1", "serial", **settings),)
    first = start()
    until(activity_is(server, "idle"))
    moves = "".join(f"G1 X{50 + n % 2 * 4} F600\n" for n in range(400))
    offered(server, f"M104 S60\nG28\n{moves}M104 S0\n".encode())
    server.desk.wait_state("a1", "printing")
    until(lambda: simulated.ask("state")["sd_printing"], "the card to print")
    first.kill()
    first.wait()
    assert simulated.ask("state")["sd_printing"]
    start()
    until(activity_is(server, "printing"))
    shown = seen(server)
    assert shown is not None
    server.desk.wait_for(
        lambda: any(
            p.print is not None and p.print.attempt_id == "a1"
            for p in server.desk.requests[-1].printers
        )
    )
    server.desk.wait_state("a1", "finished", timeout_s=30)
    assert server.desk.kinds("a1").count("starting") == 1
    assert "unknown" not in server.desk.kinds("a1")


def test_an_emergency_stop_stops_at_once_and_waits_for_a_person(
    server: FakeServer, simulated: Simulated, start: Start
) -> None:
    server.desk.printers = (printer("p1", "serial", port=str(simulated.link)),)
    start()
    until(activity_is(server, "idle"))
    offered(server)
    server.desk.wait_state("a1", "printing")
    server.desk.command(Command("c1", "emergency", "p1", "", "2999-01-01T00:00:00Z"))
    server.wake()
    until(lambda: simulated.ask("state")["killed"], "M112")
    server.desk.wait_state("a1", "failed")
    until(activity_is(server, "attention"))
    assert simulated.ask("state")["hotend_target_c"] == 0
