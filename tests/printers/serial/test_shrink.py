"""A shrunken line has the same words with the same values, and fewer bytes."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.printers.serial.shrink import shrink

_DECIMAL = st.builds(
    lambda sign, whole, part: f"{sign}{whole}{part}",
    st.sampled_from(["", "-", "+"]),
    st.sampled_from(["0", "00", "7", "10", "007", "200", "1005"]),
    st.sampled_from(["", ".", ".0", ".5", ".500", ".05", ".050", ".123450"]),
)
_BARE = st.sampled_from([".5", "-.05", ".0", "-.500"])
_WORD = st.builds(
    "{}{}{}".format, st.sampled_from("XYZEFIJR"), st.sampled_from(["", " "]), _DECIMAL | _BARE
)
_MOVE = st.builds(
    lambda code, words, gap: code + "".join(gap + word for word in words),
    st.sampled_from(["G0", "G1", "G01", "G2", "G3"]),
    st.lists(_WORD, max_size=6),
    st.sampled_from([" ", "  ", ""]),
)


def words(command: str) -> list[tuple[str, Decimal]]:
    """The words as a firmware reads them: a letter, then the number behind it."""
    found = re.findall(r"([A-Z])\s*([+-]?(?:\d+\.?\d*|\.\d+))", command)
    assert re.sub(r"[A-Z]\s*[+-]?(?:\d+\.?\d*|\.\d+)|\s", "", command) == ""
    return [(letter, Decimal(number)) for letter, number in found]


@given(_MOVE)
def test_a_shrunken_move_means_the_same(move: str) -> None:
    short = shrink(move)
    assert words(short) == words(move)
    assert len(short) <= len(move) + move.count("E")
    assert shrink(short) == short
    assert not re.search(r"\dE", short), "a number that looks like one with an exponent"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_anything_is_taken(line: str) -> None:
    shrink(line)


@pytest.mark.parametrize(
    "command",
    ["M117 Layer 1.0 of 10", "G92 E0.0", "G28 X Y", "M109 S200.0", "G1 X{x}", "G10 S1.0", "T0", ""],
)
def test_what_is_no_plain_move_stays_as_it_is(command: str) -> None:
    assert shrink(command) == command


def test_a_line_of_a_slicer_gets_shorter() -> None:
    assert shrink("G1 X101.230 Y98.700 E0.05120 F1800.000") == "G1X101.23Y98.7 E.0512F1800"
    assert shrink("G1 X-0.000 Z0.20") == "G1X0Z.2"
