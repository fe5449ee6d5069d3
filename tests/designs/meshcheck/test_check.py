"""The verdict on meshes made here: sound ones in each format, and each thing that can be wrong."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import trimesh

from fabcoord.designs.meshcheck.report import CheckReport, CheckState, Severity, Verdict
from fabcoord.designs.meshcheck.stl import read_stl
from tests.designs.meshcheck.meshes import checked, codes, cube, two_bodies, with_hole, write_stl

FORMATS = ("stl", "stl_ascii", "3mf", "obj", "ply", "off")


def export(mesh: trimesh.Trimesh, folder: Path, file_format: str) -> Path:
    path = folder / f"part.{file_format.partition('_')[0]}"
    mesh.export(path, file_type=file_format)
    return path


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_cube_is_printable_in_every_format(tmp_path: Path, file_format: str) -> None:
    report = checked(export(cube(), tmp_path, file_format), tmp_path)
    assert report.verdict is Verdict.PRINTABLE
    assert report.findings == ()
    assert (report.triangles, report.bodies, report.watertight) == (12, 1, True)
    assert report.volume_mm3 == pytest.approx(8000)
    assert report.area_mm2 == pytest.approx(2400)
    assert report.size_mm == pytest.approx((20, 20, 20))
    assert report.min_mm == pytest.approx((0, 0, 0))


def test_the_print_mesh_is_a_binary_stl_of_the_same_shape(tmp_path: Path) -> None:
    checked(export(cube(), tmp_path, "obj"), tmp_path)
    written = trimesh.load(tmp_path / "mesh.stl")
    assert written.is_volume
    assert written.volume == pytest.approx(8000)
    assert written.face_normals @ [0, 0, 1] == pytest.approx(
        [n[2] for n in written.triangles_cross / 400]
    )


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_cube_with_a_hole_is_repairable_in_every_format(tmp_path: Path, file_format: str) -> None:
    report = checked(export(with_hole(cube()), tmp_path, file_format), tmp_path)
    assert report.verdict is Verdict.REPAIRABLE
    assert not report.watertight
    (hole,) = report.findings
    assert (hole.code, hole.severity, hole.count) == ("open_edges", Severity.ERROR, 3)
    assert hole.repairable
    assert (tmp_path / "mesh.stl").exists()


def test_two_bodies_are_printable_and_told(tmp_path: Path) -> None:
    report = checked(export(two_bodies(), tmp_path, "stl"), tmp_path)
    assert report.verdict is Verdict.PRINTABLE
    assert report.bodies == 2
    assert codes(report) == {"several_bodies"}


def test_a_cavity_is_no_body_of_its_own_and_stays_a_cavity(tmp_path: Path) -> None:
    inner = cube(10)
    inner.apply_translation((5, 5, 5))
    inner.invert()
    hollow = trimesh.util.concatenate([cube(), inner])
    report = checked(export(hollow, tmp_path, "stl"), tmp_path)
    assert (report.verdict, report.bodies, report.findings) == (Verdict.PRINTABLE, 1, ())
    assert report.volume_mm3 == pytest.approx(7000)


@pytest.mark.parametrize("hollow", [False, True])
def test_a_mesh_turned_inside_out_is_turned_back_for_printing(tmp_path: Path, hollow: bool) -> None:
    mesh = cube()
    if hollow:
        inner = cube(10)
        inner.apply_translation((5, 5, 5))
        inner.invert()
        mesh = trimesh.util.concatenate([mesh, inner])
    expected = mesh.volume
    mesh.invert()
    report = checked(export(mesh, tmp_path, "stl"), tmp_path)
    assert report.verdict is Verdict.PRINTABLE
    assert codes(report) == {"inverted"}
    assert report.volume_mm3 == pytest.approx(expected)
    assert trimesh.load(tmp_path / "mesh.stl").volume == pytest.approx(expected)


def test_one_body_of_two_turned_inside_out_is_turned_back(tmp_path: Path) -> None:
    other = cube(10)
    other.apply_translation((40, 0, 0))
    other.invert()
    report = checked(export(trimesh.util.concatenate([cube(), other]), tmp_path, "stl"), tmp_path)
    assert codes(report) == {"inverted", "several_bodies"}
    assert report.volume_mm3 == pytest.approx(9000)


def test_faces_that_disagree_about_outside_are_repairable(tmp_path: Path) -> None:
    mesh = cube()
    mesh.faces[0] = mesh.faces[0][::-1]
    report = checked(export(mesh, tmp_path, "stl"), tmp_path)
    assert report.verdict is Verdict.REPAIRABLE
    assert codes(report) == {"inconsistent_winding"}
    assert report.watertight, "closed, though some faces look inward"


def test_a_fin_on_a_cube_is_a_non_manifold_edge(tmp_path: Path) -> None:
    mesh = cube()
    vertices = np.vstack([mesh.vertices, [[-5.0, 10.0, 10.0]]])
    a, b = mesh.edges_unique[0]
    finned = trimesh.Trimesh(vertices, np.vstack([mesh.faces, [[a, b, 8]]]), process=False)
    report = checked(export(finned, tmp_path, "stl"), tmp_path)
    assert report.verdict is Verdict.REPAIRABLE
    assert codes(report) == {"open_edges", "non_manifold_edges"}


def test_collapsed_faces_are_dropped_before_edges_are_counted(tmp_path: Path) -> None:
    triangles = np.asarray(cube().triangles)
    sliver = np.array([[triangles[0][0], triangles[0][1], triangles[0][1]]])
    path = write_stl(tmp_path / "part.stl", np.concatenate([triangles, sliver]))
    report = checked(path, tmp_path)
    assert report.verdict is Verdict.PRINTABLE
    assert codes(report) == {"collapsed_faces"}
    assert len(read_stl(tmp_path / "mesh.stl").triangles) == 12


def test_minus_zero_and_the_seam_of_a_turned_profile_are_closed(tmp_path: Path) -> None:
    angle = np.linspace(0, 2 * np.pi, 33)  # its last point is not quite its first
    ring = np.stack([10 * np.cos(angle), 10 * np.sin(angle), np.zeros(33)], axis=1)
    ring[16, 2] = -0.0
    apex, foot = np.array([0.0, 0.0, 9.0]), np.array([0.0, 0.0, 0.0])
    assert (ring[0] != ring[-1]).any()
    sides = [corners for a, b in pairwise(ring) for corners in ((a, b, apex), (b, a, foot))]
    report = checked(write_stl(tmp_path / "part.stl", np.array(sides)), tmp_path)
    assert report.verdict is Verdict.PRINTABLE
    assert report.watertight


def test_loose_triangles_are_unprintable(tmp_path: Path) -> None:
    loose = np.random.default_rng(7).random((50, 3, 3)) * 20
    report = checked(write_stl(tmp_path / "part.stl", loose), tmp_path)
    assert report.verdict is Verdict.UNPRINTABLE
    assert "loose_triangles" in codes(report)
    assert not (tmp_path / "mesh.stl").exists()


@pytest.mark.parametrize("both_sides", [False, True])
def test_a_sheet_without_thickness_is_unprintable(tmp_path: Path, both_sides: bool) -> None:
    corners = np.array([[0, 0, 0], [20, 0, 0], [20, 20, 0], [0, 20, 0]], float)
    faces = [[0, 1, 2], [0, 2, 3]]
    if both_sides:
        faces += [[2, 1, 0], [3, 2, 0]]
    report = checked(write_stl(tmp_path / "part.stl", corners[faces]), tmp_path)
    assert report.verdict is Verdict.UNPRINTABLE
    assert "no_volume" in codes(report)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("part.stl", b" " * 80 + b"\0\0\0\0"),
        ("part.stl", b"solid nothing\nendsolid nothing\n"),
        ("part.obj", b"# nothing\nv 0 0 0\n"),
        ("part.off", b"OFF\n0 0 0\n"),
        ("part.ply", b"ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nend_header\n"),
    ],
)
def test_zero_triangles_are_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    report = checked(path, tmp_path)
    assert report.verdict is not Verdict.PRINTABLE
    assert report.verdict is not Verdict.REPAIRABLE
    assert any(finding.severity is Severity.ERROR for finding in report.findings)
    assert not (tmp_path / "mesh.stl").exists()


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf", "1e300", "1.#QNAN"])
@pytest.mark.parametrize("file_format", ["stl", "stl_ascii", "obj", "off"])
def test_a_coordinate_that_is_no_number_is_never_printable_nor_repairable(
    tmp_path: Path, bad: str, file_format: str
) -> None:
    path = export(cube(17), tmp_path, file_format)
    if file_format == "stl":
        triangles = np.array(cube().triangles)
        with np.errstate(over="ignore"):
            triangles[4, 1, 2] = np.float32(bad) if "#" not in bad else np.nan
        path.unlink()
        if triangles[4, 1, 2] > 3.5e38:
            triangles[4, 1, 2] = np.inf
        write_stl(path, triangles)
    else:
        text = path.read_text()
        number = next(
            word for word in ("17.00000000", "1.7000000000000000e+01", "17.0", "17") if word in text
        )
        path.write_text(text.replace(number, bad, 1))
    report = checked(path, tmp_path)
    assert (report.state, report.verdict) == (CheckState.DONE, Verdict.UNPRINTABLE)
    # An STL that is binary cannot even hold 1e300, and with OFF's further digits no float can.
    far = bad == "1e300" and file_format in ("stl_ascii", "obj")
    assert codes(report) == ({"out_of_range"} if far else {"non_finite"})
    assert not (tmp_path / "mesh.stl").exists()


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("kept", [0.35, 0.8])
def test_a_file_that_lost_its_end_is_never_printable_nor_repairable(
    tmp_path: Path, file_format: str, kept: float
) -> None:
    path = export(trimesh.creation.icosphere(2, 20.0), tmp_path, file_format)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    report = checked(path, tmp_path)
    assert codes(report) <= {"unreadable", "non_finite", "out_of_range"}, (
        "half a number may be all that is left"
    )
    assert report.verdict in (None, Verdict.UNPRINTABLE)
    assert not (tmp_path / "mesh.stl").exists()


def test_an_stl_that_says_more_than_it_holds_is_unreadable(tmp_path: Path) -> None:
    path = write_stl(tmp_path / "part.stl", np.asarray(cube().triangles))
    content = bytearray(path.read_bytes())
    content[80:84] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert codes(checked(path, tmp_path)) == {"unreadable"}


@pytest.mark.parametrize("index", ["99", "0", "-99", "4294967296", "x"])
def test_a_face_that_names_no_point_is_unreadable(tmp_path: Path, index: str) -> None:
    path = tmp_path / "part.obj"
    path.write_text(f"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 {index}\nf 2 3 4\n")
    report = checked(path, tmp_path)
    assert report.state is CheckState.FAILED
    assert "point" in report.findings[0].message


PLY = (
    "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\n"
    "property float z\nelement face {count}\nproperty list uchar int vertex_indices\nend_header\n"
    "0 0 0\n9 0 0\n0 9 0\n0 0 {height}\n{faces}"
)
TETRAHEDRON = "3 0 2 1\n3 0 1 3\n3 1 2 3\n3 2 0 3\n"


@pytest.mark.parametrize(
    ("count", "height", "faces", "expected"),
    [
        (4, "9", TETRAHEDRON, set()),
        (4, "nan", TETRAHEDRON, {"non_finite"}),
        (4, "9", TETRAHEDRON.replace("3 2 0 3", "3 2 0 -1"), {"unreadable"}),
        (4, "9", TETRAHEDRON.replace("3 2 0 3", "3 2 0 4"), {"unreadable"}),
        (2_000_000_000, "9", TETRAHEDRON, {"unreadable"}),
        (5, "9", TETRAHEDRON, {"unreadable"}),
        (0, "9", "", {"empty"}),
    ],
)
def test_a_ply_is_held_to_its_header(
    tmp_path: Path, count: int, height: str, faces: str, expected: set[str]
) -> None:
    path = tmp_path / "part.ply"
    path.write_text(PLY.format(count=count, height=height, faces=faces))
    found = {finding.code for finding in checked(path, tmp_path).findings}
    assert found - {"unit_guess"} == expected


def test_a_step_file_of_nonsense_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "part.step"
    path.write_text("ISO-10303-21;\nHEADER;\nnothing of the kind\n")
    report = checked(path, tmp_path)
    assert report.state is CheckState.FAILED
    assert "STEP" in report.findings[0].message


def test_obj_polygons_and_indices_from_the_end_are_read(tmp_path: Path) -> None:
    path = tmp_path / "part.obj"
    corners = "".join(
        f"v {x} {y} {z} 0.5 0.5 0.5\n" for z in (0, 9) for x, y in ((0, 0), (9, 0), (9, 9), (0, 9))
    )
    faces = "f 4 3 2 1\nf 5/1/1 6/2/1 \\\n 7//1 8\nf 1 2 6 5\nf 2 3 7 6\nf 3 4 8 7\nf -5 -8 -4 -1\n"
    path.write_text("mtllib ../../etc/passwd\no part\n" + corners + faces)
    report = checked(path, tmp_path)
    assert report.verdict is Verdict.PRINTABLE
    assert report.volume_mm3 == pytest.approx(729)


@pytest.mark.parametrize(
    ("size_mm", "code"),
    [(0.04, "unit_guess"), (5.0, "unit_guess"), (20.0, None), (1500.0, "huge")],
)
def test_a_size_that_hints_at_another_unit_is_told(
    tmp_path: Path, size_mm: float, code: str | None
) -> None:
    report = checked(export(cube(size_mm), tmp_path, "stl"), tmp_path)
    assert report.verdict is Verdict.PRINTABLE
    assert codes(report) == ({code} if code else set())


def test_a_report_survives_json(tmp_path: Path) -> None:
    report = checked(export(two_bodies(), tmp_path, "stl"), tmp_path)
    assert CheckReport.from_json(report.to_json()) == report
