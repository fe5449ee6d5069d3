"""The check as the server runs it: a subprocess under limits, in two stages, with pictures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import trimesh
from PIL import Image

from fabcoord.designs.meshcheck.report import CheckReport, CheckState, Verdict
from fabcoord.designs.meshcheck.stl import read_stl
from fabcoord.work import sandbox
from tests.designs.meshcheck.meshes import cube, two_bodies, write_3mf

LIMITS = sandbox.Limits(memory_bytes=2 << 30, cpu_s=60, wall_s=60.0)


def run_check(out: Path, *arguments: str | Path) -> sandbox.Completed:
    return sandbox.run(
        [*sandbox.python_module("fabcoord.designs.meshcheck"), *arguments, "--out", out],
        cwd=out,
        limits=LIMITS,
    )


def report_in(out: Path) -> CheckReport:
    return CheckReport.from_json((out / "report.json").read_text())


def test_the_verdict_comes_first_and_the_pictures_after(tmp_path: Path) -> None:
    path, out = tmp_path / "part.stl", tmp_path / "out"
    trimesh.creation.icosphere(6, 15.0).export(path)  # 81,920 triangles
    done = run_check(out, "--input", path, "--format", "stl", "--stage", "verdict")
    assert done.returncode == 0, done.stderr
    assert report_in(out).verdict is Verdict.PRINTABLE
    assert {file.name for file in out.iterdir()} == {"report.json", "mesh.stl"}

    done = run_check(out, "--stage", "pictures")
    assert done.returncode == 0, done.stderr
    assert 1000 < len(read_stl(out / "light.stl").triangles) <= 20_000
    assert trimesh.load(out / "light.stl").volume == pytest.approx(14137, rel=0.01)
    with Image.open(out / "preview.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (640, 640))


def test_the_picture_shows_the_part_in_the_middle_on_a_light_ground(tmp_path: Path) -> None:
    path = tmp_path / "part.stl"
    cube().export(path)
    assert run_check(tmp_path / "out", "--input", path, "--format", "stl").returncode == 0
    with Image.open(tmp_path / "out" / "preview.png") as picture:
        middle, corner = picture.getpixel((320, 320)), picture.getpixel((3, 3))
        used = sum(1 for red, _, blue in picture.get_flattened_data() if blue - red > 25)
    assert min(corner) > 220
    assert middle[2] - middle[0] > 25, "the part is blue"
    assert 0.25 < used / 640**2 < 0.75


def test_a_body_of_many_pieces_still_gets_a_light_mesh(tmp_path: Path) -> None:
    path = tmp_path / "part.stl"
    pieces = []
    for n in range(2000):
        piece = trimesh.creation.box((1, 1, 1))
        piece.apply_translation((n % 50 * 2, n // 50 * 2, 0))
        pieces.append(piece)
    trimesh.util.concatenate(pieces).export(path)
    assert run_check(tmp_path / "out", "--input", path, "--format", "stl").returncode == 0
    assert report_in(tmp_path / "out").bodies == 2000
    assert 0 < len(read_stl(tmp_path / "out" / "light.stl").triangles) <= 20_000


def test_pictures_of_what_cannot_be_printed_are_not_made(tmp_path: Path) -> None:
    path = tmp_path / "part.stl"
    path.write_bytes(b"solid x\nendsolid x\n")
    done = run_check(tmp_path / "out", "--input", path, "--format", "stl")
    assert done.returncode == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"report.json"}


def test_too_little_memory_is_a_report_and_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "part.stl"
    with path.open("wb") as file:
        file.write(b" " * 80 + (4_000_000).to_bytes(4, "little"))
        file.truncate(84 + 50 * 4_000_000)
    done = sandbox.run(
        [
            *sandbox.python_module("fabcoord.designs.meshcheck"),
            *("--input", path, "--format", "stl", "--out", tmp_path / "out"),
        ],
        cwd=tmp_path / "out",
        limits=sandbox.Limits(memory_bytes=400 << 20, cpu_s=60, wall_s=60.0),
    )
    assert done.returncode == 0, done.stderr
    report = report_in(tmp_path / "out")
    assert report.state is CheckState.FAILED
    assert report.findings[0].code == "too_large"


def test_a_check_that_ran_before_leaves_no_old_mesh_behind(tmp_path: Path) -> None:
    path, out = tmp_path / "part.3mf", tmp_path / "out"
    write_3mf(path)
    assert run_check(out, "--input", path, "--format", "3mf").returncode == 0
    assert (out / "mesh.stl").exists()
    write_3mf(path, build="<build/>")
    assert run_check(out, "--input", path, "--format", "3mf").returncode == 0
    assert not (out / "mesh.stl").exists()


def test_the_server_reads_reports_without_any_mesh_library() -> None:
    code = (
        "import sys, fabcoord.designs.formats, fabcoord.designs.meshcheck.report\n"
        "print([m for m in ('numpy', 'trimesh', 'scipy', 'manifold3d') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_plain_stl_is_judged_without_trimesh(tmp_path: Path) -> None:
    two_bodies().export(tmp_path / "part.stl")
    code = (
        "import sys, pathlib\n"
        "from fabcoord.designs.meshcheck.__main__ import check\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "print(check(folder / 'part.stl', 'stl', folder).verdict)\n"
        "print([m for m in ('trimesh', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["printable", "[]"]
