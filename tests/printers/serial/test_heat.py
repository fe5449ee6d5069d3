"""What counts as dangerous heat, what as forgotten heat; then with a printer that really heats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fabcoord.printers import profiles
from fabcoord.printers.base import Activity, Outcome
from fabcoord.printers.serial.driver import SerialPrinter
from fabcoord.printers.serial.heat import HeatRules, HeatWatch
from fabcoord.printers.serial.parser import Heat, Heater
from tests.printers.simulated import Simulated, ended, is_in, order, status_when, until

RULES = HeatRules(max_hotend_c=250, max_bed_c=100)


def watched(*readings: tuple[float, float, float | None]) -> HeatWatch:
    """A watch that heard these readings of the hot end: when, °C, target."""
    watch = HeatWatch(RULES)
    for at_s, temperature_c, target_c in readings:
        watch.hear(Heat(temperature_c, target_c, 25.0, 0.0), at_s)
    return watch


def steady(temperature_c: float, target_c: float | None, count: int = 20) -> HeatWatch:
    return watched(*((2.0 * n, temperature_c, target_c) for n in range(count)))


def test_a_printer_at_its_target_is_no_emergency() -> None:
    assert steady(210.0, 210.0).danger(40.0, excused=False) == ""


def test_nothing_heard_yet_is_no_emergency() -> None:
    assert HeatWatch(RULES).danger(1e6, excused=False) == ""


def test_silence_while_heating_is_an_emergency_and_silence_of_a_cold_printer_is_not() -> None:
    heating, cold = steady(150.0, 210.0), steady(25.0, 0.0)
    for now in range(40, 120, 10):
        cold.danger(float(now), excused=False)
        reason = heating.danger(float(now), excused=False)
        assert bool(reason) == (now - 38 > RULES.silent_s)
    assert "no temperature" in reason
    assert cold.danger(120.0, excused=False) == ""


def test_a_printer_that_cannot_report_now_is_excused() -> None:
    watch = steady(150.0, 210.0)
    for now in range(40, 400, 10):
        assert watch.danger(float(now), excused=True) == ""


def test_a_process_that_was_stopped_does_not_take_its_own_sleep_for_silence() -> None:
    watch = steady(150.0, 210.0)
    assert watch.danger(39.0, excused=False) == ""
    assert watch.danger(4000.0, excused=False) == ""


def test_too_hot_twice_in_a_row_is_an_emergency_and_once_is_a_garbled_line() -> None:
    fine = [(2.0 * n, 250.0, 250.0) for n in range(5)]
    assert watched(*fine, (12.0, 999.0, 250.0)).danger(12.0, excused=False) == ""
    assert (
        watched(*fine, (12.0, 258.0, 250.0), (14.0, 259.0, 250.0)).danger(14, excused=False) == ""
    )
    reason = watched(*fine, (12.0, 261.0, 250.0), (14.0, 262.0, 250.0)).danger(14, excused=False)
    assert "maximum is 250" in reason


def test_rising_with_the_heater_off_is_an_emergency() -> None:
    watch = watched(*((2.0 * n, 40.0 + 2.0 * n, 0.0) for n in range(20)))
    assert "is off, and has risen" in watch.danger(40.0, excused=False)


@pytest.mark.parametrize(
    "readings",
    [
        [(2.0 * n, 40.0 + 2.0 * n, 200.0) for n in range(20)],
        [(2.0 * n, 40.0 + 2.0 * n, None) for n in range(20)],
        [(2.0 * n, 240.0 - 2.0 * n, 0.0) for n in range(20)],
        [(2.0 * n, 30.0 + 0.2 * n, 0.0) for n in range(40)],
        [(0.0, 20.0, 0.0), (2.0, 180.0, 200.0), *((4.0 + 2 * n, 208.0, 0.0) for n in range(9))],
        [*((2.0 * n, 200.0, 0.0) for n in range(9)), (18.0, 2.0, 0.0), (20.0, 199.0, 0.0)],
    ],
    ids=["on", "unknown", "cooling", "warmed by the bed", "switched off at the top", "garbled"],
)
def test_what_is_no_rise_by_itself(readings: list[tuple[float, float, float | None]]) -> None:
    assert watched(*readings).danger(readings[-1][0], excused=False) == ""


def test_forgotten_heat_goes_off_the_hot_end_first_and_again_if_that_did_not_help() -> None:
    watch = HeatWatch(RULES)
    said: list[tuple[float, str]] = []
    for now in range(0, 1900, 10):
        watch.hear(Heat(200.0, 200.0, 60.0, 60.0), float(now))
        said += [(now, command) for command in watch.switch_off(float(now), live=False)]
    assert said == [
        (600, "M104 S0"), (1200, "M104 S0"), (1800, "M104 S0"), (1800, "M140 S0"),
    ]  # fmt: skip


def test_the_time_starts_anew_when_a_print_ends() -> None:
    watch = steady(200.0, 200.0)
    assert watch.switch_off(40.0, live=False) == []
    assert watch.switch_off(700.0, live=True) == []
    assert watch.switch_off(710.0, live=False) == []
    assert watch.switch_off(1309.0, live=False) == []
    assert watch.switch_off(1310.0, live=False) == ["M104 S0"]


def test_heat_whose_target_is_not_told_is_seen_by_its_temperature() -> None:
    watch = steady(180.0, None)
    watch.switch_off(40.0, live=False)
    assert watch.switch_off(640.0, live=False) == ["M104 S0"]


# With a printer behind it ------------------------------------------------------------------


class Bench:
    """Simulators and printers that are gone when the test is over."""

    def __init__(self) -> None:
        self.running: list[tuple[Simulated, SerialPrinter]] = []

    def start(
        self, rules: HeatRules, *options: str, speed: float = 1000.0
    ) -> tuple[Simulated, SerialPrinter]:
        simulated = Simulated(*options, speed=speed)
        profile = replace(profiles.default(), probe_after_s=0.2, temperature_poll_s=0.05)
        printer = SerialPrinter(str(simulated.link), profile=profile, rules=rules)
        self.running.append((simulated, printer))
        printer.connect()
        return simulated, printer


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    for simulated, printer in bench.running:
        printer.close()
        simulated.stop()


def test_a_printer_left_hot_is_switched_off_and_nothing_moves(bench: Bench) -> None:
    rules = HeatRules(hotend_off_after_s=0.5, bed_off_after_s=1.0)
    simulated, printer = bench.start(rules)
    simulated.ask("panel", what="preheat")
    until(lambda: simulated.ask("state")["hotend_target_c"] == 0, "the hot end to go off")
    until(lambda: simulated.ask("state")["bed_target_c"] == 0, "the bed to go off")
    assert simulated.ask("log")["last"] == ["M104 S0", "M140 S0"]
    assert printer.status().activity is Activity.IDLE


def test_a_heater_that_cannot_be_switched_off_is_stopped(bench: Bench) -> None:
    simulated, printer = bench.start(HeatRules(rise_s=60, settle_s=0.1), speed=20.0)
    simulated.ask("heater", name="hotend", stuck=True)
    status = status_when(printer, is_in(Activity.ATTENTION))
    assert "is off, and has risen" in status.reason
    until(lambda: simulated.ask("state")["killed"], "M112")
    assert printer.status().reason == status.reason


@pytest.mark.parametrize("without", [(), ("--without", "EMERGENCY_PARSER")])
def test_silence_while_heating_stops_print_and_printer(
    bench: Bench, tmp_path: Path, without: tuple[str, ...]
) -> None:
    simulated, printer = bench.start(HeatRules(silent_s=1.0), *without, speed=5.0)
    path = tmp_path / "hot.gcode"
    path.write_text("M104 S200\n" + "G4 P100\n" * 20_000)
    printer.start(order(path))
    status_when(printer, lambda s: s.temperatures.hotend_target_c == 200)
    simulated.ask("silence", on=True)
    status = status_when(printer, ended)
    assert status.activity is Activity.ATTENTION
    assert "no temperature has been told" in status.reason
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FAILED
    until(lambda: simulated.ask("state")["killed"], "M112")


def test_above_the_maximum_it_is_stopped(bench: Bench) -> None:
    simulated, printer = bench.start(HeatRules(max_hotend_c=150), speed=50.0)
    simulated.ask("panel", what="preheat")
    status = status_when(printer, is_in(Activity.ATTENTION))
    assert "maximum is 150" in status.reason
    until(lambda: simulated.ask("state")["killed"], "M112")
    simulated.ask("reset")
    status_when(printer, is_in(Activity.IDLE))


def test_a_file_that_switches_the_reports_off_is_no_emergency(bench: Bench, tmp_path: Path) -> None:
    _, printer = bench.start(HeatRules(silent_s=1.5), speed=5.0)
    path = tmp_path / "mute.gcode"
    path.write_text("M155 S0\nM104 S200\n" + "G4 P100\n" * 170)
    printer.start(order(path))
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED, status.ended
    assert status.temperatures.hotend_target_c == 200


# Several hot ends, and a chamber ------------------------------------------------------------


def with_others(at_s: float, second_c: float, target_c: float, chamber_c: float = 30.0) -> Heat:
    others = (Heater("T1", second_c, target_c), Heater("C", chamber_c, 0.0))
    return Heat(25.0, 0.0, 25.0, 0.0, others)


def test_the_second_hot_end_is_watched_like_the_first() -> None:
    watch = HeatWatch(RULES)
    for n in range(20):
        watch.hear(with_others(n, 275.0, 240.0), 2.0 * n)
    assert watch.danger(40.0, excused=False).startswith("The hot end 2 is at 275")


def test_a_chamber_that_heats_by_itself_is_an_emergency() -> None:
    watch = HeatWatch(RULES)
    for n in range(20):
        watch.hear(with_others(n, 25.0, 0.0, chamber_c=25.0 + 2 * n), 2.0 * n)
    assert "chamber is off, and has risen" in watch.danger(40.0, excused=False)


def test_a_forgotten_second_hot_end_is_switched_off_by_its_name() -> None:
    watch = HeatWatch(RULES)
    said: list[str] = []
    for n in range(0, 700, 2):
        watch.hear(with_others(n, 200.0, 200.0), float(n))
        said += watch.switch_off(float(n), live=False)
    assert said == ["M104 T1 S0"]


def test_a_heater_that_a_garbled_letter_invents_is_forgotten() -> None:
    watch = HeatWatch(RULES)
    watch.hear(Heat(25.0, 0.0, 60.0, 60.0, (Heater("C", 60.0, 60.0),)), 0.0)
    watch.hear(Heat(25.0, 0.0, 60.0, 0.0), 2.0)
    watch.danger(50.0, excused=False)
    assert watch.danger(65.0, excused=False) == ""
    assert watch.next_at(65.0) is None


def test_a_cancelled_print_with_two_hot_ends_leaves_none_of_its_heaters_on(tmp_path: Path) -> None:
    simulated = Simulated("--extruders", "2", "--chamber", speed=50.0)
    printer = SerialPrinter(str(simulated.link))
    try:
        printer.connect()
        path = tmp_path / "two.gcode"
        moves = "\n".join(f"G1 X{n % 90} F6000" for n in range(5000))
        path.write_text(f"M104 T0 S190\nM104 T1 S200\nM140 S60\nM141 S45\nT1\n{moves}\n")
        printer.start(order(path))
        until(lambda: simulated.ask("state")["targets_c"] == [190, 200, 60, 45], "all heat")
        printer.cancel("a1")
        status_when(printer, ended)
        assert simulated.ask("state")["targets_c"] == [0, 0, 0, 0]
    finally:
        printer.close()
        simulated.stop()
