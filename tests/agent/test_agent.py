"""A whole agent against a real HTTP server and a printer double."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from fabcoord.agent.clock import rfc3339
from fabcoord.agent.messages import Command
from fabcoord.printers.base import Outcome

from .conftest import RunningAgent
from .doubles import GCODE, FakeServer, Machine, offer, printer

StartAgent = Callable[..., RunningAgent]
WHOLE_WAY = ["accepted", "transferring", "starting", "printing", "finished"]


def command(kind: str, attempt_id: str = "a1", expires_in_s: float = 60, **more: str) -> Command:
    expires = rfc3339(datetime.now(UTC) + timedelta(seconds=expires_in_s))
    return Command(more.get("command_id", f"c-{kind}"), kind, "p1", attempt_id, expires)


def print_to_the_middle(server: FakeServer, attempt_id: str = "a1") -> None:
    server.desk.offer(offer(attempt_id))
    server.wake()
    server.desk.wait_state(attempt_id, "printing")


def test_an_offer_is_printed_to_the_end(server: FakeServer, start_agent: StartAgent) -> None:
    machine = Machine()
    start_agent(machine)
    print_to_the_middle(server)
    machine.end()
    server.desk.wait_state("a1", "finished")
    assert server.desk.kinds("a1") == WHOLE_WAY
    assert machine.starts == ["a1"]
    assert machine.transfers == [GCODE]


def test_the_spool_is_empty_after_the_print(server: FakeServer, start_agent: StartAgent) -> None:
    machine = Machine()
    agent = start_agent(machine)
    print_to_the_middle(server)
    assert list((agent.data_dir / "spool").iterdir())
    machine.end()
    server.desk.wait_state("a1", "finished")
    agent.stop()
    assert not list((agent.data_dir / "spool").iterdir())


def test_answers_that_get_lost_change_nothing(server: FakeServer, start_agent: StartAgent) -> None:
    server.script = lambda what, n: {0: "lose", 1: "drop"}.get(n % 3) if what == "sync" else None
    machine = Machine()
    start_agent(machine)
    print_to_the_middle(server)
    machine.end()
    server.desk.wait_state("a1", "finished", timeout_s=30)
    assert server.desk.kinds("a1") == WHOLE_WAY
    assert machine.starts == ["a1"]


def test_nothing_starts_before_the_server_confirms(
    server: FakeServer, start_agent: StartAgent
) -> None:
    machine = Machine()
    desk = server.desk
    keep, desk._apply = desk._apply, lambda *args: desk.history.append((args[1], args[0], ""))
    start_agent(machine)
    desk.offer(offer())
    server.wake()
    desk.wait_for(lambda: ("a1", "accepted", "") in desk.history)
    before = len(desk.requests)
    desk.wait_for(lambda: len(desk.requests) > before + 3)  # the word stays “offered”
    assert machine.starts == []
    assert machine.transfers == []
    desk._apply = keep
    desk.say("a1", "accepted")
    desk.wait_state("a1", "printing")


def test_an_attempt_that_is_gone_is_dropped_before_start(
    server: FakeServer, start_agent: StartAgent
) -> None:
    machine = Machine()
    machine.hook = lambda step: server.desk.say("a1", "cancelled") if step == "transfer" else None
    start_agent(machine)
    server.desk.offer(offer())
    server.desk.wait_state("a1", "cancelled")
    server.desk.wait_for(lambda: server.desk.requests[-1].live == ())
    assert machine.starts == [] or machine.cancels == ["a1"]


def test_a_download_goes_on_where_it_broke_off(server: FakeServer, start_agent: StartAgent) -> None:
    server.break_after = 5000
    machine = Machine()
    start_agent(machine)
    print_to_the_middle(server)
    assert server.ranges[0] == ""
    assert server.ranges[1].startswith("bytes=")
    assert machine.transfers == [GCODE]


def test_wrong_bytes_are_never_printed(server: FakeServer, start_agent: StartAgent) -> None:
    server.gcode = {sha: data[:-1] + b"!" for sha, data in server.gcode.items()}
    machine = Machine()
    start_agent(machine)
    server.desk.offer(offer())
    server.desk.wait_state("a1", "failed", timeout_s=30)
    assert machine.starts == []
    assert "not the G-code that was offered" in server.desk.history[-1][2]


def test_a_busy_printer_is_not_offered_to(server: FakeServer, start_agent: StartAgent) -> None:
    machine = Machine()
    machine.start_by_hand()
    start_agent(machine)
    server.desk.offer(offer())
    server.desk.wait_state("a1", "withdrawn")
    assert "benchy.gcode" in server.desk.history[-1][2]
    assert machine.running == "benchy.gcode"


def test_commands_are_carried_out_once_and_answered(
    server: FakeServer, start_agent: StartAgent
) -> None:
    machine = Machine()
    start_agent(machine)
    print_to_the_middle(server)
    for kind, state in (("pause", "paused"), ("resume", "printing"), ("cancel", "cancelled")):
        server.desk.command(command(kind))
        server.wake()
        server.desk.wait_state("a1", state)
        server.desk.wait_for(lambda kind=kind: f"c-{kind}" in server.desk.results)
    assert all(ok for ok, _ in server.desk.results.values())
    assert machine.cancels == ["a1"]


def test_a_late_command_or_one_for_another_attempt_is_refused(
    server: FakeServer, start_agent: StartAgent
) -> None:
    machine = Machine()
    start_agent(machine)
    print_to_the_middle(server)
    server.desk.command(command("cancel", expires_in_s=-5))
    server.desk.command(command("cancel", "a0", command_id="other"))
    server.wake()
    server.desk.wait_for(lambda: len(server.desk.results) == 2)
    assert not any(ok for ok, _ in server.desk.results.values())
    assert machine.running == "a1"


def test_a_print_goes_on_while_the_server_is_away(
    server: FakeServer, start_agent: StartAgent
) -> None:
    machine = Machine()
    start_agent(machine)
    print_to_the_middle(server)
    server.script = lambda _what, _n: "drop"
    machine.paused = True
    machine.wait_until_seen()
    machine.paused = False
    machine.wait_until_seen()
    machine.end()
    server.script = lambda _what, _n: None
    server.desk.wait_state("a1", "finished", timeout_s=30)
    assert server.desk.kinds("a1")[-3:] == ["paused", "printing", "finished"]


def test_a_printer_that_hangs_does_not_stall_the_others(
    server: FakeServer, start_agent: StartAgent
) -> None:
    release = threading.Event()
    stuck, free = Machine(), Machine()
    stuck.hook = lambda step: release.wait(20) and None if step == "status" else None
    server.desk.printers = (printer("p1"), printer("p2"))
    start_agent(stuck, free)
    server.desk.offer(offer("a2", "p2"))
    server.desk.wait_state("a2", "printing")
    release.set()


def test_another_process_taking_over_ends_this_one(
    server: FakeServer, start_agent: StartAgent
) -> None:
    agent = start_agent(Machine())
    server.desk.wait_for(lambda: bool(server.desk.requests))
    server.problem = {"type": "https://fabcoord.org/problems/superseded", "detail": "Taken over."}
    server.script = lambda what, _n: 409 if what == "sync" else None
    agent.thread.join(10)
    assert agent.exit_code == 5


def test_a_revoked_token_leaves_the_print_alone(
    server: FakeServer, start_agent: StartAgent
) -> None:
    machine = Machine()
    agent = start_agent(machine)
    print_to_the_middle(server)
    server.token = "another"
    before = server.counts["sync"]
    server.desk.interval_s = 0.2
    machine.paused = True  # news, so that the agent speaks
    server.desk.wait_for(lambda: server.counts["sync"] > before)
    machine.wait_until_seen()
    assert agent.thread.is_alive()
    assert machine.running == "a1"
    assert machine.cancels == []
    assert server.desk.kinds("a1")[-1] == "printing"


def test_draining_waits_for_the_print_and_takes_nothing_new(
    server: FakeServer, start_agent: StartAgent
) -> None:
    machine = Machine()
    agent = start_agent(machine)
    print_to_the_middle(server)
    agent.stance.drain()
    server.desk.wait_for(lambda: server.desk.requests[-1].draining)
    assert agent.thread.is_alive()
    machine.end()
    agent.thread.join(10)
    assert agent.exit_code == 0
    assert server.desk.states["a1"] == "finished"


def test_told_twice_it_cancels_and_reports(server: FakeServer, start_agent: StartAgent) -> None:
    machine = Machine()
    agent = start_agent(machine)
    print_to_the_middle(server)
    assert agent.stop() == 0
    assert machine.cancels == ["a1"]
    assert server.desk.states["a1"] == "cancelled"


def test_a_print_that_a_person_settled_wrongly_is_reported_again(
    server: FakeServer, start_agent: StartAgent
) -> None:
    machine = Machine()
    start_agent(machine)
    print_to_the_middle(server)
    server.desk.say("a1", "unknown")
    server.desk.wait_state("a1", "printing")
    server.desk.say("a1", "unknown")
    server.desk.wait_state("a1", "printing")
    assert machine.cancels == []
    machine.end(Outcome.FAILED, "Thermal runaway.")
    server.desk.wait_state("a1", "failed")
    assert server.desk.history[-1][2] == "Thermal runaway."
