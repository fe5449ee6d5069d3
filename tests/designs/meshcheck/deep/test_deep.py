"""The second look finds what was built into a shape, and is silent about what is sound."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from fabcoord.designs.meshcheck.deep.crossings import find_crossings
from fabcoord.designs.meshcheck.deep.examine import examine
from fabcoord.designs.meshcheck.deep.orientation import as_rotation
from fabcoord.designs.meshcheck.deep.report import Examined, read_examined
from fabcoord.designs.meshcheck.deep.tree import Tree
from fabcoord.designs.meshcheck.topology import build_surface
from fabcoord.work import sandbox
from tests.designs.meshcheck.meshes import write_stl


def box(
    x: float, y: float, z: float, at: tuple[float, float, float] = (0, 0, 0)
) -> trimesh.Trimesh:
    mesh = trimesh.creation.box((x, y, z))
    mesh.apply_translation(np.add(at, (x / 2, y / 2, z / 2)))
    return mesh


def together(*meshes: trimesh.Trimesh) -> trimesh.Trimesh:
    return trimesh.util.concatenate(list(meshes))


def look(mesh: trimesh.Trimesh) -> Examined:
    return examine(np.asarray(mesh.triangles, np.float32))


def codes(examined: Examined) -> set[str]:
    return {one.code for one in examined.findings}


def marks(examined: Examined, code: str) -> np.ndarray:
    return np.array(next(one.marks for one in examined.findings if one.code == code))


def test_a_sound_part_that_lies_well_has_no_findings() -> None:
    assert codes(look(box(30, 20, 10))) == set()


def test_bodies_that_overlap_are_counted_and_marked_where_they_do() -> None:
    seen = look(together(box(20, 20, 20), box(20, 20, 20, at=(15.3, 3.1, 2.7))))
    found = next(one for one in seen.findings if one.code == "overlapping_bodies")
    assert found.count == 1
    assert found.repairable
    x = marks(seen, "overlapping_bodies")[:, 0]
    assert (x >= 15.2).all()
    assert (x <= 20.1).all()


def test_bodies_that_only_touch_do_not_overlap() -> None:
    seen = look(together(box(20, 20, 20), box(20, 20, 20, at=(20, 0, 0))))
    assert "overlapping_bodies" not in codes(seen)


def test_a_surface_that_passes_through_itself_is_found() -> None:
    mesh = trimesh.creation.torus(10, 3, major_sections=48, minor_sections=24)
    points = mesh.vertices.copy()
    inner = points[:, 0] > 0
    points[inner, 0] -= 14  # one half of the ring is pushed through the other
    seen = look(trimesh.Trimesh(points, mesh.faces, process=False))
    found = next(one for one in seen.findings if one.code == "self_intersection")
    assert found.count is not None
    assert found.count > 10


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 60))
def test_the_tree_finds_the_same_pairs_as_comparing_all(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    triangles = (rng.random((count, 1, 3)) * 10 + rng.random((count, 3, 3)) * 3).astype(np.float32)
    low, high = triangles.min(axis=1), triangles.max(axis=1)
    wanted = {
        (i, j)
        for i in range(count)
        for j in range(i + 1, count)
        if (low[i] <= high[j]).all() and (low[j] <= high[i]).all()
    }
    found = [
        tuple(sorted(pair))
        for _, (a, b) in Tree.of(triangles).pairs()
        for pair in zip(a.tolist(), b.tolist(), strict=True)
    ]
    assert len(found) == len(set(found)), "each pair once"
    assert set(found) == wanted


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_crossing_triangles_are_those_that_an_edge_pierces(seed: int) -> None:
    rng = np.random.default_rng(seed)
    triangles = (rng.random((12, 3, 3)) * 10).astype(np.float32)
    surface = build_surface(triangles)
    crossings = find_crossings(surface.triangles, surface.faces, Tree.of(surface.triangles), 60)
    found = {
        tuple(sorted(pair))
        for pair in zip(crossings.one.tolist(), crossings.other.tolist(), strict=True)
    }
    wanted = {
        (i, j)
        for i in range(12)
        for j in range(i + 1, 12)
        if _pierces(triangles[i], triangles[j]) or _pierces(triangles[j], triangles[i])
    }
    assert found == wanted


def _pierces(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether an edge of the one passes through the other, by the signs of five volumes."""

    def volume(*points: np.ndarray) -> float:
        a, b, c, d = (point.astype(np.float64) for point in points)
        return float(np.dot(b - a, np.cross(c - a, d - a)))

    for i in range(3):
        p, q = one[i], one[(i + 1) % 3]
        if volume(p, *other) * volume(q, *other) < 0:
            turns = [volume(p, q, other[k], other[(k + 1) % 3]) > 0 for k in range(3)]
            if len(set(turns)) == 1:
                return True
    return False


@pytest.mark.parametrize(("wall_mm", "thin"), [(0.3, True), (0.8, False)])
def test_walls_thinner_than_the_line_are_found(wall_mm: float, thin: bool) -> None:
    seen = look(together(box(30, 20, 4), box(wall_mm, 20, 20, at=(5, 0, 10))))
    assert ("thin_walls" in codes(seen)) is thin
    assert ("small_features" in codes(seen)) is thin
    if thin:
        assert seen.measures.thinnest_wall_mm == pytest.approx(wall_mm, abs=0.01)
        x = marks(seen, "thin_walls")[:, 0]
        assert (np.abs(x - 5.15) < 0.2).all()


def test_a_pin_that_no_nozzle_draws_is_found() -> None:
    pin = trimesh.creation.cylinder(radius=0.15, height=20, sections=24)
    pin.apply_translation((50, 10, 10))
    seen = look(together(box(10, 10, 10), pin))
    found = next(one for one in seen.findings if one.code == "small_features")
    assert found.count is not None
    assert found.count > 10
    assert (np.abs(marks(seen, "small_features")[:, :2] - (50, 10)) < 0.5).all()


def test_a_table_upside_up_hangs_over_and_is_better_turned() -> None:
    table = together(box(60, 60, 5, at=(0, 0, 40)), box(10, 10, 40, at=(25, 25, 0)))
    seen = look(table)
    assert "overhang" in codes(seen)
    assert (marks(seen, "overhang")[:, 2] > 39).all()
    found = next(one for one in seen.findings if one.code == "orientation")
    assert found.suggested_rotation == seen.measures.best_rotation
    assert seen.measures.best_rotation is not None
    turned = trimesh.transformations.euler_matrix(
        *np.radians(seen.measures.best_rotation), axes="sxyz"
    )
    table.apply_transform(turned)
    again = look(table)
    assert again.measures.support_mm3 == pytest.approx(
        seen.measures.best_support_mm3 or 0.0, abs=1.0
    )
    assert "orientation" not in codes(again)
    assert (again.measures.contact_mm2 or 0) == pytest.approx(3600, rel=0.01)


@settings(max_examples=100, deadline=None)
@given(
    direction=st.tuples(*[st.floats(-1, 1, allow_nan=False)] * 3).filter(
        lambda one: np.linalg.norm(one) > 0.1
    )
)
def test_a_rotation_brings_its_side_down(direction: tuple[float, float, float]) -> None:
    x, y, z = (float(one) for one in np.array(direction) / np.linalg.norm(direction))
    rotation = as_rotation((x, y, z))
    matrix = trimesh.transformations.euler_matrix(*np.radians(rotation), axes="sxyz")[:3, :3]
    assert matrix @ (x, y, z) == pytest.approx((0, 0, -1), abs=1e-3)


def test_what_stands_on_a_point_may_come_loose() -> None:
    cone = trimesh.creation.cone(radius=15, height=30)
    cone.apply_transform(trimesh.transformations.rotation_matrix(np.pi, (1, 0, 0)))
    seen = look(cone)
    assert "small_contact" in codes(seen)
    assert seen.measures.contact_mm2 is not None
    assert seen.measures.contact_mm2 < 1


def test_an_open_mesh_is_looked_at_as_far_as_that_goes() -> None:
    mesh = box(30, 20, 10)
    seen = look(trimesh.Trimesh(mesh.vertices, mesh.faces[2:], process=False))
    assert seen.measures.narrow_share is None
    assert seen.measures.overhang_share is not None


def test_marks_are_few_enough_to_send() -> None:
    plate = trimesh.creation.icosphere(subdivisions=5, radius=20)
    assert all(len(one.marks) <= 2000 for one in look(plate).findings)


def test_a_very_fine_mesh_is_measured_on_a_lighter_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabcoord.designs.meshcheck.deep.examine.MOST_TRIANGLES", 2000)
    monkeypatch.setattr("fabcoord.designs.meshcheck.deep.examine._LIGHTER_TRIANGLES", 1000)
    seen = look(trimesh.creation.icosphere(subdivisions=4, radius=20))
    assert "measured_on_lighter_copy" in codes(seen)
    assert seen.measures.triangles_examined <= 1000
    assert seen.measures.crossings is None


def run(mesh: Path, out: Path, limits: sandbox.Limits) -> sandbox.Completed:
    argv = [*sandbox.python_module("fabcoord.designs.meshcheck.deep"), "--out", out]
    return sandbox.run([*argv, "--mesh", mesh], cwd=out, limits=limits)


def test_the_program_writes_what_the_server_reads(tmp_path: Path) -> None:
    both = together(box(20, 20, 20), box(20, 20, 20, at=(15.3, 3.1, 2.7)))
    path = write_stl(tmp_path / "mesh.stl", np.asarray(both.triangles))
    assert run(path, tmp_path, sandbox.Limits()).returncode == 0
    told = read_examined((tmp_path / "deep.json").read_text())
    assert "overlapping_bodies" in {one["code"] for one in told["findings"]}
    assert told["duration_s"] > 0
    items = json.loads((tmp_path / "deep-marks.json").read_text())["items"]
    assert all(len(mark) == 3 for item in items for mark in item["marks"])


def test_a_look_that_takes_too_much_memory_is_ended(tmp_path: Path) -> None:
    path = write_stl(tmp_path / "mesh.stl", np.asarray(box(20, 20, 20).triangles))
    ended = run(path, tmp_path, sandbox.Limits(memory_bytes=8 << 20))
    assert ended.returncode != 0
    assert not (tmp_path / "deep.json").exists()
