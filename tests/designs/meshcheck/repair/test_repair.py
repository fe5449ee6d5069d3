"""Repair keeps what is there: shapes made here, broken at random, and real broken files."""

from __future__ import annotations

import json
from pathlib import Path

import manifold3d
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from fabcoord.designs.meshcheck.readers import read
from fabcoord.designs.meshcheck.repair.holes import capped_volume, fill_small
from fabcoord.designs.meshcheck.repair.plan import Repaired, repair
from fabcoord.designs.meshcheck.repair.report import Options, Outcome, read_result
from fabcoord.designs.meshcheck.repair.winding import wound_alike
from fabcoord.designs.meshcheck.soup import Soup
from fabcoord.work import sandbox
from tests.designs.meshcheck.meshes import CORPUS, write_stl

AS_IT_IS = Options()


def soup(mesh: trimesh.Trimesh) -> Soup:
    return Soup(np.asarray(mesh.triangles, np.float32), has_unit=True)


def ball(radius: float = 10.0, at: tuple[float, float, float] = (0, 0, 0)) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=radius)
    mesh.apply_translation(at)
    return mesh


def box(size: float = 20.0, at: tuple[float, float, float] = (0, 0, 0)) -> trimesh.Trimesh:
    mesh = trimesh.creation.box((size, size, size)).subdivide()
    mesh.apply_translation(at)
    return mesh


def volume(done: Repaired) -> float:
    assert done.result.after is not None
    return done.result.after.volume_mm3


@settings(max_examples=25, deadline=None)
@given(
    missing=st.sets(st.integers(0, 47), max_size=5),
    flipped=st.sets(st.integers(0, 47), max_size=8),
    doubled=st.sets(st.integers(0, 47), max_size=3),
)
def test_a_box_with_faces_missing_turned_and_doubled_comes_back_whole(
    missing: set[int], flipped: set[int], doubled: set[int]
) -> None:
    triangles = np.asarray(box().triangles, np.float32)
    turned = triangles.copy()
    turned[sorted(flipped)] = triangles[sorted(flipped)][:, ::-1]
    left = [i for i in range(len(triangles)) if i not in missing]
    broken = np.concatenate([turned[left], turned[sorted(doubled - missing)]])
    done = repair(Soup(broken), AS_IT_IS)
    if not missing | flipped | doubled:
        assert done.result.outcome is Outcome.NO_BETTER
        return
    if done.result.outcome is Outcome.MENDED:
        # Holes over an edge of the box are closed by a facet: that much volume may go.
        assert volume(done) == pytest.approx(8000, rel=0.25)
        assert done.result.after is not None
        assert done.result.after.closed
        assert done.result.volume_change is not None
        assert done.result.volume_change <= 0.02
        assert done.result.after.bodies == 1
    else:
        assert done.result.outcome in (Outcome.DOUBTFUL, Outcome.NO_BETTER)


@settings(max_examples=15, deadline=None)
@given(
    count=st.integers(2, 5),
    hurt=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 319)), max_size=12),
)
def test_a_repair_never_loses_a_body(count: int, hurt: list[tuple[int, int]]) -> None:
    balls = [np.asarray(ball(at=(30.0 * i, 0, 0)).triangles, np.float32) for i in range(count)]
    for which, face in hurt:
        part = balls[which % count]
        balls[which % count] = np.delete(part, face % len(part), axis=0)
    done = repair(Soup(np.concatenate(balls)), AS_IT_IS)
    if done.result.outcome is not Outcome.MENDED:
        assert done.result.outcome is not Outcome.IMPOSSIBLE
        return
    assert done.result.before is not None
    assert done.result.after is not None
    assert done.result.after.bodies >= count
    assert done.result.after.volume_mm3 == pytest.approx(done.result.before.volume_mm3, rel=0.02)


def test_the_volume_of_an_open_mesh_does_not_depend_on_where_it_lies() -> None:
    mesh = box()
    faces = mesh.faces[3:]
    here = capped_volume(mesh.vertices.astype(np.float32), faces)
    there = capped_volume((mesh.vertices + 500).astype(np.float32), faces)
    assert here == pytest.approx(there, rel=1e-3)


def test_a_flat_hole_that_is_no_convex_one_is_closed_flat() -> None:
    mesh = star()
    top = np.isclose(mesh.triangles_center[:, 2], mesh.bounds[1, 2])
    faces, holes = fill_small(mesh.vertices.astype(np.float32), mesh.faces[~top])
    closed = trimesh.Trimesh(mesh.vertices, faces, process=False)
    assert holes == 1
    assert closed.is_watertight
    assert closed.volume == pytest.approx(mesh.volume, rel=1e-5)
    assert closed.area == pytest.approx(mesh.area, rel=1e-5), "nothing is folded over"


def star() -> trimesh.Trimesh:
    angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    radii = np.where(np.arange(10) % 2, 4.0, 10.0)
    outline = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    made = manifold3d.CrossSection([outline]).extrude(5.0).to_mesh()
    return trimesh.Trimesh(made.vert_properties[:, :3], made.tri_verts)


def test_faces_that_disagree_follow_the_most() -> None:
    mesh = ball()
    faces = mesh.faces.copy()
    faces[::9] = faces[::9, ::-1]
    wound, turned = wound_alike(faces)
    assert turned == len(faces[::9])
    assert (wound == mesh.faces).all() or trimesh.Trimesh(mesh.vertices, wound).volume > 0


def test_a_hollow_stays_hollow() -> None:
    outer, inner = ball(10), ball(6)
    inner.invert()
    broken = np.concatenate([outer.triangles[1:], inner.triangles]).astype(np.float32)
    done = repair(Soup(broken), AS_IT_IS)
    assert done.result.outcome is Outcome.MENDED
    assert volume(done) == pytest.approx(outer.volume + inner.volume, rel=0.01)


def test_bodies_that_overlap_become_one_only_where_asked() -> None:
    both = trimesh.util.concatenate([ball(), ball(at=(12, 0, 0))])
    assert repair(soup(both), AS_IT_IS).result.outcome is Outcome.NO_BETTER
    done = repair(soup(both), Options(union=True))
    assert done.result.outcome is Outcome.MENDED
    assert done.result.after is not None
    assert done.result.after.bodies == 1
    assert ball().volume < volume(done) < 2 * ball().volume


def test_fewer_triangles_are_still_a_closed_body_of_the_same_volume() -> None:
    fine = trimesh.creation.icosphere(subdivisions=4, radius=10)
    done = repair(soup(fine), Options(decimate=1000))
    assert done.result.outcome is Outcome.MENDED
    assert done.result.after is not None
    assert done.result.after.closed
    assert done.result.after.triangles <= 1000
    assert volume(done) == pytest.approx(fine.volume, rel=0.03)


def test_fewer_triangles_than_show_the_shape_are_refused_unless_confirmed() -> None:
    fine = trimesh.creation.icosphere(subdivisions=3, radius=10)
    done = repair(soup(fine), Options(decimate=100))
    assert done.result.after is not None
    loss = 1 - done.result.after.volume_mm3 / fine.volume
    assert loss > 0.02
    assert done.result.outcome is Outcome.DOUBTFUL
    assert any("volume" in one for one in done.result.doubts)


def test_metres_become_millimetres() -> None:
    tiny = box(0.02)
    done = repair(Soup(np.asarray(tiny.triangles, np.float32)), Options(scale=1000))
    assert done.result.after is not None
    assert done.result.after.size_mm == pytest.approx((20, 20, 20), rel=1e-5)
    assert done.result.volume_change == pytest.approx(0, abs=1e-6)


def test_loose_triangles_are_no_body() -> None:
    rng = np.random.default_rng(7)
    done = repair(Soup(rng.random((60, 3, 3)).astype(np.float32) * 50), AS_IT_IS)
    assert done.result.outcome is Outcome.IMPOSSIBLE
    assert done.triangles is None


def test_a_sheet_is_no_body() -> None:
    grid = trimesh.creation.box((20, 20, 1)).subdivide()
    top = np.isclose(grid.triangles_center[:, 2], 0.5)
    done = repair(Soup(np.asarray(grid.triangles[top], np.float32)), AS_IT_IS)
    assert done.result.outcome is Outcome.IMPOSSIBLE


corpus = pytest.mark.skipif(
    not (CORPUS / "manifest.csv").exists(), reason="the corpus of real meshes is not here"
)


@corpus
@pytest.mark.parametrize(
    ("name", "bodies", "volume_mm3"),
    [
        ("as_3DSMaxExport.STL", 24, 973),
        ("tm_teapot.stl", 3, 23193),
        ("as_sphereWithHole.stl", 1, 13.6),
        ("tm_multibody.stl", 2, 0.00742),
        ("tm_featuretype.3MF", 1, 190680),
    ],
)
def test_real_broken_files_are_closed_with_all_their_bodies(
    name: str, bodies: int, volume_mm3: float
) -> None:
    done = repair(read(CORPUS / name, name.rpartition(".")[2].lower()), AS_IT_IS)
    assert done.result.outcome is Outcome.MENDED
    assert done.result.after is not None
    assert done.result.after.closed
    assert done.result.after.bodies >= bodies
    assert volume(done) == pytest.approx(volume_mm3, rel=0.02)


@corpus
def test_the_soup_of_the_corpus_stays_soup() -> None:
    done = repair(read(CORPUS / "tm_soup.stl", "stl"), AS_IT_IS)
    assert done.result.outcome is Outcome.IMPOSSIBLE


def run(path: Path, out: Path, limits: sandbox.Limits) -> sandbox.Completed:
    argv = [*sandbox.python_module("fabcoord.designs.meshcheck.repair"), "--out", out]
    return sandbox.run([*argv, "--input", path, "--format", "stl"], cwd=out, limits=limits)


def test_the_program_writes_what_the_server_reads(tmp_path: Path) -> None:
    path = write_stl(tmp_path / "part.stl", np.asarray(box().triangles)[1:])
    assert run(path, tmp_path, sandbox.Limits()).returncode == 0
    told = read_result((tmp_path / "repair.json").read_text())
    assert told["outcome"] == Outcome.MENDED
    assert told["after"]["bodies"] == 1
    assert (tmp_path / "repaired.stl").stat().st_size == 84 + 50 * told["after"]["triangles"]


def test_a_file_that_is_cut_off_is_not_repaired(tmp_path: Path) -> None:
    path = write_stl(tmp_path / "part.stl", np.asarray(box().triangles))
    path.write_bytes(path.read_bytes()[:-700])
    run(path, tmp_path, sandbox.Limits())
    assert json.loads((tmp_path / "repair.json").read_text())["outcome"] == "impossible"
    assert not (tmp_path / "repaired.stl").exists()


def test_a_repair_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    path = write_stl(tmp_path / "part.stl", np.asarray(box().triangles)[1:])
    ended = run(path, tmp_path, sandbox.Limits(wall_s=0.01))
    assert ended.ended_by == "wall"
    assert not (tmp_path / "repair.json").exists()
