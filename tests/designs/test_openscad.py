"""OpenSCAD sources: which parameters they offer, and what a stranger's may not say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.designs.openscad import (
    MAX_SOURCE_BYTES,
    Parameter,
    check_source,
    definitions,
    expression,
    literal,
    parameters,
)
from fabcoord.errors import UnreadableFile

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,12}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
VALUES = st.booleans() | NUMBERS | TEXTS | st.lists(NUMBERS, min_size=1, max_size=5)


@given(VALUES)
def test_what_is_written_as_an_expression_is_read_back(value: bool | float | str | list) -> None:
    assert literal(expression(value)) == value
    assert type(literal(expression(value))) is type(value)


@given(st.dictionaries(NAMES.filter(lambda n: n not in ("true", "false")), VALUES, max_size=8))
def test_every_assignment_before_the_first_module_is_found(values: dict) -> None:
    lines = [f"{name} = {expression(value)};" for name, value in values.items()]
    found = parameters("\n".join([*lines, "module m() {}", "late = 1;"]))
    assert {one.name: one.default for one in found} == values


@given(st.text(max_size=300))
def test_no_text_breaks_the_parser(source: str) -> None:
    for one in parameters(source):
        assert isinstance(one, Parameter)


@given(VALUES, TEXTS)
def test_a_text_cannot_leave_its_quotes(default: bool | float | str | list, text: str) -> None:
    (made,) = definitions([Parameter("t", "text", "\0")], {"t": text}).values()
    assert literal(made) == text
    inner = made[1:-1].replace("\\\\", "").replace('\\"', "")
    assert '"' not in inner


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a = 3; // [0:10]", {"minimum": 0, "maximum": 10}),
        ("a = 3; // [0:0.5:10]", {"minimum": 0, "step": 0.5, "maximum": 10}),
        ("a = 3; // [10]", {"minimum": 0, "maximum": 10}),
        ("a = 3; // .25", {"step": 0.25}),
        ("a = 3; // as you like", {}),
        ("a = 3; // [1, 2:Two, 3]", {"choices": ((1.0, "1"), (2.0, "Two"), (3.0, "3"))}),
        ('a = "x"; // [x, y:The y]', {"choices": (("x", "x"), ("y", "The y"))}),
        ('a = "x"; // 8', {"max_length": 8}),
        ("a = [1, 2]; // [0:5]", {"minimum": 0, "maximum": 5}),
        ("a = true;", {}),
    ],
)
def test_the_comment_behind_an_assignment_limits_it(line: str, expected: dict) -> None:
    (one,) = parameters(line)
    said = {
        name: getattr(one, name)
        for name in ("minimum", "maximum", "step", "choices", "max_length")
        if getattr(one, name) not in (None, ())
    }
    assert said == expected


def test_sections_and_descriptions_are_kept_and_hidden_ones_left_out() -> None:
    source = (
        "/* A licence,\n a = 1;\n*/\n/* [Size] */\n// wide\nw = 1;\n\nh = 2;\n"
        "/* [Hidden] */\nsecret = 3;\nfunction f(x) = x;\nlate = 4;\n"
    )
    assert [(p.name, p.section, p.description) for p in parameters(source)] == [
        ("w", "Size", "wide"), ("h", "Size", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        b'import("/etc/passwd");',
        b'surface (file = "x.png");',
        b'linear_extrude(height = 1, file = "x.dxf") circle(1);',
        b"include </etc/passwd>",
        b"use <../other.scad>",
        b"use <other.scad>",
        b'/* */ include\n<"x.scad> import("y");',
        b'a = "\\\\"; import("y");',
        b'a = "no end; import(1);',
        b"/* no end import(1);",
        b"cube(1); // \n import(1);",
        b"\xff\xfe",
        b"cube(1);\0",
        b" " * (MAX_SOURCE_BYTES + 1),
    ],
)
def test_a_source_that_reads_other_files_is_refused(source: bytes) -> None:
    with pytest.raises(UnreadableFile):
        check_source(source)


def test_words_in_comments_and_texts_and_installed_libraries_are_fine() -> None:
    check_source(b'// import this\n/* surface */ a = "import(1)"; use <MCAD/gears.scad>\ncube(1);')


def test_a_number_without_end_is_no_default() -> None:
    (one,) = parameters("a = 1e999;")
    assert math.isfinite(float(one.default))  # type: ignore[arg-type]
