"""Machine models: those that come along, those that a lab adds, and files with mistakes."""

import re
from pathlib import Path

import pytest

from fabcoord.errors import BadInput, NotFound
from fabcoord.printers.machines import all_machines, machine, read_machine
from fabcoord.slicing.bundles import find_bundle
from fabcoord.slicing.locate import profile_directories

GOOD = """
name = "Lab-built"
firmware = "marlin2"
build_volume_mm = [100, 110, 120]
nozzle_mm = 0.4
max_hotend_c = 260
max_bed_c = 90
power_w = 60
bundle = "demo.ini"

[presets."0.4"]
printer = "Demo printer"
quality = { normal = "0.20 mm normal" }
material = { PLA = "PLA" }
"""


def write(directory: Path, text: str, name: str = "labbuilt.toml") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def test_the_machines_that_come_along_can_be_read() -> None:
    assert {"prusa_mk3s", "prusa_mini", "creality_ender3", "voron_v0", "demo"} <= set(
        all_machines()
    )


@pytest.mark.slicer
@pytest.mark.parametrize("machine_id", sorted(all_machines()))
def test_build_volumes_are_those_of_the_bundles(machine_id: str) -> None:
    model = machine(machine_id)
    bundle = find_bundle(model.bundle, [model.source.parent, *profile_directories()])
    for presets in model.presets.values():
        printer = bundle.resolve("printer", presets.printer)
        corners = [[float(c) for c in p.split("x")] for p in printer["bed_shape"].split(",")]
        for axis in (0, 1):
            low, high = min(c[axis] for c in corners), max(c[axis] for c in corners)
            assert low == model.origin_mm[axis]
            assert high - low == model.build_volume_mm[axis]
        assert float(printer["max_print_height"]) == model.build_volume_mm[2]


def test_a_lab_adds_a_machine_by_adding_a_file(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    added = machine("labbuilt", tmp_path)
    assert added.name == "Lab-built"
    assert added.centre_mm == (50, 55)
    assert added.travel_mm == ((0, 100), (0, 110), (0, 120))
    assert added.materials == ("PLA",)
    assert "demo" in all_machines(tmp_path)


def test_the_directory_of_the_lab_may_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, GOOD)
    monkeypatch.setenv("FABCOORD_MACHINES_DIR", str(tmp_path))
    assert machine("labbuilt").name == "Lab-built"


def test_a_file_of_the_same_name_replaces_ours(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "demo.toml")
    assert machine("demo", tmp_path).name == "Lab-built"


def test_an_unknown_machine_is_answered_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="prusa_mk3s"):
        machine("prusa_mk5")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("max_bed_c = 90\n", ""), "max_bed_c is missing"),
        (("[100, 110, 120]", "[100, 110]"), "build_volume_mm"),
        (("[100, 110, 120]", "[100, 110, 0]"), "build_volume_mm"),
        (("[100, 110, 120]", '[100, 110, "tall"]'), "build_volume_mm"),
        (("max_hotend_c = 260", "max_hotend_c = true"), "max_hotend_c"),
        (("max_hotend_c = 260", "max_hotend_c = nan"), "max_hotend_c"),
        (('name = "Lab-built"', "name = 3"), "name"),
        (("power_w = 60", "power = 60"), "power"),
        (("nozzle_mm = 0.4", "nozzle_mm = 0.6"), r"presets.0.6"),
        (("{ normal =", "{ norml ="), r"presets.0.4.quality.norml"),
        (('[presets."0.4"]', '[presets."wide"]'), "presets.wide"),
        (("\n[presets", '\nclearance = "cat"\n[presets'), "clearance"),
        (("\n[presets", "\ntravel_mm = { x = [10, 100] }\n[presets"), r"travel_mm.x"),
        (("\n[presets", '\nallow_commands = "M907"\n[presets'), "allow_commands"),
        (("power_w = 60", "power_w = = 60"), "not a TOML file"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(
    tmp_path: Path, change: tuple[str, str], key: str
) -> None:
    assert change[0] in GOOD
    path = write(tmp_path, GOOD.replace(*change))
    with pytest.raises(BadInput, match=f"^{re.escape(str(path))}: {key}"):
        read_machine(path)
