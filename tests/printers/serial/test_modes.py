"""Each way of sending over a real pty: faults, memory, emergency, what the lab asks for."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fabcoord.printers.base import Activity, Outcome
from fabcoord.printers.serial.driver import SerialPrinter
from fabcoord.printers.serial.meatpack import Packed
from fabcoord.printers.serial.options import FlowMode, WireOptions
from fabcoord.printers.serial.stream import GcodeStream
from tests.printers.serial.line import MAY_OVERRUN, moves
from tests.printers.simulated import Simulated, ended, is_in, order, status_when, until

MODES = {
    "ping-pong": WireOptions(FlowMode.PING_PONG),
    "window": WireOptions(FlowMode.WINDOW),
    "MeatPack": WireOptions(FlowMode.WINDOW, meatpack=True),
}
SEEDS = ("1", "2", "3")
FAST_BAUD = "1000000"


class Lab:
    def __init__(self) -> None:
        self._running: list[tuple[Simulated, SerialPrinter]] = []

    def printer(self, options: WireOptions, *more: str) -> tuple[Simulated, SerialPrinter]:
        simulated = Simulated(*more)
        printer = SerialPrinter(str(simulated.link), options=options)
        self._running.append((simulated, printer))
        printer.connect()
        return simulated, printer

    def close(self) -> None:
        for simulated, printer in self._running:
            printer.close()
            simulated.stop()


@pytest.fixture
def lab() -> Iterator[Lab]:
    running = Lab()
    yield running
    running.close()


@pytest.fixture
def gcode(tmp_path: Path) -> Path:
    path = tmp_path / "print.gcode"
    short = [re.sub(r"X\S+ Y\S+", f"X{n % 9}.5 Y{n % 7}.25", m) for n, m in enumerate(moves(300))]
    path.write_text("\n".join(["G28", "G90", "M82", "M302 P1", *short]) + "\n")
    return path


def log_of(path: Path, options: WireOptions) -> str:
    lines = [*path.read_text().splitlines(), "M400"]
    if options.meatpack:
        lines = [line.replace(" ", "") for line in lines]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


@pytest.mark.parametrize("mode", [*MODES, "window, advanced ok"])
@pytest.mark.parametrize(
    "kind", ["flip_in", "lose_in", "lose_end", "duplicate_in", "lose_ok", "extra_ok"]
)
def test_on_a_bad_line_what_is_executed_is_the_file(
    lab: Lab, gcode: Path, kind: str, mode: str
) -> None:
    options = MODES[mode.removesuffix(", advanced ok")]
    more = ("--advanced-ok",) if mode.endswith("advanced ok") else ()
    running = [lab.printer(options, "--seed", seed, "--baud", FAST_BAUD, *more) for seed in SEEDS]
    for simulated, printer in running:
        simulated.ask("fault", kind=kind, rate=0.01)
        printer.start(order(gcode))
    for simulated, printer in running:
        status = status_when(printer, ended)
        assert status.ended is not None
        assert status.ended.outcome is Outcome.FINISHED, status.ended
        assert simulated.ask("log")["sha256"] == log_of(gcode, options)
        if kind not in MAY_OVERRUN:
            assert simulated.ask("state")["overflowed_bytes"] == 0


@pytest.mark.parametrize("more", [(), ("--advanced-ok",)], ids=["plain ok", "advanced ok"])
def test_the_receive_buffer_is_never_overrun(lab: Lab, gcode: Path, more: tuple[str, ...]) -> None:
    simulated, printer = lab.printer(WireOptions(), *more)
    assert printer.status().metrics["window_bytes"] == 127
    printer.start(order(gcode))
    status_when(printer, ended)
    state = simulated.ask("state")
    assert (state["overflowed_bytes"], state["resends"]) == (0, 0)
    assert simulated.ask("log")["sha256"] == log_of(gcode, WireOptions())


def test_the_lab_may_ask_for_one_line_at_a_time_or_a_smaller_buffer(lab: Lab) -> None:
    _, single = lab.printer(WireOptions(FlowMode.PING_PONG))
    assert single.status().metrics["window_bytes"] == 0
    _, small = lab.printer(WireOptions(receive_buffer_bytes=64))
    assert small.status().metrics["window_bytes"] == 63


def test_packed_only_where_the_firmware_can(lab: Lab, gcode: Path) -> None:
    simulated, printer = lab.printer(MODES["MeatPack"], "--without", "MEATPACK")
    printer.start(order(gcode))
    status_when(printer, ended)
    assert simulated.ask("log")["sha256"] == log_of(gcode, WireOptions())


def test_a_printer_that_was_left_packed_is_understood_again(lab: Lab) -> None:
    simulated, printer = lab.printer(WireOptions())
    printer.close()
    with simulated.link.open("wb", buffering=0) as port:  # a host that was killed
        port.write(Packed().opening + Packed().line(1, "M105"))
    printer.connect()
    assert printer.status().activity is Activity.IDLE


def test_a_late_ok_for_the_host_before_is_not_taken_for_ours(lab: Lab) -> None:
    simulated, printer = lab.printer(WireOptions())
    printer.close()
    with simulated.link.open("wb", buffering=0) as port:
        port.write(Packed().opening + Packed().line(1, "M110 N1"))
        simulated.ask("hang", seconds=0.3)  # so that what comes next waits for us
        port.write(Packed().line(2, "M105"))
        until(lambda: simulated.ask("state")["open"])
    printer.connect()
    assert printer.status().activity is Activity.IDLE


def test_an_emergency_stop_does_not_wait_for_what_is_queued(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "long.gcode"
    path.write_text("G28\n" + "G1 X10 F6000\nG1 X20\n" * 20_000)
    simulated, printer = lab.printer(WireOptions(FlowMode.WINDOW))
    printer.start(order(path))
    status_when(printer, lambda status: status.print is not None and status.print.progress > 0)
    printer.emergency_stop()
    until(lambda: simulated.ask("state")["killed"])
    status = status_when(printer, is_in(Activity.ATTENTION))
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FAILED


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "huge.gcode"
    path.write_text("G1 X101.234 Y98.765 E.05123\n" * 400_000)
    os.truncate(path, 500_000_000)
    process = psutil.Process()
    before = process.memory_info().rss
    stream = GcodeStream(path, 95)
    for _ in range(400_000 // 50):
        assert len(stream.next_moves(50)) == 50
    assert 0 < stream.progress < 0.1
    stream.close()
    assert process.memory_info().rss - before < 8_000_000
