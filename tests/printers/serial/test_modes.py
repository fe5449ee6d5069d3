"""Each way of sending over a real pty: the receive buffer, what the lab asks for, emergency."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabcoord.printers.base import Activity, Outcome
from fabcoord.printers.serial.meatpack import Packed
from fabcoord.printers.serial.options import FlowMode, WireOptions
from tests.printers.serial.modes import MODES, Lab, log_of
from tests.printers.simulated import ended, is_in, order, status_when, until


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
