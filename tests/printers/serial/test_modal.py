"""A print that was cut off goes on where a person says, on a printer that really moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabcoord.errors import Unprocessable
from fabcoord.printers import profiles
from fabcoord.printers.base import Outcome
from fabcoord.printers.serial.modal import Modal, ModalScan, resume_gcode, resume_prefix
from tests.printers.serial.conftest import Reach
from tests.printers.simulated import ended, order, status_when


def after(*commands: str) -> Modal:
    modal = Modal()
    for command in commands:
        modal.take(command)
    return modal


def test_moves_modes_and_heat_are_followed() -> None:
    modal = after(
        *("M140 S60", "M104 S215", "G28", "T1", "M204 P800", "M221 S95", "M204 P900"),
        *("G90", "M82", "G1 Z0.2 F600", "G1 X10 Y20.5 E1.5 F1800", "M106 S128"),
        *("G92 E0", "G1 X11 E.25", "g1 y21"),
    )
    assert (modal.x, modal.y, modal.z, modal.e) == (11, 21, 0.2, 0.25)
    assert (modal.hotend_c, modal.bed_c, modal.fan, modal.tool) == (215, 60, 128, "T1")
    assert modal.feed_mm_min == 1800
    assert modal.settings == {"M204": "M204 P900", "M221": "M221 S95"}


def test_relative_moves_add_up() -> None:
    modal = after("G92 X0 Y0 Z0 E0", "G91", "G1 X5 E1", "G1 X5 E1", "G90", "M83", "G1 X3 E1")
    assert (modal.x, modal.e) == (3, 3)
    assert modal.relative_e
    assert not modal.relative_xyz


def test_where_homing_leaves_an_axis_only_the_printer_knows() -> None:
    modal = after("G1 X1 Y2 Z3", "G28 X")
    assert (modal.x, modal.y, modal.z) == (None, 2, 3)
    assert after("G1 X1 Y2 Z3", "G28").z is None


def test_a_file_is_followed_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "a.gcode"
    path.write_text("; head\nG28\nG1 X1 ; G1 X9\n\nG1 X2\nG1 X3\n")
    scan = ModalScan(path)
    assert scan.advance(3).x == 1
    assert scan.advance(3).x == 1
    assert scan.advance(5).x == 2
    assert scan.advance(999).x == 3
    assert scan.modal.line == 6


@pytest.mark.parametrize(
    ("commands", "why"),
    [
        (("M104 S200", "G28"), "not got beyond homing"),
        (("G1 X1 Y1 Z1",), "hot end is off"),
        (("M104 S200", "G20", "G1 X1 Y1 Z1"), "inches"),
    ],
)
def test_where_there_is_no_safe_way_on(commands: tuple[str, ...], why: str) -> None:
    with pytest.raises(Unprocessable, match=why):
        resume_prefix(after(*commands), profiles.default())


def test_every_profile_heats_first_and_never_homes_into_the_part() -> None:
    modal = after("M104 S200", "M140 S60", "G28", "G1 X1 Y2 Z3 E4 F1200", "M83")
    for profile in profiles.load_all().values():
        prefix = resume_prefix(modal, profile)
        homing = [line for line in prefix if line.startswith("G28")]
        assert homing == ["G28 X Y"], profile.id
        lifted = prefix.index("G92 Z3")
        assert lifted < prefix.index("G28 X Y")
        assert prefix.index("M109 S200") < next(
            number for number, line in enumerate(prefix) if " E" in line and line[:2] == "G1"
        )
        assert prefix[-1] == "G1 F1200"
        assert prefix.index("G90", lifted) < prefix.index("M83", prefix.index("G92 E4"))


def test_the_rest_is_printed_and_ends_where_the_whole_would_have(
    reach: Reach, tmp_path: Path
) -> None:
    layers = [
        command
        for layer in range(1, 30)
        for command in (
            f"G1 Z{layer / 5:g} F600",
            *(f"G1 X{20 + n % 60} Y{30 + n} E{layer * 20 + n * 0.5:g} F6000" for n in range(20)),
        )
    ]
    start = ["M140 S60", "M104 S200", "G28", "G90", "M82", "M109 S200", "G92 E0", "M106 S77"]
    whole = tmp_path / "whole.gcode"
    whole.write_text("\n".join([*start, *layers]))
    line = len(start) + 200
    rest = tmp_path / "rest.gcode"
    rest.write_text("\n".join(resume_gcode(whole, line, profiles.default())))
    simulated, printer = reach()
    printer.start(order(rest))
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED, status.ended
    state = simulated.ask("state")
    modal = ModalScan(whole).advance(10**6)
    assert state["position"] == pytest.approx(
        {"X": modal.x, "Y": modal.y, "Z": modal.z, "E": modal.e}
    )
    assert state["hotend_target_c"] == 200
    assert state["fan"] == 77
    assert simulated.ask("log")["count"] == (
        len(resume_prefix(ModalScan(whole).advance(line), profiles.default()))
        + (len(start) + len(layers) - line)
        + 1
    )
