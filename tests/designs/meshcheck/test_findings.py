"""Findings of the fast verdict: bodies, doubles, units, fineness, and where they are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import manifold3d
import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.designs import checks
from fabcoord.designs.meshcheck import judge as judging
from fabcoord.designs.meshcheck.report import CheckReport, Finding, Verdict
from fabcoord.designs.meshcheck.soup import from_indexed
from fabcoord.designs.meshcheck.stl import read_stl
from fabcoord.designs.meshcheck.topology import build_surface, weld
from tests.designs.meshcheck.meshes import checked, codes, cube, with_hole, write_stl

ROOT = Path(__file__).parents[3]


def at(mesh: trimesh.Trimesh, x: float, y: float, z: float) -> trimesh.Trimesh:
    mesh.apply_translation((x, y, z))
    return mesh


def report_of(folder: Path, *meshes: trimesh.Trimesh) -> CheckReport:
    path = folder / "part.stl"
    trimesh.util.concatenate(list(meshes)).export(path)
    return checked(path, folder)


def the(code: str, report: CheckReport) -> Finding:
    (found,) = (one for one in report.findings if one.code == code)
    return found


def marks(folder: Path, code: str) -> list[list[float]]:
    items = json.loads((folder / "marks.json").read_text())["items"]
    return next(item["marks"] for item in items if item["code"] == code)


def test_a_body_in_the_air_is_told_and_marked(tmp_path: Path) -> None:
    report = report_of(tmp_path, cube(), at(cube(5), 40, 0, 8))
    assert report.verdict is Verdict.PRINTABLE
    assert the("floating_bodies", report).count == 1
    assert {mark[2] for mark in marks(tmp_path, "floating_bodies")} == {8.0}


def test_a_body_on_top_of_another_does_not_float(tmp_path: Path) -> None:
    on_top = (cube(), at(cube(5), 5, 5, 20), at(cube(5), 5, 5, 25.01))
    assert codes(report_of(tmp_path, *on_top)) == {"several_bodies"}


def test_a_body_that_hovers_within_the_box_of_another_floats(tmp_path: Path) -> None:
    ring = trimesh.creation.annulus(r_min=20, r_max=30, height=40)
    hovering = at(cube(5), -2.5, -2.5, 5)
    report = report_of(tmp_path, ring, hovering)
    assert the("floating_bodies", report).count == 1
    touching = at(trimesh.creation.box((50, 4, 4)), 0, 0, 10)  # a spoke from wall to wall
    assert "floating_bodies" not in codes(report_of(tmp_path, ring, touching))
    carried = at(cube(5), -2.5, -2.5, 12)
    assert "floating_bodies" not in codes(report_of(tmp_path, ring, touching, carried))


def test_a_solid_body_inside_another_is_told_unlike_a_hollow(tmp_path: Path) -> None:
    report = report_of(tmp_path, cube(), at(cube(5), 5, 5, 5))
    assert the("nested_bodies", report).count == 1
    assert len(marks(tmp_path, "nested_bodies")) == 12
    assert report.bodies == 2


def test_a_body_beside_another_within_its_box_is_not_inside_it(tmp_path: Path) -> None:
    ring = trimesh.creation.annulus(r_min=20, r_max=30, height=10)
    inner = at(trimesh.creation.box((8, 8, 8)), 0, 0, -1)
    assert codes(report_of(tmp_path, ring, inner)) == {"several_bodies"}
    inner.invert()
    report = report_of(tmp_path, ring, inner)
    assert (report.bodies, "inverted" in codes(report)) == (2, True), "no hollow of the ring"


def test_a_body_that_is_there_twice_is_told(tmp_path: Path) -> None:
    report = report_of(tmp_path, cube(), cube())
    assert report.verdict is Verdict.PRINTABLE, "as PrusaSlicer and manifold3d accept it"
    assert the("duplicate_faces", report).count == 12


def test_a_face_that_is_there_twice_can_be_repaired(tmp_path: Path) -> None:
    triangles = np.asarray(cube().triangles)
    path = write_stl(tmp_path / "part.stl", np.concatenate([triangles, triangles[:1]]))
    report = checked(path, tmp_path)
    assert report.verdict is Verdict.REPAIRABLE
    assert codes(report) == {"duplicate_faces", "non_manifold_edges"}
    assert len(marks(tmp_path, "non_manifold_edges")) == 3


def test_holes_are_counted_by_their_rims(tmp_path: Path) -> None:
    first, second = with_hole(cube()), at(with_hole(cube(10)), 40, 0, 0)
    hole = the("open_edges", report_of(tmp_path, first, second))
    assert hole.count == 6
    assert "2 holes" in hole.message
    assert hole.value == pytest.approx(20 + 20 + 20 * 2**0.5, abs=0.01)
    assert all(len(mark) == 6 for mark in marks(tmp_path, "open_edges"))


@pytest.mark.parametrize(
    ("size_mm", "factor"), [(0.04, 1000.0), (2.0, 25.4), (50_000.0, 0.001), (1500.0, None)]
)
def test_a_wrong_unit_comes_with_the_factor_that_mends_it(
    tmp_path: Path, size_mm: float, factor: float | None
) -> None:
    (finding,) = report_of(tmp_path, cube(size_mm)).findings
    assert finding.suggested_scale == factor


def test_more_triangles_than_a_print_shows_are_told(tmp_path: Path) -> None:
    fine = report_of(tmp_path, trimesh.creation.icosphere(7, 10.0))
    assert the("too_fine", fine).count == 327_680
    assert 100_000 <= (the("too_fine", fine).value or 0) < 327_680
    assert codes(report_of(tmp_path, trimesh.creation.icosphere(7, 50.0))) == set()


def test_a_picture_that_reached_the_check_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "part.stl"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 500)
    assert codes(checked(path, tmp_path)) == {"wrong_type"}


def test_an_untouched_binary_stl_is_printed_from_the_very_same_bytes(tmp_path: Path) -> None:
    path = write_stl(tmp_path / "part.stl", np.asarray(cube().triangles))
    checked(path, tmp_path)
    assert (tmp_path / "mesh.stl").read_bytes() == path.read_bytes()


def solids() -> dict[str, trimesh.Trimesh]:
    at_an_edge = trimesh.util.concatenate([cube(), at(cube(), 20, 20, 0)])
    at_a_corner = trimesh.util.concatenate([cube(), at(cube(), 20, 20, 20)])
    inner = at(cube(5), 5, 5, 5)
    inner.invert()
    return {
        "box": cube(),
        "ball": trimesh.creation.icosphere(1, 10.0),
        "tube": trimesh.creation.annulus(r_min=5, r_max=9, height=3),
        "two that share an edge": at_an_edge,
        "two that share a corner": at_a_corner,
        "one with a hollow": trimesh.util.concatenate([cube(), inner]),
    }


# Not any mesh that chance makes: there are some on which manifold3d itself crashes.
@pytest.mark.parametrize("harm", ["", "cut", "turn", "double"])
@pytest.mark.parametrize("name", solids())
def test_what_is_closed_is_what_manifold3d_accepts(name: str, harm: str) -> None:
    solid = solids()[name]
    for one in range(0, len(solid.faces), 7):
        faces = np.array(solid.faces)
        if harm == "cut":
            faces = np.delete(faces, one, 0)
        elif harm == "turn":
            faces[one] = faces[one][::-1]
        elif harm == "double":
            faces = np.concatenate([faces, faces[one : one + 1]])
        surface = build_surface(from_indexed(solid.vertices, faces).triangles)
        mesh = manifold3d.Mesh(surface.vertices, surface.faces.astype(np.uint32))
        accepted = manifold3d.Manifold(mesh).status() == manifold3d.Error.NoError
        assert surface.edges.paired == accepted == (not harm)


@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_welding_gives_each_point_back(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    points = random.integers(-2, 3, (count, 3)).astype(np.float32) * np.float32(-0.5)
    distinct, index = weld(points)
    assert np.array_equal(distinct[index], points)
    assert len(distinct) == len(np.unique(points + np.float32(0), axis=0))


def test_points_that_share_a_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabcoord.designs.meshcheck.topology._MIX", np.zeros(3, np.uint64))
    triangles = np.asarray(trimesh.creation.icosphere(2).triangles, np.float32)
    surface = build_surface(triangles)
    assert surface.edges.paired
    assert np.array_equal(surface.vertices[surface.faces], triangles)


def test_a_mesh_larger_than_what_is_read_at_once_is_read_whole(tmp_path: Path) -> None:
    sphere = trimesh.creation.icosphere(7, 50.0)
    path = write_stl(tmp_path / "part.stl", np.asarray(sphere.triangles))
    triangles = read_stl(path).triangles
    assert np.array_equal(triangles, np.asarray(sphere.triangles, np.float32))
    assert judging.judge(from_indexed(sphere.vertices, sphere.faces)).report.bodies == 1


def test_every_finding_is_on_the_page_of_findings() -> None:
    page = (ROOT / "docs/reference/findings.md").read_text()
    source = "".join(
        path.read_text()
        for path in [*(ROOT / "fabcoord/designs/meshcheck").rglob("*.py"), Path(checks.__file__)]
    )
    made = set(re.findall(r'\b(?:Finding|_broken|_error|_finding)\(\s*"([a-z_]+)"', source))
    made |= set(re.findall(r'\bcode(?:=|": )"([a-z_]+)"', source))
    assert len(made) > 20
    missing = {code for code in made if f"`{code}`" not in page}
    assert not missing, f"docs/reference/findings.md says nothing of {sorted(missing)}"
