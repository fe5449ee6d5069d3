"""What is packed comes out of an unpacker of its own as it went in, in half the bytes."""

from __future__ import annotations

import re
from functools import reduce
from operator import xor

from hypothesis import given
from hypothesis import strategies as st

from fabcoord.printers.serial.framing import frame
from fabcoord.printers.serial.meatpack import NO_SPACES, PACK, RESET, SPACES, Packed, pack
from fabcoord.printers.simulator.meatpack import Unpacker

_LINES = st.lists(
    st.one_of(
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60),
        st.text(st.sampled_from("0123456789. GXYZEF*N-"), max_size=60),
    ),
    max_size=20,
)


def unpacked(data: bytes, unpacker: Unpacker | None = None) -> bytes:
    unpacker, out = unpacker or Unpacker(), bytearray()
    for byte in data:
        unpacker.feed(byte, out)
    return bytes(out)


@given(_LINES)
def test_lines_come_out_as_they_went_in(lines: list[str]) -> None:
    for no_spaces, mode in ((False, SPACES), (True, NO_SPACES)):
        plain = [f"{line}\n".encode() for line in lines]
        packed = [pack(line, no_spaces=no_spaces) for line in plain]
        assert unpacked(PACK + mode + b"".join(packed)) == b"".join(plain)


@given(st.integers(0, 10**6), _LINES)
def test_lines_are_numbered_and_checked_as_the_firmware_sees_them(
    first: int, lines: list[str]
) -> None:
    form = Packed(no_spaces=False)
    for number, line in enumerate(lines, first):
        command = line.replace("*", "")
        line_end = unpacked(form.opening + form.line(number, command))
        body, _, checksum = line_end.rstrip(b"\n").rpartition(b"*")
        assert int(checksum) == reduce(xor, body)
        match = re.match(rb"N(\d+)", body)
        assert match is not None
        assert int(match[1]) == number
        assert body[match.end() :].strip() == command.encode().strip()


def test_without_spaces_a_move_loses_them_and_a_text_keeps_them() -> None:
    form = Packed()
    move = unpacked(form.opening + form.line(10, "G1 X10.5 E.05"))
    assert move.startswith(b"N10G1X10.5E.05*")
    text = unpacked(form.opening + form.line(8, "M117 Hello you EGX"))
    assert text.startswith(b"N08M117 Hello you EGX*")


@given(st.integers(0, 10**6), st.integers(1, 60))
def test_a_line_that_was_cut_is_no_command(number: int, lost: int) -> None:
    form = Packed()
    rest = form.line(number, "G1 X101.234 Y98.765 E.05123")[lost:]
    left = unpacked(form.opening + rest)
    assert not re.match(rb"\s*[GMT]\d", left)


def test_a_move_takes_little_more_than_half_the_bytes() -> None:
    plain, form = frame(12345, "G1 X101.234 Y98.765 E.05123"), Packed()
    assert len(form.line(12345, "G1 X101.234 Y98.765 E.05123")) < 0.6 * len(plain)


@given(st.binary(max_size=40))
def test_after_any_mess_the_opening_puts_it_right(mess: bytes) -> None:
    form, unpacker = Packed(), Unpacker()
    unpacked(PACK + mess, unpacker)
    clean = unpacked(form.opening + form.end + form.line(3, "G1 X1 E1"), unpacker)
    assert clean.endswith(unpacked(form.opening + form.line(3, "G1 X1 E1")))
    assert clean.startswith(b"\n")


def test_plain_lines_pass_until_packing_is_switched_on_and_after_a_reset() -> None:
    assert unpacked(b"M105\n" + PACK + pack(b"G28\n", no_spaces=False) + RESET + b"M84\n") == (
        b"M105\nG28\nM84\n"
    )
