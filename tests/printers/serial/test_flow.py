"""Whatever the line does to lines and answers, each command is executed once and in order."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabcoord.printers import profiles
from fabcoord.printers.serial.flow import LONGEST_STORM, MOST_SILENCES, Flow
from fabcoord.printers.serial.parser import Busy, LineFault, Ok, Resend, Wait, parse
from fabcoord.printers.simulator.firmware import Firmware, Waiting


@dataclass(frozen=True)
class Fault:
    """What happens to one line on its way, or to the answers to it."""

    kind: str  # flip, lose, twice, vanish, mute (answers lost), noise (answers unreadable)
    where: int
    bit: int


_faults = st.dictionaries(
    st.integers(0, 60),
    st.builds(
        Fault,
        st.sampled_from(["flip", "lose", "twice", "vanish", "mute", "noise"]),
        st.integers(0, 200),
        st.integers(0, 7),
    ),
    max_size=8,
)


class Wire:
    """A flow and a firmware with a bad line between them, and a clock that can be turned."""

    def __init__(self, faults: dict[int, Fault]) -> None:
        self.flow = Flow(profiles.default())
        self.executed: list[str] = []
        self._said: list[str] = []
        self._faults = faults
        self._lines_sent = 0
        self.now = 0.0
        self.firmware = Firmware(self._said.append, None, _execute, executed=self.executed.append)

    def carry(self, data: bytes) -> None:
        fault = self._faults.get(self._lines_sent)
        self._lines_sent += 1
        self.firmware.receive(_spoilt(data, fault))
        self.firmware.step(self.now)
        answers, self._said[:] = list(self._said), []
        if fault is not None and fault.kind == "mute":
            return
        for answer in answers:
            raw = answer.encode()
            if fault is not None and fault.kind == "noise":
                raw = bytes(byte | 0x80 for byte in raw)
            self.flow.hear(parse(raw), self.now)

    def stream(self, commands: list[str]) -> None:
        """Send everything, then a mark that only its own answer can follow."""
        self.carry(self.flow.restart(self.now))
        waiting = [*commands, "M105"]
        for _ in range(5000):
            data = self.flow.due(self.now)
            if data is None and self.flow.drained:
                if not waiting:
                    return
                data = self.flow.send(waiting.pop(0), self.now)
            if data is not None:
                self.carry(data)
            elif self.flow.failure:
                return
            elif self.flow.deadline is not None:
                self.now = max(self.now, self.flow.deadline)
        raise AssertionError("it never comes to an end")


def _execute(firmware: Firmware, command: str) -> Waiting | None:
    if command.startswith("M105"):
        firmware.answer = firmware.temperatures()
    return None


def _spoilt(data: bytes, fault: Fault | None) -> bytes:
    if fault is None or fault.kind in ("mute", "noise"):
        return data
    at = fault.where % len(data)
    if fault.kind == "flip":
        return data[:at] + bytes([data[at] ^ 1 << fault.bit]) + data[at + 1 :]
    if fault.kind == "lose":
        return data[:at] + data[at + 1 :]
    return data * 2 if fault.kind == "twice" else b""


@settings(max_examples=400, deadline=None)
@given(_faults, st.integers(1, 40))
def test_each_command_is_executed_once_and_in_order(faults: dict[int, Fault], count: int) -> None:
    commands = [f"G1 X{number} E{number / 100}" for number in range(count)]
    wire = Wire(faults)
    wire.stream(commands)
    assert not wire.flow.failure
    assert [command for command in wire.executed if command in commands] == commands


def _started() -> Flow:
    flow = Flow(profiles.default())
    flow.restart(0.0)
    flow.hear(Ok(), 0.0)
    return flow


def test_only_one_line_is_out_at_a_time() -> None:
    flow = _started()
    flow.send("G28", 0.0)
    assert not flow.drained
    assert flow.hear(Ok(), 1.0) == ["G28"]
    assert flow.drained


def test_the_ok_of_a_resend_is_not_taken_for_that_of_the_line() -> None:
    flow = _started()
    line = flow.send("G1 X1", 0.0)
    flow.hear(LineFault("checksum mismatch"), 0.0)
    flow.hear(Resend(1), 0.0)
    assert flow.due(0.0) is None
    assert flow.hear(Ok(), 0.0) == []
    assert flow.due(0.0) == line
    assert flow.hear(Ok(), 0.0) == ["G1 X1"]


def test_a_resend_without_its_ok_is_answered_after_a_moment() -> None:
    flow = _started()
    line = flow.send("G1 X1", 0.0)
    flow.hear(Resend(1), 0.0)
    assert flow.deadline is not None
    assert flow.due(flow.deadline) == line


def test_a_garbled_resend_number_asks_for_the_line_that_is_out() -> None:
    flow = _started()
    line = flow.send("G1 X1", 0.0)
    flow.hear(Resend(34497), 0.0)
    flow.hear(Ok(), 0.0)
    assert flow.due(0.0) == line


def test_busy_keeps_a_long_command_from_being_given_up() -> None:
    flow = _started()
    flow.send("G29", 0.0)
    for second in range(0, 600, 2):
        flow.hear(Busy("processing"), float(second))
        assert flow.due(float(second)) is None
    assert flow.hear(Ok(), 600.0) == ["G29"]


def test_a_long_command_is_given_time_where_busy_is_never_said() -> None:
    flow = _started()
    flow.send("M109 S200", 0.0)
    assert flow.due(300.0) is None


def test_after_a_lost_ok_a_probe_finds_out() -> None:
    flow = _started()
    flow.send("G1 X1", 0.0)
    assert flow.deadline is not None
    probe = flow.due(flow.deadline)
    assert probe is not None
    assert b"M105" in probe
    assert flow.hear(parse(b"ok T:20.0 /0.0"), 5.0) == ["G1 X1", "M105"]
    assert flow.lost_answers == 1


def test_an_ok_that_is_only_late_is_no_lost_one() -> None:
    flow = _started()
    flow.send("G1 X1", 0.0)
    assert flow.deadline is not None
    flow.due(flow.deadline)
    assert flow.hear(Ok(), 5.0) == ["G1 X1"]
    assert not flow.drained
    assert flow.hear(parse(b"ok T:20.0 /0.0"), 5.0) == ["M105"]
    assert flow.lost_answers == 0


def test_waiting_firmware_means_that_an_ok_was_lost() -> None:
    flow = _started()
    flow.send("G1 X1", 0.0)
    flow.hear(Wait(), 0.5)
    assert flow.due(0.5) is None
    flow.hear(Wait(), 2.0)
    assert flow.due(2.0) is not None


def test_silence_ends_in_a_clear_failure() -> None:
    flow = _started()
    flow.send("G1 X1", 0.0)
    for _ in range(MOST_SILENCES + 1):
        assert flow.deadline is not None
        flow.due(flow.deadline)
    assert "answer" in flow.failure
    assert not flow.drained


def test_a_storm_of_resends_ends_in_a_clear_failure() -> None:
    flow = _started()
    flow.send("G1 X1", 0.0)
    for _ in range(LONGEST_STORM + 1):
        flow.hear(Resend(1), 0.0)
        flow.hear(Ok(), 0.0)
        flow.due(0.0)
    assert "again and again" in flow.failure


def test_an_ok_that_names_another_line_is_not_for_the_one_that_is_out() -> None:
    flow = _started()
    for number in (1, 2):
        flow.send(f"G1 X{number}", 0.0)
        assert flow.hear(Ok(number), 0.0) == [f"G1 X{number}"]
    flow.send("G1 X3", 0.0)
    assert flow.hear(Ok(2), 0.0) == []
    assert not flow.drained
    assert flow.hear(Ok(3), 0.0) == ["G1 X3"]
    assert flow.stray_oks == 1


def test_where_oks_never_name_our_lines_they_are_counted() -> None:
    flow = _started()
    for number in (1, 2, 3):
        flow.send(f"G1 X{number}", 0.0)
        assert flow.hear(Ok(0), 0.0) == [f"G1 X{number}"]


def test_how_long_answers_take_is_smoothed() -> None:
    flow = Flow(profiles.default())
    assert flow.latency_s is None
    flow.restart(0.0)
    flow.hear(Ok(), 0.002)
    assert flow.latency_s == 0.002
    flow.send("G1 X1", 1.0)
    flow.hear(Ok(), 1.102)
    assert flow.latency_s == pytest.approx(0.007)


def test_an_answer_to_a_line_that_went_twice_is_timed_from_the_second() -> None:
    flow = _started()
    flow.send("G1 X1", 1.0)
    flow.hear(Resend(1), 2.0)
    flow.hear(Ok(), 2.0)
    flow.due(2.0)
    flow.hear(Ok(), 2.0)
    assert flow.latency_s == 0.0


def test_what_the_next_oks_let_go_is_known_before_they_come() -> None:
    flow = _started()
    commands = [f"G1 X{number}" for number in range(5)]
    flow.add(commands)
    first = flow.due(0.0)
    ready = flow.after_oks()
    assert len(ready) == 4
    assert first is not None
    assert [flow.form.line(n, c) for n, c in enumerate(commands, 1)] == [first, *ready]
    for at, sent in enumerate(ready, 1):
        flow.hear_oks(1, float(at))
        assert flow.due(float(at)) == sent


def test_nothing_is_foretold_where_an_answer_may_mean_something_else() -> None:
    flow = _started()
    flow.add(["G1 X1", "M105", "G1 X2"])
    flow.due(0.0)
    assert flow.after_oks() == []
    flow.hear(Ok(), 0.0)
    flow.due(0.0)
    assert flow.after_oks() == [], "the answer to M105 is of its own kind"
