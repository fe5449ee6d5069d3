"""Troubles that real printers make: power gone, two-line errors, silence, work nobody asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fabcoord.errors import PrinterBusy
from fabcoord.printers import profiles
from fabcoord.printers.base import Activity, Found, Outcome
from fabcoord.printers.serial.driver import SerialPrinter
from fabcoord.printers.serial.parser import Busy, Heat, Ok
from fabcoord.printers.serial.shown import Shown
from tests.printers.serial.conftest import Reach
from tests.printers.simulated import (
    PATIENCE_S,
    Simulated,
    ended,
    is_in,
    order,
    status_when,
    until,
)


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    path = tmp_path / "endless.gcode"
    moves = "".join(f"G1 X{n % 90} Y{n % 50} E1 F3000\n" for n in range(20_000))
    path.write_text("M140 S60\nM104 S200\nG28\nM83\n" + moves)
    return path


def test_a_printer_that_loses_power_fails_the_print_and_is_back_when_it_is_back(
    reach: Reach, endless: Path
) -> None:
    simulated, printer = reach(speed=20.0)
    printer.start(order(endless))
    until(lambda: simulated.ask("state")["homed"], "homing")
    simulated.ask("reset")
    simulated.ask("unplug", seconds=0.2)
    status = status_when(printer, is_in(Activity.OFFLINE))
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FAILED
    until(simulated.link.exists)
    simulated.ask("clear_log")  # what was executed before the cut
    printer.connect()
    assert printer.status().activity is Activity.IDLE
    assert printer.find("a1") is Found.FAILED
    state = simulated.ask("state")
    assert (state["hotend_target_c"], state["homed"]) == (0, False)
    assert "G28" not in simulated.ask("log")["last"], "nothing was resumed blindly"


def test_an_error_in_two_lines_is_told_whole(reach: Reach) -> None:
    simulated, printer = reach()
    told = "Error:0\n: Extruder switched off. MAXTEMP triggered !"
    simulated.ask("say", text=f"{told}\nError:Printer halted. kill() called!")
    status = status_when(printer, lambda s: "kill() called" in s.reason)
    assert status.activity is Activity.ATTENTION
    assert "MAXTEMP triggered" in status.reason


def test_a_harmless_error_is_no_attention(reach: Reach) -> None:
    simulated, printer = reach()
    for text in (
        "Error:No thermistor on chamber",
        "Error:volume.init failed",
        "!! Must home first",
    ):
        simulated.ask("say", text=text)
    simulated.ask("say", text="//action:prompt_begin Seen?")
    simulated.ask("say", text="//action:prompt_show")
    assert status_when(printer, lambda s: s.prompt).activity is Activity.IDLE


def test_a_pause_of_the_printer_is_followed_and_a_pause_of_ours_parks(
    reach: Reach, endless: Path
) -> None:
    simulated, printer = reach(speed=20.0)
    printer.start(order(endless))
    until(lambda: simulated.ask("state")["homed"], "homing")
    simulated.ask("say", text="//action:paused")
    status_when(printer, is_in(Activity.PAUSED))
    assert "M400" not in simulated.ask("log")["last"], "it stands where the printer put it"
    simulated.ask("say", text="//action:resumed")
    status_when(printer, is_in(Activity.PRINTING))
    simulated.ask("say", text="//action:pause")
    status_when(printer, is_in(Activity.PAUSED))
    until(lambda: "M114" in simulated.ask("log")["last"], "the place to be noted")
    printer.cancel("a1")
    assert status_when(printer, ended).ended is not None


def test_a_hang_in_the_middle_costs_nothing_but_time(reach: Reach, tmp_path: Path) -> None:
    simulated, printer = reach()
    path = tmp_path / "some.gcode"
    path.write_text("".join(f"G1 X{n % 90}.{n % 7} F6000\n" for n in range(3000)))
    printer.start(order(path))
    status_when(printer, lambda s: s.print and s.print.progress > 0)
    simulated.ask("hang", seconds=1.5)
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED, status.ended
    assert simulated.ask("log")["count"] == 3001


@pytest.mark.parametrize("resets", [False, True])
def test_the_emergency_stop_of_a_printer_without_an_emergency_parser(
    reach: Reach, tmp_path: Path, resets: bool
) -> None:
    """While it waits for heat the stop waits too, unless the board can be reset (a pty cannot)."""
    simulated = Simulated("--without", "EMERGENCY_PARSER", speed=20.0)
    profile = replace(profiles.default(), resets_on_open=resets)
    printer = SerialPrinter(str(simulated.link), profile=profile)
    path = tmp_path / "hot.gcode"
    path.write_text("M109 S200\n")
    try:
        printer.connect()
        printer.start(order(path))
        until(lambda: simulated.ask("state")["hotend_target_c"] == 200, "M109")
        printer.emergency_stop()
        status = status_when(printer, is_in(Activity.ATTENTION))
        assert status.ended is not None
        assert status.ended.outcome is Outcome.FAILED
        until(lambda: simulated.ask("state")["killed"], "M112 to have its turn")
        assert simulated.ask("state")["hotend_target_c"] == 0
    finally:
        printer.close()
        simulated.stop()


# Work that nobody here asked for -----------------------------------------------------------


def connection(**facts: Any) -> Any:
    return SimpleNamespace(ready=True, heard_busy=True, **facts)


def test_short_work_at_the_panel_is_no_print_and_long_work_is_taken_for_one() -> None:
    shown = Shown(None)
    for now in range(100, 200, 2):
        shown.hear(Busy("processing"), Heat(), float(now))
        activity, _, running = shown.activity(connection(), float(now))
        assert (activity is Activity.PRINTING) == (now - 100 >= 30)
    assert running is not None
    assert running.attempt_id is None
    shown.hear(Busy("paused for user"), Heat(), 201.0)
    assert shown.activity(connection(), 201.0)[0] is Activity.PAUSED
    shown.took_something()
    shown.hear(Ok(None, Heat(20.0)), Heat(20.0), 202.0)
    assert shown.activity(connection(), 202.0)[0] is Activity.IDLE


def test_a_printer_at_work_when_it_is_reached_is_not_started_into(
    reach: Reach, endless: Path
) -> None:
    simulated = Simulated(speed=1.0)
    simulated.ask("put", name="hot.gco", text="M109 S200\nG1 X5\n")
    simulated.ask("print", name="hot.gco")
    printer = SerialPrinter(str(simulated.link))
    try:
        printer.connect()
        status = printer.status()
        assert status.activity is Activity.PRINTING
        assert status.print is not None
        assert status.print.attempt_id is None
        with pytest.raises(PrinterBusy):
            printer.start(order(endless))
        assert simulated.ask("state")["hotend_target_c"] == 200, "it is left alone"
        assert PATIENCE_S
    finally:
        printer.close()
        simulated.stop()
