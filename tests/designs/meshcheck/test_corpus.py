"""Real files that others made: each gets the verdict that slicer and geometry library allow."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from fabcoord.designs.meshcheck.report import CheckState, Verdict
from tests.designs.meshcheck.meshes import CORPUS, checked, codes

pytestmark = pytest.mark.skipif(
    not (CORPUS / "manifest.csv").exists(), reason="the corpus of real meshes is not here"
)


def rows() -> list[dict[str, str]]:
    manifest = CORPUS / "manifest.csv"
    if not manifest.exists():
        return []
    with manifest.open(newline="") as file:
        return list(csv.DictReader(file))


def expected_verdicts(row: dict[str, str]) -> set[Verdict | None]:
    """What the two judges of the manifest allow; an empty ``rc`` means that one has not judged."""
    slicer, library = row["prusa_slicer_info"], row["manifold3d"]
    if row["file"].startswith("bad_"):
        return {None}
    if row["triangles"] == "0" and "prod_req" not in row["file"]:
        return {Verdict.UNPRINTABLE}
    if library == "NoError":
        return {Verdict.PRINTABLE}
    if library == "NotManifold" and slicer == "rc 1":
        return {Verdict.UNPRINTABLE}
    if library == "NotManifold":
        return {Verdict.REPAIRABLE}
    return {Verdict.PRINTABLE} if row["file"].endswith(".STEP") else {Verdict.UNPRINTABLE}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["file"])
def test_a_real_file_gets_the_right_verdict(tmp_path: Path, row: dict[str, str]) -> None:
    source = CORPUS / row["file"]
    path = tmp_path / f"part{source.suffix.lower() or '.stl'}"
    path.symlink_to(source.resolve())
    report = checked(path, tmp_path)
    assert report.verdict in expected_verdicts(row)
    assert (report.verdict is None) == (report.state is CheckState.FAILED)
    if row["triangles"] not in ("", "0") and report.state is CheckState.DONE:
        assert report.triangles == int(row["triangles"])


def test_step_comes_in_millimetres_with_its_faces_joined(tmp_path: Path) -> None:
    path = tmp_path / "part.step"
    path.symlink_to((CORPUS / "tm_featuretype.STEP").resolve())
    report = checked(path, tmp_path)
    assert report.verdict is Verdict.PRINTABLE
    assert report.size_mm == pytest.approx((127, 63.5, 34.925), abs=0.01)
    assert report.bodies == 1


def test_a_step_file_that_lost_its_end_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "part.step"
    path.write_bytes((CORPUS / "tm_featuretype.STEP").read_bytes()[:150_000])
    assert codes(checked(path, tmp_path)) == {"unreadable"}


def test_a_3mf_in_inches_has_the_size_that_a_slicer_gives_it(tmp_path: Path) -> None:
    path = tmp_path / "part.3mf"
    path.symlink_to((CORPUS / "tm_featuretype.3MF").resolve())
    assert checked(path, tmp_path).size_mm == pytest.approx((127, 63.5, 34.9), abs=0.05)


def test_a_3mf_with_its_parts_in_separate_files_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "part.3mf"
    path.symlink_to((CORPUS / "3mf_cube_gears_prod_req.3mf").resolve())
    report = checked(path, tmp_path)
    assert (report.triangles, report.bodies) == (25692, 17)


def test_a_mesh_in_metres_is_suspected(tmp_path: Path) -> None:
    path = tmp_path / "part.stl"
    path.symlink_to((CORPUS / "tm_ADIS16480.STL").resolve())
    assert codes(checked(path, tmp_path)) == {"unit_guess"}
