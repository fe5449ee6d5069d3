"""Slicing with the real PrusaSlicer, and with slicers that crash, hang and lie."""

import math
import os
import struct
import threading
from pathlib import Path

import pytest
import trimesh

from fabcoord.designs.meshcheck.__main__ import check
from fabcoord.errors import SlicerMissing, SlicingFailed
from fabcoord.printers.machines import all_machines, machine
from fabcoord.slicing.engine import Cancelled, SliceRequest
from fabcoord.slicing.estimates import estimate
from fabcoord.slicing.gate import vet
from fabcoord.slicing.placement import Placement
from fabcoord.slicing.presets import resolve
from fabcoord.slicing.prusaslicer import PrusaSlicer
from fabcoord.work.sandbox import Limits
from tests.e2e.shapes import tower
from tests.slicing.conftest import FakeSlicer

CUBE_CM3 = 8.0
PAIRS = [(model.id, material) for model in all_machines().values() for material in model.materials]


def request_for(mesh: Path, placement: Placement | None = None) -> SliceRequest:
    demo = machine("demo")
    return SliceRequest(mesh, demo, resolve(demo, "draft", "PLA"), placement or Placement())


@pytest.mark.slicer
@pytest.mark.parametrize(("machine_id", "material"), PAIRS)
def test_every_machine_slices_every_material_and_its_own_gate_lets_it_pass(
    cube: Path, tmp_path: Path, machine_id: str, material: str
) -> None:
    model = machine(machine_id)
    preset = resolve(model, "draft", material)
    result = PrusaSlicer().slice(SliceRequest(cube, model, preset), tmp_path / "run")
    report = vet(result.gcode, model).require(model)
    expected = estimate(
        result.info,
        model,
        density_g_cm3=preset.density_g_cm3,
        filament_cost_per_kg=preset.filament_cost_per_kg,
    )
    assert result.info.slicer == "PrusaSlicer"
    assert 300 < expected.duration_s < 7200
    # Between a fifth and the whole of the solid cube.
    assert 0.2 < expected.mass_g / (CUBE_CM3 * preset.density_g_cm3) < 1
    assert expected.mass_g == pytest.approx(
        expected.length_mm * math.pi * 0.875**2 / 1000 * preset.density_g_cm3, rel=0.01
    )
    assert 0.01 < expected.cost < 1
    assert 0.005 < expected.energy_kwh < 0.5
    assert 20 / 0.5 < report.layers < 20 / 0.15
    assert 180 <= report.max_hotend_c <= model.max_hotend_c
    assert 0 < report.max_bed_c <= model.max_bed_c


@pytest.mark.slicer
def test_another_nozzle_slices_and_passes_too(cube: Path, tmp_path: Path) -> None:
    model = machine("prusa_mk3s")
    preset = resolve(model, "normal", "PLA", 0.6)
    result = PrusaSlicer().slice(SliceRequest(cube, model, preset), tmp_path)
    assert vet(result.gcode, model).ok
    assert b"M862.1 P0.6" in result.gcode.read_bytes()


@pytest.mark.slicer
def test_the_part_is_placed_as_asked(tmp_path: Path) -> None:
    mesh = tmp_path / "box.stl"
    mesh.write_bytes(trimesh.creation.box((10, 20, 30)).export(file_type="stl"))
    # About X: 10 × 30 × 20; then about Z: 30 × 10 × 20; twice as large: 60 × 20 × 40.
    placement = Placement(2, (90, 0, 90))
    assert placement.placed_size((10, 20, 30)) == (60, 20, 40)
    result = PrusaSlicer().slice(request_for(mesh, placement), tmp_path / "run")
    xs, ys, zs = _printed(result.gcode)
    assert max(xs) - min(xs) == pytest.approx(60, abs=1)
    assert max(ys) - min(ys) == pytest.approx(20, abs=1)
    assert max(zs) == pytest.approx(40, abs=0.3)
    assert (max(xs) + min(xs)) / 2 == pytest.approx(100, abs=0.1)
    assert (max(ys) + min(ys)) / 2 == pytest.approx(100, abs=0.1)


@pytest.mark.slicer
def test_progress_only_goes_forward_and_comes_with_words(cube: Path, tmp_path: Path) -> None:
    seen: list[tuple[float, str]] = []
    PrusaSlicer().slice(
        request_for(cube), tmp_path, progress=lambda share, stage: seen.append((share, stage))
    )
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] >= 0.9
    assert all(stage for _, stage in seen)


@pytest.mark.slicer
def test_a_part_thinner_than_a_layer_fails_in_plain_words(cube: Path, tmp_path: Path) -> None:
    with pytest.raises(SlicingFailed, match=r"thinner than one layer.*units"):
        PrusaSlicer().slice(request_for(cube, Placement(0.001)), tmp_path)


@pytest.mark.slicer
def test_a_part_too_large_for_the_bed_does_not_pass_the_gate(cube: Path, tmp_path: Path) -> None:
    # Told where to put it, the slicer lays a part beyond the bed without a word.
    result = PrusaSlicer().slice(request_for(cube, Placement(11)), tmp_path)
    refusal = vet(result.gcode, machine("demo")).refusals[0]
    assert refusal.code == "outside"
    assert "this machine reaches 0 to 200 mm" in refusal.text


@pytest.mark.slicer
def test_a_mesh_without_numbers_fails_in_plain_words(cube: Path, tmp_path: Path) -> None:
    data = bytearray(cube.read_bytes())
    for triangle in range(12):
        struct.pack_into("<f", data, 84 + 50 * triangle + 12, math.nan)
    broken = tmp_path / "broken.stl"
    broken.write_bytes(data)
    with pytest.raises(SlicingFailed, match="damaged"):
        PrusaSlicer().slice(request_for(broken), tmp_path / "run")


def test_a_project_is_never_given_to_the_slicer(fake_slicer: FakeSlicer, tmp_path: Path) -> None:
    project = tmp_path / "mesh"
    project.write_bytes(b"PK\x03\x04 and so on")
    ran = tmp_path / "ran"
    engine = PrusaSlicer(fake_slicer(f"touch {ran}"))
    with pytest.raises(SlicingFailed, match="3MF"):
        engine.slice(request_for(project), tmp_path / "run")
    assert not ran.exists()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("kill -SEGV $$", r"crashed on this mesh \(SIGSEGV\).*repair"),
        ("kill -KILL $$", "too much time or memory"),
        ("kill -XFSZ $$", "larger than this lab takes"),
        ("echo 'std::bad_alloc' >&2; kill -ABRT $$", "ran out of memory"),
        ("echo 'Something odd.' >&2; exit 3", "code 3: Something odd"),
        ("exit 3", r"code 3\."),
        ("exit 0", "before the G-code was complete"),
        ("printf 'G28\\nG1 X1\\n' > out.gcode", "before the G-code was complete"),
        (": > out.gcode", "before the G-code was complete"),
        ("sleep 60", "did not finish within 0.5 seconds"),
    ],
)
def test_a_slicer_that_fails_is_told_in_plain_words(
    fake_slicer: FakeSlicer, cube: Path, tmp_path: Path, script: str, words: str
) -> None:
    engine = PrusaSlicer(fake_slicer(script), Limits(wall_s=0.5))
    with pytest.raises(SlicingFailed, match=words):
        engine.slice(request_for(cube), tmp_path / "run")


def test_what_an_earlier_run_left_does_not_count(
    fake_slicer: FakeSlicer, cube: Path, tmp_path: Path
) -> None:
    good = "; estimated printing time (normal mode) = 1m 0s\\n; filament used [mm] = 5\\n"
    PrusaSlicer(fake_slicer(f"printf '{good}' > out.gcode")).slice(request_for(cube), tmp_path)
    with pytest.raises(SlicingFailed, match="complete"):
        PrusaSlicer(fake_slicer("exit 0")).slice(request_for(cube), tmp_path)


def test_a_cancelled_slice_ends_the_slicer(
    fake_slicer: FakeSlicer, cube: Path, tmp_path: Path
) -> None:
    started = threading.Event()
    engine = PrusaSlicer(fake_slicer("echo $$ > pid; echo '10 => Working'; sleep 60"))
    with pytest.raises(Cancelled):
        engine.slice(
            request_for(cube),
            tmp_path / "run",
            cancelled=started.is_set,
            progress=lambda _share, _stage: started.set(),
        )
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "run" / "pid").read_text()), 0)


def test_the_version_is_asked_for_once_per_binary(fake_slicer: FakeSlicer) -> None:
    binary = fake_slicer("exit 0")
    assert PrusaSlicer(binary).version() == "9.9.9"
    replaced = binary.with_name("new")
    replaced.write_text("#!/bin/sh\necho PrusaSlicer-10.0 fake and longer\n")
    replaced.chmod(0o755)
    replaced.replace(binary)
    assert PrusaSlicer(binary).version() == "10.0"


def test_a_missing_slicer_says_how_to_install_it(
    cube: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FABCOORD_PRUSASLICER", raising=False)
    request = request_for(cube)
    with pytest.raises(SlicerMissing, match="apt install prusa-slicer"):
        PrusaSlicer(tmp_path / "nowhere").slice(request, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlicerMissing, match="apt install prusa-slicer"):
        PrusaSlicer().version()


def test_a_program_that_is_no_slicer_is_not_taken_for_one() -> None:
    with pytest.raises(SlicerMissing, match="does not say"):
        PrusaSlicer(Path("/bin/true")).version()


def _printed(gcode: Path) -> tuple[list[float], list[float], list[float]]:
    """Coordinates of the perimeters, the skirt left out."""
    axes: dict[str, list[float]] = {"X": [], "Y": [], "Z": []}
    kind = ""
    for line in gcode.read_text().splitlines():
        if line.startswith(";TYPE:"):
            kind = line[6:]
        elif line.startswith(";Z:"):
            axes["Z"].append(float(line[3:]))
        elif line.startswith("G1 ") and kind == "External perimeter" and " E" in line:
            for word in line.split(";")[0].split():
                if word[0] in "XY":
                    axes[word[0]].append(float(word[1:]))
    return axes["X"], axes["Y"], axes["Z"]


@pytest.mark.slicer
def test_a_box_of_round_sizes_without_normals_is_not_taken_for_text(tmp_path: Path) -> None:
    (tmp_path / "tower.stl").write_bytes(tower())
    assert check(tmp_path / "tower.stl", "stl", tmp_path).verdict == "printable"
    demo = machine("demo")
    request = SliceRequest(tmp_path / "mesh.stl", demo, resolve(demo, "draft", "PLA"))
    assert PrusaSlicer().slice(request, tmp_path / "run").gcode.stat().st_size > 10_000
