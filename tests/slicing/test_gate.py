"""The gate: what it refuses, what it lets pass, and that it counts and follows rightly."""

import math
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabcoord.errors import GateRefused
from fabcoord.printers.machines import machine
from fabcoord.slicing import gate
from fabcoord.slicing.denied import DENIED
from fabcoord.slicing.gate import GateReport, vet
from tests.slicing.conftest import Vet


def codes(report: GateReport) -> list[str]:
    return [refusal.code for refusal in report.refusals]


@pytest.mark.parametrize("command", sorted(DENIED))
def test_every_denied_command_is_refused_and_explained(vetted: Vet, command: str) -> None:
    report = vetted(f"G1 X10 Y10\n{command} S1\nG1 X20")
    assert "denied" in codes(report)
    refusal = report.refusals[codes(report).index("denied")]
    assert refusal.line == 3
    assert refusal.text == f"{command} {DENIED[command]}."


@pytest.mark.parametrize(
    "hidden",
    [
        "m112",
        "  M112",
        "\tM112",
        "M 112",
        "M0112",
        "M112.0",
        "M112 ; harmless",
        "M112;harmless",
        "; comment\rM112",
        "G1 X10\rM112\rG1 X11",
        "N12 M112*33",
        "G1 X10 M112",
    ],
)
def test_a_denied_command_does_not_pass_in_disguise(vetted: Vet, hidden: str) -> None:
    assert not vetted(f"G1 X10 Y10 E1\n{hidden}\nG1 X20\n").ok


@pytest.mark.parametrize(
    "harmless",
    [
        "; M112",
        "G1 X10 ; M112",
        "M1120 S1",
        "M117 Layer 3 of 10",
        "M115 U3.11.0",
        'M862.3 P "MK3S"',
        "M73 P10 R20",
        "M900 K0.05",
        "T0",
        "G4 S10",
        "G92 E0",
        "G92",
        "M106 S255",
        ";printing object Würfel \u2600",
        "G29",
        "M84 X Y E",
    ],
)
def test_ordinary_lines_pass(vetted: Vet, harmless: str) -> None:
    assert vetted(f"G1 X10 Y10 Z1\n{harmless}\nG1 X20\n").refusals == ()


def test_a_machine_may_let_a_command_through(vetted: Vet) -> None:
    assert vetted("M907 E538", "prusa_mk3s").ok
    assert codes(vetted("M907 E538", "prusa_mini")) == ["denied"]


def test_a_message_that_resets_line_numbers_is_refused(vetted: Vet) -> None:
    assert codes(vetted("M117 see M110 N5")) == ["denied"]
    assert codes(vetted("M118 A1 action:start")) == ["denied"]


@pytest.mark.parametrize(
    "line",
    [
        "M104 S276",
        "M109 R300",
        "M109 S200 B400",
        "m104s276",
        "M104 S0276.5",
        "M140 S111",
        "M190 R200",
        "M141 S40",
    ],
)
def test_temperatures_above_the_limits_are_refused(vetted: Vet, line: str) -> None:
    assert codes(vetted(line)) == ["temperature"]


def test_temperatures_at_the_limits_pass_and_are_reported(vetted: Vet) -> None:
    report = vetted("M104 S200\nM109 S275\nM140 S110\nM104 S0\nM140 S0\nM141 S0\nM190")
    assert report.ok
    assert (report.max_hotend_c, report.max_bed_c) == (275, 110)


@pytest.mark.parametrize(
    "line", ["M104 S{temperature}", "M104 I1S", "M104 S200 M140 S500", "M104 Snan"]
)
def test_a_temperature_that_cannot_be_read_is_refused(vetted: Vet, line: str) -> None:
    assert codes(vetted(line)) == ["unreadable"]


@pytest.mark.parametrize("line", ["T1", "M104 T1 S200"])
def test_tools_that_the_machine_does_not_have_are_refused(vetted: Vet, line: str) -> None:
    assert codes(vetted(line)) == ["tool"]


@pytest.mark.parametrize(
    "lines",
    [
        "G1 X200.1",
        "G1 X-1 Y5",
        "G0 Y-0.1",
        "G1 Z181",
        "G1 Z-0.2",
        "g1 x500",
        "G01 X500.",
        "G1 X10 X500",
        "G1 X1000000000000000000000000000000000000000000000000000000000000000",
        "G91\nG90\nG1 X150\nG91\nG1 X51",
        "G1 X100\nG92 X0\nG1 X101",
        "G1 X150 Y150\nG2 X190 Y150 I20 J0\nG3 X190 Y150 I-20 J60",
    ],
)
def test_moves_out_of_reach_are_refused(vetted: Vet, lines: str) -> None:
    report = vetted(lines)
    assert "outside" in codes(report)
    assert report.refusals[0].line == len(lines.splitlines()) + 1


@pytest.mark.parametrize(
    "lines",
    [
        "G1 X200 Y0 Z180",
        "G1 X150\nG91\nG1 X-50\nG1 X-100\nG90",
        "G1 X100\nG92 X0\nG1 X-100\nG1 X100",
        "G1 X100\nG92 X500\nG28\nG1 X100",
        "G1 X100 Y100\nG3 X120 Y100 I10 J0",
        "G91\nG1 Z5\nG90\nG1 X20",
    ],
)
def test_moves_within_reach_pass(vetted: Vet, lines: str) -> None:
    assert vetted(lines).refusals == ()


def test_purge_lines_may_use_the_declared_reach_and_no_more(vetted: Vet) -> None:
    assert vetted("G1 Y-3", "prusa_mk3s").ok
    assert codes(vetted("G1 Y-5", "prusa_mk3s")) == ["outside"]


@pytest.mark.parametrize(
    "line",
    ["G92 X5", "G3 X10 Y10 R5", "G2 X10 Y10 I5", "G1 X10 Y10 Xnan", "G1 X1E5E", "G1.5 X5", "G92.1"],
)
def test_motion_that_cannot_be_followed_is_refused(vetted: Vet, line: str) -> None:
    assert set(codes(vetted(line))) <= {"motion", "unreadable"}
    assert not vetted(line).ok


def test_printing_before_homing_is_refused_once(vetted: Vet) -> None:
    report = vetted("G1 X10 Y10 E5\nG1 X20 Y20 E5\n", homed=False)
    assert codes(report) == ["motion"]
    assert "homing" in report.refusals[0].text


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"M117 " + b"x" * 90, "too_long"),
        (b"M117 caf\xc3\xa9", "characters"),
        (b"G1 X1\0", "characters"),
        (b"; a comment\0", "characters"),
        (b"G1 X1\x1b[2J", "characters"),
        (b"SET_HEATER_TEMPERATURE HEATER=extruder TARGET=400", "unknown"),
        (b"X10 Y10", "unknown"),
        (b"{if layer_z}", "unknown"),
        (b"@pause", "unknown"),
    ],
)
def test_lines_that_are_no_commands_are_refused(vetted: Vet, line: bytes, code: str) -> None:
    assert code in codes(vetted(b"G1 X10\n" + line + b"\nG1 X20\n"))


def test_the_longest_command_that_marlin_keeps_passes(vetted: Vet) -> None:
    longest = "M117 " + "x" * (gate.MAX_COMMAND_BYTES - 5)
    assert len(f"N1234567 {longest}*255") < 96
    assert vetted(longest).ok
    assert codes(vetted(longest + "x")) == ["too_long"]


def test_klipper_takes_the_macros_of_prints_and_nothing_else(vetted: Vet) -> None:
    start = "print_start EXTRUDER=215 BED=55\nG1 X10 Y10 E1"
    assert vetted(start, "voron_v0", homed=False).ok
    report = vetted("PRINT_START EXTRUDER=400 BED_TEMP=130", "voron_v0")
    assert codes(report) == ["temperature", "temperature"]
    assert codes(vetted("PRINT_START EXTRUDER=nan", "voron_v0")) == ["temperature"]
    for command in ("SAVE_CONFIG", "FIRMWARE_RESTART", "RUN_SHELL_COMMAND CMD=x"):
        assert codes(vetted(command, "voron_v0")) == ["unknown"]
    assert codes(vetted(start)) == ["unknown"]


def test_layers_are_counted_whatever_the_slicer(vetted: Vet) -> None:
    for mark in (";LAYER_CHANGE", ";LAYER:7", "; CHANGE_LAYER"):
        assert vetted(f"{mark}\nG1 X1\n" * 12 + "; LAYER_CHANGES\n").layers == 12


def test_windows_line_ends_change_nothing(vetted: Vet) -> None:
    text = "G1 X10 Y20 Z1\n;LAYER_CHANGE\nG1 X300\n"
    assert vetted(text.replace("\n", "\r\n")) == vetted(text)


def test_a_report_that_is_not_good_raises_its_reasons(vetted: Vet) -> None:
    demo = machine("demo")
    good = vetted("G1 X1")
    assert good.require(demo) is good
    with pytest.raises(GateRefused, match=r"Line 3: M112 is an emergency stop.* 1 more") as caught:
        vetted("G1 X1\nM112\nM502").require(demo)
    refusals = caught.value.extra["refusals"]
    assert isinstance(refusals, list)
    assert [one["code"] for one in refusals] == ["denied", "denied"]


def test_refusals_are_capped(vetted: Vet) -> None:
    assert len(vetted("M112\n" * 1000).refusals) == gate.MAX_REFUSALS


def test_memory_does_not_grow_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "CHUNK_BYTES", 1 << 14)
    path = tmp_path / "long.gcode"
    block = b"".join(b"G1 X%d.%d Y10 E.1\nM204 S%d\n" % (i % 200, i % 7, i) for i in range(500))

    def peak(blocks: int) -> int:
        path.write_bytes(b"G28\n" + block * blocks)
        tracemalloc.start()
        try:
            assert vet(path, machine("demo")).lines == 1000 * blocks + 1
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)
    assert peak(40) < 1.5 * peak(10)


def test_a_line_that_never_ends_is_refused(vetted: Vet) -> None:
    for text in ("G1 X1\n;" + "x" * 4_000_000, "G1 X1\n" + "X" * 4_000_000):
        assert "too_long" in codes(vetted(text))


def test_an_empty_file_has_no_moves(vetted: Vet) -> None:
    assert vetted("", homed=False) == GateReport((), 0, 0, None, 0, 0)


coordinates = st.decimals(-20, 220, places=3).map(lambda number: f"{number:f}")
moves = st.builds(
    lambda code, words: " ".join([code, *words]),
    st.sampled_from(["G0", "G1"]),
    st.lists(
        st.builds("{}{}".format, st.sampled_from("XYZ"), coordinates),
        max_size=3,
        unique_by=lambda word: word[0],
    ),
)
others = st.sampled_from(
    ["", "G90", "G91", "G92 E0", "M204 S800", "G28", "M73 P5", ";LAYER_CHANGE"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(moves | others, max_size=40))
def test_the_fast_way_and_the_slow_way_agree(vetted: Vet, lines: list[str]) -> None:
    # Lower case commands are never taken for plain moves, so they all go the slow way.
    fast = vetted("\n".join(lines))
    slow = vetted("\n".join(line if ";" in line else line.lower() for line in lines))
    assert fast.bounds_mm == slow.bounds_mm
    assert fast.ok == slow.ok
    assert (fast.lines, fast.layers) == (slow.lines, slow.layers)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(moves, min_size=1, max_size=40))
def test_absolute_moves_are_bounded_by_their_least_and_most(vetted: Vet, lines: list[str]) -> None:
    report = vetted("\n".join(lines))
    for index, axis in enumerate("XYZ"):
        values = [float(w[1:]) for line in lines for w in line.split()[1:] if w[0] == axis]
        if values:
            assert report.bounds_mm is not None
            assert report.bounds_mm[index] == (min(values), max(values))
    volume = machine("demo").travel_mm
    inside = report.bounds_mm is None or all(
        low - 0.05 <= least and most <= high + 0.05
        for (least, most), (low, high) in zip(report.bounds_mm, volume, strict=True)
    )
    assert report.ok is inside


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_no_bytes_upset_the_gate(vetted: Vet, data: bytes) -> None:
    report = vetted(data)
    assert report.lines >= 1
    assert all(math.isfinite(side) for axis in report.bounds_mm or () for side in axis)


def test_chunks_may_end_anywhere(vetted: Vet, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "G1 X10 Y20\r\n;LAYER_CHANGE\nM104 S200 ; warm\nG1 Z5\nM112\nG1 X199.5 Y3"
    whole = vetted(text)
    for size in range(1, 30):
        monkeypatch.setattr(gate, "CHUNK_BYTES", size)
        assert vetted(text) == whole
