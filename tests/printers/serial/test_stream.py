"""A file as commands: comments counted, not sent; stops turned into pauses; memory fixed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabcoord.printers.serial.framing import UnsendableLine
from fabcoord.printers.serial.stream import PAUSE, ForbiddenCommand, GcodeStream


def _stream(tmp_path: Path, text: str) -> GcodeStream:
    path = tmp_path / "x.gcode"
    path.write_text(text)
    return GcodeStream(path, 95)


def test_commands_come_in_order_with_progress_and_layers(tmp_path: Path) -> None:
    stream = _stream(tmp_path, "; head\nG28\n;LAYER_CHANGE\nG1 X1\n\n;LAYER_CHANGE\nG1 X2 ; end")
    assert stream.next() == "G28"
    assert stream.layer is None
    assert 0 < stream.progress < 1
    assert stream.next() == "G1 X1"
    assert stream.layer == 1
    assert stream.next() == "G1 X2"
    assert stream.layer == 2
    assert stream.next() is None
    assert stream.progress == 1


def test_only_straight_moves_in_absolute_positions_need_not_wait(tmp_path: Path) -> None:
    stream = _stream(tmp_path, "G1 X1\nM106 S9\nG2 X2 I1\nG1 X3\nG91\nG1 X1\nG90\nG0 X4\n")
    together = []
    while True:
        together.append([command for command, _ in stream.next_moves(9)])
        if stream.next() is None:
            break
    assert together == [["G1 X1", "M106 S9"], ["G1 X3"], [], [], ["G0 X4"]]


def test_cura_counts_its_layers_from_zero(tmp_path: Path) -> None:
    stream = _stream(tmp_path, ";LAYER_COUNT:12\n;LAYER:0\nG1 X1\n;LAYER:7\nG1 X2\n")
    stream.next()
    assert (stream.layer, stream.layers) == (1, 12)
    stream.next()
    assert stream.layer == 8


@pytest.mark.parametrize("line", ["M0", "M1 S5", "m0 wait", "M25", "M00"])
def test_stops_for_a_person_become_pauses(tmp_path: Path, line: str) -> None:
    assert _stream(tmp_path, line).next() == PAUSE


@pytest.mark.parametrize("line", ["M112", "m112", "M 112", "N5 M112*3", "M28 x.gco", "M0997"])
def test_what_must_not_come_from_a_file_does_not(tmp_path: Path, line: str) -> None:
    with pytest.raises(ForbiddenCommand):
        _stream(tmp_path, line).next()


def test_modes_and_feed_are_followed_for_the_resume(tmp_path: Path) -> None:
    stream = _stream(tmp_path, "G90\nM83\nG1 X1 F1200\nG91\n")
    for _ in range(3):
        stream.next()
    assert (stream.relative_xyz, stream.relative_e, stream.feed_mm_min) == (False, True, 1200.0)
    stream.next()
    assert (stream.relative_xyz, stream.relative_e) == (True, True)


def test_an_endless_comment_is_passed_over_and_an_endless_line_refused(tmp_path: Path) -> None:
    stream = _stream(tmp_path, "G1 X1 ;" + "x" * 100_000 + "\nG1 X2\n")
    assert [stream.next(), stream.next(), stream.next()] == ["G1 X1", "G1 X2", None]
    with pytest.raises(UnsendableLine, match="line 1"):
        _stream(tmp_path, "G" * 100_000).next()
