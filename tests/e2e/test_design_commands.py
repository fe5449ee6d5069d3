"""`fabcoord design` against a lab that really runs, and without one."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from fabcoord.cli import main
from fabcoord.demo import binary_stl, box
from tests.e2e.lab import RunningLab

CUBE = binary_stl(box(20, 20, 20))
OPEN_CUBE = CUBE[:80] + struct.pack("<I", 11) + CUBE[84:-50]  # one triangle is missing


@pytest.fixture
def cube(tmp_path: Path) -> Path:
    path = tmp_path / "cube.stl"
    path.write_bytes(CUBE)
    return path


@pytest.mark.parametrize(
    ("name", "data", "code", "word"),
    [
        ("good.stl", CUBE, 0, "good.stl: printable"),
        ("open.stl", OPEN_CUBE, 1, "open.stl: repairable"),
        ("cut.stl", CUBE[:-10], 2, "cut off"),
        ("job.gcode", b"G28\nG1 X1\n", 2, "no shape to check"),
    ],
)
def test_a_file_is_checked_right_here(
    tmp_path: Path, name: str, data: bytes, code: int, word: str
) -> None:
    (tmp_path / name).write_bytes(data)
    done = CliRunner().invoke(main, ["design", "check", str(tmp_path / name)])
    assert done.exit_code == code, done.output
    assert word in done.output


def test_a_file_is_checked_for_programs(cube: Path) -> None:
    done = CliRunner().invoke(main, ["design", "check", str(cube), "--json"])
    (said,) = json.loads(done.stdout)
    assert (said["name"], said["verdict"], said["size_mm"]) == ("cube.stl", "printable", [20] * 3)


def test_a_lab_that_does_not_answer_is_said_so() -> None:
    where = ["--server", "http://127.0.0.1:9", "--token", "x"]
    done = CliRunner().invoke(main, ["design", "list", *where])
    assert done.exit_code == 1
    assert "No lab answers" in done.output


def test_a_design_goes_into_the_lab_and_out_and_in_again(
    lab: RunningLab, cube: Path, tmp_path: Path
) -> None:
    added = lab.command(
        "design", "add", str(cube), "--title", "Zebra cube", "--licence", "cern-ohl-s-2.0",
        "--tag", "zebra", "--json",
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    design = json.loads(added.stdout)
    listed = lab.command("design", "list", "zebra").stdout.splitlines()
    assert [line.split()[:3] for line in listed[1:]] == [[design["id"], "Zebra", "cube"]]
    shown = lab.command("design", "check", design["id"])
    assert (shown.returncode, shown.stdout.splitlines()[0]) == (0, "cube.stl: printable")
    out = tmp_path / "zebra.zip"
    assert lab.command("design", "export", design["id"], "--out", str(out)).returncode == 0
    with zipfile.ZipFile(out) as archive:
        assert archive.read("files/cube.stl") == CUBE
    brought = lab.command("design", "import", str(out), "--json")
    assert brought.returncode == 0, brought.stderr
    assert json.loads(brought.stdout)["licence"] == "CERN-OHL-S-2.0"
    shown = lab.command("design", "show", design["id"])
    assert "Zebra cube" in shown.stdout
    missing = lab.command("design", "show", "nowhere")
    assert (missing.returncode, missing.stdout) == (4, "")


def test_what_is_open_is_mended_in_a_new_revision(lab: RunningLab, tmp_path: Path) -> None:
    path = tmp_path / "open.stl"
    path.write_bytes(OPEN_CUBE)
    added = lab.command("design", "add", str(path), "--licence", "CC0-1.0", "--json")
    design_id = json.loads(added.stdout)["id"]
    assert lab.command("design", "check", design_id).returncode == 1
    mended = lab.command("design", "repair", design_id)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "printable" in mended.stdout
    shown = json.loads(lab.command("design", "show", design_id, "--json").stdout)
    assert shown["revision"]["number"] == 2
    refused = lab.command("design", "repair", design_id, "--file", "nothing.stl")
    assert refused.returncode == 2


def test_a_licence_that_nobody_lists_ends_with_what_to_give(lab: RunningLab, cube: Path) -> None:
    done = lab.command("design", "add", str(cube), "--licence", "free for all")
    assert done.returncode == 2
    assert "CC-BY-SA-4.0" in done.stderr
