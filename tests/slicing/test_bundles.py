"""Vendor bundles: reading, inheritance, and the conditions that say what belongs together."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.errors import SlicerMissing, SlicingFailed
from fabcoord.slicing.bundles import Bundle, find_bundle, parse_bundle
from fabcoord.slicing.conditions import holds
from fabcoord.slicing.locate import profile_directories, slicer_binary

BUNDLE = r"""
# a comment
[vendor]
name = Acme

[print:*common*]
layer_height = 0.2
perimeters = 3
[print:*fast*]
perimeters = 1
speed = 80%
[print:0.20 mm: A & B @ACME]
inherits = *common*; *fast*
Layer_Height = 9
notes = two\nlines = one
[print:loop]
inherits = pool
[print:pool]
inherits = loop
[print:orphan]
inherits = *gone*
"""


def bundle(text: str) -> Bundle:
    return Bundle(Path("Acme.ini"), parse_bundle(text))


def test_later_parents_override_earlier_ones_and_the_section_itself_comes_last() -> None:
    settings = bundle(BUNDLE).resolve("print", "0.20 mm: A & B @ACME")
    assert settings["layer_height"] == "0.2"
    assert settings["perimeters"] == "1"
    assert settings["speed"] == "80%"
    assert settings["Layer_Height"] == "9"
    assert settings["notes"] == r"two\nlines = one"


def test_a_circle_is_named() -> None:
    with pytest.raises(SlicingFailed, match="loop → pool → loop"):
        bundle(BUNDLE).resolve("print", "loop")


def test_a_missing_parent_is_named_with_its_heir() -> None:
    with pytest.raises(SlicingFailed, match=r"no print preset '\*gone\*', which 'orphan'"):
        bundle(BUNDLE).resolve("print", "orphan")


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)), min_size=1))
def test_inheritance_is_the_merge_of_the_chain(generations: list[dict[str, int]]) -> None:
    lines: list[str] = []
    for number, own in enumerate(generations):
        lines.append(f"[print:g{number}]")
        if number:
            lines.append(f"inherits = g{number - 1}")
        lines += [f"{key} = {value}" for key, value in own.items()]
    settings = bundle("\n".join(lines)).resolve("print", f"g{len(generations) - 1}")
    settings.pop("inherits", None)
    expected: dict[str, str] = {}
    for own in generations:
        expected |= {key: str(value) for key, value in own.items()}
    assert settings == expected


@given(st.text())
def test_no_text_upsets_the_reader(text: str) -> None:
    parse_bundle(text)


def test_a_missing_bundle_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SlicingFailed, match=re.escape(str(tmp_path))):
        find_bundle("Acme", [tmp_path])


def test_profiles_are_found_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FABCOORD_SLICER_PROFILES", str(tmp_path))
    assert profile_directories()[0] == tmp_path


def test_a_missing_slicer_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SlicerMissing, match="apt install prusa-slicer"):
        slicer_binary()


MK3 = {
    "printer_notes": r"Do not remove.\nPRINTER_VENDOR_PRUSA3D\nPRINTER_MODEL_MK3\n",
    "printer_model": "MK3S",
    "nozzle_diameter": "0.4",
    "single_extruder_multi_material": "0",
}


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ("", True),
        ("nozzle_diameter[0]==0.4", True),
        ("nozzle_diameter[0]!=0.4", False),
        ("nozzle_diameter[0]>0.35 and nozzle_diameter[0]<=0.4", True),
        ("printer_notes=~/.*PRINTER_MODEL_MK(2.5|3).*/", True),
        ("printer_notes=~/PRINTER_MODEL_MK3/", False),
        ("printer_notes!~/.*PRINTER_MODEL_MK2.*/", True),
        ('printer_model=="MK3S" and num_extruders==1', True),
        ('printer_model=="MINI" or printer_model=="MK3S"', True),
        ('printer_model!="MINI" and ! (printer_notes=~/.*MK3.*/ and num_extruders>1)', True),
        ("! single_extruder_multi_material", True),
        ("not (nozzle_diameter[0]==0.4 or nozzle_diameter[0]==0.6)", False),
    ],
)
def test_conditions(condition: str, answer: bool) -> None:
    assert holds(condition, MK3) is answer


@pytest.mark.parametrize("condition", ["nozzle_diameter[0]==", "(a==1", "a=~3", "a b", "a @ b"])
def test_a_condition_that_cannot_be_read_is_an_error(condition: str) -> None:
    with pytest.raises(SlicingFailed, match="cannot be read"):
        holds(condition, {"a": "1"})


@pytest.mark.slicer
def test_every_condition_of_every_bundle_can_be_read() -> None:
    conditions = {
        value
        for directory in profile_directories()
        for path in directory.glob("*.ini")
        for settings in parse_bundle(path.read_text("utf-8")).values()
        for key, value in settings.items()
        if key in ("compatible_printers_condition", "compatible_prints_condition")
    }
    assert len(conditions) > 50
    for condition in conditions:
        holds(condition, MK3)
