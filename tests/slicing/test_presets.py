"""Presets: each one that a machine offers is whole, belongs together, and slices alike."""

import dataclasses
import sys

import pytest

from fabcoord.errors import NotFound, SlicingFailed, Unprocessable
from fabcoord.printers.machines import machine
from fabcoord.slicing import presets


def settings_of(preset: presets.Preset) -> dict[str, str]:
    return dict(line.split(" = ", 1) for line in preset.ini.splitlines())


@pytest.mark.slicer
@pytest.mark.parametrize("info", presets.available(), ids=lambda info: info.id)
def test_every_preset_on_offer_fits_its_printer(info: presets.PresetInfo) -> None:
    preset = presets.resolve_id(info.id)
    model, settings = machine(info.machine), settings_of(preset)
    assert preset.info == info
    assert 0.9 < preset.density_g_cm3 < 1.5
    assert preset.filament_cost_per_kg > 0
    assert float(settings["nozzle_diameter"]) == info.nozzle_mm
    assert 0 < preset.layer_height_mm < info.nozzle_mm
    assert int(settings["first_layer_temperature"]) <= model.max_hotend_c
    assert int(settings["first_layer_bed_temperature"]) <= model.max_bed_c
    assert 0 <= preset.skirt_mm < 15


@pytest.mark.slicer
def test_the_flat_file_names_its_presets_and_runs_no_program() -> None:
    settings = settings_of(presets.resolve(machine("prusa_mk3s"), "normal", "PETG"))
    assert settings["print_settings_id"] == "0.20mm QUALITY @MK3"
    assert settings["filament_settings_id"] == "Generic PETG"
    assert settings["printer_settings_id"] == "Original Prusa i3 MK3S & MK3S+"
    assert settings["printer_model"] == "MK3S"
    assert settings["post_process"] == ""
    assert not any(key.startswith(("inherits", "compatible_")) for key in settings)


def test_the_demo_printer_needs_no_vendor_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "profile_directories", list)
    assert presets.resolve(machine("demo"), "draft", "TPU").layer_height_mm == 0.28


def test_material_and_quality_are_found_in_any_case() -> None:
    assert presets.resolve(machine("demo"), "Normal", "pla").info.id == "demo:normal:PLA:0.4"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ultra", "PLA"), "There are: draft, normal, fine"),
        (("normal", "PEEK"), "There are: PLA, PETG, ABS, TPU"),
        (("normal", "PLA", 0.8), "There are: 0.4"),
    ],
)
def test_what_a_machine_does_not_offer_is_answered_with_what_it_does(
    arguments: tuple[str, str], words: str
) -> None:
    with pytest.raises(Unprocessable, match=words):
        presets.resolve(machine("demo"), *arguments)


@pytest.mark.parametrize("preset_id", ["", "demo", "demo:normal:PLA:wide", "a:b:c:d:e"])
def test_an_id_that_is_none_is_not_found(preset_id: str) -> None:
    with pytest.raises(NotFound):
        presets.resolve_id(preset_id)


@pytest.mark.slicer
def test_a_preset_made_for_another_printer_is_refused() -> None:
    mk3s = machine("prusa_mk3s")
    nozzle = mk3s.presets[0.4]
    for changed in (
        dataclasses.replace(nozzle, quality={"normal": "0.20mm QUALITY @MINI"}),
        dataclasses.replace(nozzle, material={"PLA": "Generic PETG @MINI"}),
    ):
        wrong = dataclasses.replace(mk3s, presets={0.4: changed})
        with pytest.raises(SlicingFailed, match="is not meant for 'Original Prusa i3 MK3S"):
            presets.resolve(wrong, "normal", "PLA")


def test_the_hash_is_of_the_content_and_the_place_on_the_bed() -> None:
    demo = machine("demo")
    first = presets.resolve(demo, "normal", "PLA")
    assert presets.resolve(demo, "normal", "PLA").sha256 == first.sha256
    assert presets.resolve(demo, "fine", "PLA").sha256 != first.sha256
    moved = dataclasses.replace(demo, origin_mm=(-100.0, -100.0))
    assert presets.resolve(moved, "normal", "PLA").sha256 != first.sha256


def test_presets_are_listed_by_machine_and_material() -> None:
    listed = presets.available("demo", "petg")
    assert [info.quality for info in listed] == ["draft", "normal", "fine"]
    assert {info.material for info in listed} == {"PETG"}


def test_resolving_loads_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys\nfrom fabcoord.slicing import presets, gate, prusaslicer\n"
        "presets.resolve_id('demo:normal:PLA:0.4')\n"
        "print(sorted({'numpy', 'trimesh', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
