"""Prints over a real pty, with a printer behind it that heats, moves, and goes wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fabcoord.errors import PrinterBusy, PrinterError, PrinterOffline
from fabcoord.printers import profiles
from fabcoord.printers.base import Activity, Found, Outcome, Status
from fabcoord.printers.serial.driver import SerialPrinter
from tests.printers.simulated import Simulated, ended, is_in, order, status_when, until

PRELUDE = ["M140 S60", "M104 S200", "G28", "G90", "M83", "M109 S200"]
EPILOGUE = ["M104 S0", "M140 S0", "M107", "M84"]
LONG_ENOUGH_TO_BE_SEEN = 4000  # moves: half a second, on a machine with nothing else to do

Start = Callable[..., tuple[Simulated, SerialPrinter]]


@pytest.fixture
def started() -> Iterator[Start]:
    """Starts a simulator and a connected printer; both are gone when the test is over."""
    running: list[tuple[Simulated, SerialPrinter]] = []

    def start(*options: str, speed: float = 1000.0) -> tuple[Simulated, SerialPrinter]:
        simulated = Simulated(*options, speed=speed)
        impatient = replace(profiles.default(), probe_after_s=0.2)
        printer = SerialPrinter(str(simulated.link), profile=impatient)
        running.append((simulated, printer))
        printer.connect()
        return simulated, printer

    yield start
    for simulated, printer in running:
        printer.close()
        simulated.stop()


@pytest.fixture
def gcode(tmp_path: Path) -> Callable[..., Path]:
    def write(moves: int = 200, body: list[str] | None = None) -> Path:
        layers = [
            f"G1 X{100 + number % 20} Y{100 + number % 7} E0.05 F3000" for number in range(moves)
        ]
        marked = [
            line
            for number, move in enumerate(layers)
            for line in ([";LAYER_CHANGE"] if number % 50 == 0 else []) + [move]
        ]
        path = tmp_path / "print.gcode"
        path.write_text("\n".join([*PRELUDE, *(body or marked), *EPILOGUE]) + "\n")
        return path

    return write


def commands_of(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    return [line for line in lines if line and not line.startswith(";")]


def log_of(commands: list[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in commands).encode()).hexdigest()


def printing_moves(status: Status) -> bool:
    return status.print is not None and status.print.layer is not None


def test_a_file_is_printed_to_the_end_each_command_once_and_in_order(
    started: Start, gcode: Callable[..., Path]
) -> None:
    simulated, printer = started()
    assert printer.status().activity is Activity.IDLE
    assert "Marlin 2" in printer.status().firmware
    path = gcode(LONG_ENOUGH_TO_BE_SEEN)
    printer.start(order(path))
    seen = status_when(printer, printing_moves)
    assert seen.print is not None
    assert seen.print.attempt_id == "a1"
    assert 0 < seen.print.progress <= 1
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED
    assert printer.find("a1") is Found.FINISHED
    assert simulated.ask("log")["sha256"] == log_of([*commands_of(path), "M400"])


@pytest.mark.parametrize(
    "trouble",
    [
        {"flip_in": 0.05},
        {"lose_in": 0.05},
        {"duplicate_in": 0.05},
        {"flip_in": 0.02, "lose_in": 0.02, "duplicate_in": 0.02},
    ],
    ids=["flipped", "lost", "doubled", "all"],
)
def test_a_bad_line_spoils_no_print(
    started: Start, gcode: Callable[..., Path], trouble: dict[str, float]
) -> None:
    simulated, printer = started("--seed", "7")
    path = gcode(400)
    for kind, rate in trouble.items():
        simulated.ask("fault", kind=kind, rate=rate)
    printer.start(order(path))
    status = status_when(printer, ended)
    struck = simulated.ask("state")["struck"]
    assert all(struck[kind] for kind in trouble)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED, status.ended
    assert simulated.ask("log")["sha256"] == log_of([*commands_of(path), "M400"])


def simulated_log(simulated: Simulated) -> list[str]:
    last: list[str] = simulated.ask("log")["last"]
    return last


def test_temperatures_are_seen_while_it_heats(started: Start, gcode: Callable[..., Path]) -> None:
    _, printer = started(speed=20.0)
    printer.start(order(gcode()))
    status = status_when(printer, lambda s: (s.temperatures.hotend_c or 0) > 40)
    assert status.activity is Activity.PRINTING
    assert status.temperatures.hotend_target_c == 200
    assert status.temperatures.bed_target_c == 60
    printer.cancel("a1")
    status_when(printer, ended)


def test_a_pause_goes_aside_and_a_resume_comes_back(
    started: Start, gcode: Callable[..., Path]
) -> None:
    simulated, printer = started()
    path = gcode(LONG_ENOUGH_TO_BE_SEEN)
    printer.start(order(path))
    status_when(printer, printing_moves)
    printer.pause()
    paused = status_when(printer, is_in(Activity.PAUSED))
    assert paused.print is not None
    until(lambda: not simulated.ask("state")["busy"])
    printer.resume()
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED
    assert simulated.ask("state")["position"]["E"] == pytest.approx(LONG_ENOUGH_TO_BE_SEEN * 0.05)


def test_a_pause_in_the_file_waits_for_a_person(started: Start, gcode: Callable[..., Path]) -> None:
    simulated, printer = started()
    printer.start(order(gcode(body=["G1 X1", "M0 Change the filament", "G1 X2"])))
    paused = status_when(printer, is_in(Activity.PAUSED))
    assert "pause" in paused.reason
    printer.resume()
    status_when(printer, ended)
    assert not any(line.startswith("M0") for line in simulated_log(simulated))


@pytest.mark.parametrize("without", [(), ("--without", "EMERGENCY_PARSER")])
def test_cancelling_cools_and_says_so(
    started: Start, gcode: Callable[..., Path], without: tuple[str, ...]
) -> None:
    simulated, printer = started(*without)
    printer.start(order(gcode(20_000)))
    status_when(printer, printing_moves)
    printer.cancel("another attempt")
    assert printer.status().activity is Activity.PRINTING
    printer.cancel("a1")
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.CANCELLED
    assert printer.find("a1") is Found.FAILED
    state = simulated.ask("state")
    assert state["hotend_target_c"] == 0
    assert state["bed_target_c"] == 0
    assert simulated_log(simulated)[-1] == "M84"


def test_cancelling_breaks_off_the_heating(started: Start, gcode: Callable[..., Path]) -> None:
    simulated, printer = started(speed=1.0)
    printer.start(order(gcode(body=["G1 X1"])))
    until(lambda: simulated.ask("state")["hotend_target_c"] == 200)
    printer.cancel("a1")
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.CANCELLED
    assert simulated.ask("state")["hotend_c"] < 190


def test_a_reset_in_the_middle_fails_the_print_and_the_printer_is_idle_again(
    started: Start, gcode: Callable[..., Path]
) -> None:
    simulated, printer = started()
    printer.start(order(gcode(20_000)))
    status_when(printer, printing_moves)
    simulated.ask("reset")
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FAILED
    assert "restarted" in status.ended.reason
    status_when(printer, is_in(Activity.IDLE))


def test_a_printer_that_kills_itself_needs_a_person(
    started: Start, gcode: Callable[..., Path]
) -> None:
    simulated, printer = started()
    printer.start(order(gcode(20_000)))
    status_when(printer, printing_moves)
    simulated.ask("kill", reason="Thermal Runaway, system stopped! Heater_ID: 0")
    status = status_when(printer, ended)
    assert status.activity is Activity.ATTENTION
    assert "Thermal Runaway" in status.reason
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FAILED
    with pytest.raises(PrinterError, match="person"):
        printer.start(order(Path("anything"), "a2"))
    simulated.ask("reset")
    status_when(printer, is_in(Activity.IDLE))


def test_a_print_from_the_front_panel_is_recognised_and_never_started_into(
    started: Start, gcode: Callable[..., Path]
) -> None:
    simulated, printer = started(speed=10.0)
    text = "\n".join(["G28", *(f"G1 X{number % 90} F600" for number in range(100))])
    simulated.ask("put", name="panel.gco", text=text)
    simulated.ask("print", name="panel.gco")
    with pytest.raises(PrinterBusy):
        printer.start(order(gcode()))
    status = status_when(printer, is_in(Activity.PRINTING))
    assert status.print is not None
    assert status.print.attempt_id is None
    assert status.print.file_name == "panel.gco"
    printer.cancel("a1")
    over = status_when(printer, ended)
    assert over.ended is not None
    assert over.ended.attempt_id is None
    assert over.ended.outcome is Outcome.FINISHED
    # As Marlin does, it says so when the file is read; the last moves are still to be made.
    until(lambda: simulated_log(simulated)[-1] == "G1 X9 F600")


def test_lost_oks_do_not_stop_a_print(started: Start, gcode: Callable[..., Path]) -> None:
    simulated, printer = started()
    path = gcode(500)
    simulated.ask("fault", kind="lose_ok", rate=0.01)
    printer.start(order(path))
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED
    assert status.metrics["lost_answers"] >= 1
    assert simulated.ask("log")["sha256"] == log_of([*commands_of(path), "M400"])


def test_garbage_between_the_answers_is_put_aside(
    started: Start, gcode: Callable[..., Path]
) -> None:
    simulated, printer = started()
    path = gcode(1500)
    printer.start(order(path))
    status_when(printer, printing_moves)
    simulated.ask("garbage", length=3000)
    simulated.ask("say", text="Error:volume.init failed")
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED
    assert simulated.ask("log")["sha256"] == log_of([*commands_of(path), "M400"])


def test_a_pulled_cable_fails_the_print_and_the_heat_goes_off_when_it_is_back(
    started: Start, gcode: Callable[..., Path]
) -> None:
    simulated, printer = started()
    printer.start(order(gcode(20_000)))
    status_when(printer, printing_moves)
    simulated.ask("unplug", seconds=0.1)
    status = status_when(printer, is_in(Activity.OFFLINE))
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FAILED
    assert "onnection lost" in status.ended.reason
    with pytest.raises(PrinterOffline):
        printer.start(order(gcode(), "a2"))
    until(simulated.link.exists)
    printer.connect()
    until(lambda: simulated.ask("state")["hotend_target_c"] == 0)
    assert printer.status().activity is Activity.IDLE


def test_a_cable_pulled_after_the_last_line_leaves_the_end_unknown(
    started: Start, tmp_path: Path
) -> None:
    simulated, printer = started(speed=100.0)
    path = tmp_path / "slow end.gcode"
    path.write_text("G28\nG1 X200 F6\n")
    printer.start(order(path))
    until(lambda: simulated_log(simulated)[-1:] == ["M400"])
    simulated.ask("unplug", seconds=0.1)
    status = status_when(printer, is_in(Activity.OFFLINE))
    assert status.ended is None
    assert printer.find("a1") is Found.UNKNOWN


def test_closing_leaves_the_printer_on_and_turns_the_heat_of_our_print_off(
    started: Start, gcode: Callable[..., Path]
) -> None:
    simulated, printer = started()
    printer.start(order(gcode(20_000)))
    status_when(printer, printing_moves)
    printer.close()
    until(lambda: simulated.ask("state")["hotend_target_c"] == 0)
    assert simulated.ask("state")["homed"], "it was reset"
    assert printer.find("a1") is Found.FAILED
    printer.connect()
    assert printer.status().activity is Activity.IDLE


def test_what_the_printer_says_of_a_pause_is_followed(
    started: Start, gcode: Callable[..., Path]
) -> None:
    simulated, printer = started()
    printer.start(order(gcode(body=["G1 X1", "M600", "G1 X2"])))
    paused = status_when(printer, is_in(Activity.PAUSED))
    assert "panel" in paused.reason
    with pytest.raises(PrinterError, match="panel"):
        printer.resume()
    simulated.ask("press")
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED


def test_a_cancel_at_the_printer_cancels(started: Start, gcode: Callable[..., Path]) -> None:
    simulated, printer = started()
    printer.start(order(gcode(20_000)))
    status_when(printer, printing_moves)
    simulated.ask("say", text="//action:cancel")
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.CANCELLED
    assert "at the printer" in status.ended.reason


def test_a_command_that_must_not_come_from_a_file_ends_the_print(
    started: Start, gcode: Callable[..., Path]
) -> None:
    simulated, printer = started()
    printer.start(order(gcode(body=["G1 X1", "M112", "G1 X2"])))
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FAILED
    assert "M112" in status.ended.reason
    assert not simulated.ask("state")["killed"]
    assert simulated.ask("state")["hotend_target_c"] == 0


def test_a_second_print_is_refused_and_the_same_one_is_not_begun_again(
    started: Start, gcode: Callable[..., Path]
) -> None:
    _, printer = started()
    path = gcode(20_000)
    printer.start(order(path))
    printer.start(order(path))
    with pytest.raises(PrinterBusy):
        printer.start(order(path, "a2"))
    printer.cancel("a1")
    status_when(printer, ended)


def test_a_board_that_resets_when_opened_is_waited_for() -> None:
    simulated = Simulated("--reset-on-open", speed=2.0)
    printer = SerialPrinter(str(simulated.link))
    try:
        printer.connect()
        assert printer.status().activity is Activity.IDLE
    finally:
        printer.close()
        simulated.stop()


def test_a_port_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    printer = SerialPrinter(str(tmp_path / "nothing"))
    with pytest.raises(PrinterOffline, match="plugged in"):
        printer.connect()
    assert printer.status().activity is Activity.OFFLINE


def test_a_printer_that_does_not_answer_is_offline() -> None:
    simulated = Simulated()
    simulated.ask("kill")
    printer = SerialPrinter(str(simulated.link))
    try:
        with pytest.raises(PrinterOffline, match="does not answer"):
            printer.connect()
        assert printer.status().activity is Activity.OFFLINE
    finally:
        simulated.stop()


def test_a_port_in_use_is_not_shared(started: Start) -> None:
    simulated, _ = started()
    with pytest.raises(PrinterOffline, match="Another program"):
        SerialPrinter(str(simulated.link)).connect()
