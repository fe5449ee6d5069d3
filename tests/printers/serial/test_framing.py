"""Lines go out whole, plain and checked, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.printers.serial.framing import UnsendableLine, code_of, frame, sanitise


@given(st.integers(0, 10**9), st.text(st.characters(min_codepoint=33, max_codepoint=126)))
def test_a_framed_line_can_be_taken_apart_again(number: int, command: str) -> None:
    line = frame(number, command)
    body, _, checksum = line.rstrip(b"\n").rpartition(b"*")
    expected = 0
    for byte in body:
        expected ^= byte
    assert int(checksum) == expected
    assert body == f"N{number} {command}".encode()


@given(st.text())
def test_whatever_is_in_the_file_what_goes_out_is_harmless_to_the_numbering(line: str) -> None:
    try:
        command = sanitise(line, 95)
    except UnsendableLine:
        return
    if command is None:
        return
    assert command.isascii()
    assert command.isprintable()
    assert not set(command) & set(";*\\\n\r")
    assert "M110" not in command
    assert len(frame(10**9, command)) <= 95


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("G1 X10 ; to the right\n", "G1 X10"),
        ("; only a comment", None),
        ("   \r\n", None),
        ("N7 G1 X10*33", "G1 X10"),
        ("M110 N0", None),
        ("M 110 N0", None),
        ("M117 H\u00f6he M110", "M117 Hohe M 110"),
        ("M117 a\\b", "M117 ab"),
        ("M117 " + "x" * 200, "M117 " + "x" * 74),
    ],
)
def test_lines_of_files_become_commands(line: str, command: str | None) -> None:
    assert sanitise(line, 95) == command


def test_a_move_that_is_too_long_is_refused_rather_than_cut() -> None:
    with pytest.raises(UnsendableLine):
        sanitise("G1 " + "X1 " * 60, 95)


@pytest.mark.parametrize(
    ("command", "code"),
    [("G1 X1", "G1"), ("g01X1", "G1"), ("M109", "M109"), ("G28.1", "G28.1"), ("hello", "")],
)
def test_codes_are_known_however_they_are_written(command: str, code: str) -> None:
    assert code_of(command) == code
