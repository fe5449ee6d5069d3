"""The light mesh of the viewer: small, exact to a 65,535th of the part, sorted by body."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fabcoord.designs.meshcheck.light import STEPS, pack, unpack
from fabcoord.designs.meshcheck.pictures import VIEWER_BYTES, VIEWER_TRIANGLES, decimated, packed
from fabcoord.designs.meshcheck.soup import Floats

from .meshes import cube


def triangles_of(mesh: trimesh.Trimesh) -> Floats:
    return np.asarray(mesh.triangles, np.float32)


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.just(3), st.just(3)),
        elements=st.floats(-500, 500, width=32),
    )
)
def test_no_corner_moves_by_more_than_a_step_of_the_box(triangles: Floats) -> None:
    packed_, _ = unpack(pack(triangles))
    points = triangles.reshape(-1, 3).astype(np.float64)
    step = np.ptp(points, axis=0) / STEPS
    rounding = 1e-4  # float32 at 500 mm
    for corner in packed_.reshape(-1, 3):
        nearest = np.abs(points - corner).max(axis=1).argmin()
        assert (np.abs(points[nearest] - corner) <= step + rounding).all()


def test_bodies_stay_and_are_counted_one_after_the_other() -> None:
    two = trimesh.util.concatenate([cube(), cube().apply_translation([100, 0, 0])])
    triangles, bodies = unpack(pack(triangles_of(two)))
    assert list(bodies) == [12, 12]
    assert np.ptp(triangles[:12].reshape(-1, 3)[:, 0]) == pytest.approx(20, abs=0.01)


def test_a_million_triangles_fit_into_two_megabytes() -> None:
    sphere = trimesh.creation.icosphere(8, 30.0)  # 1,310,720 triangles
    light = decimated(triangles_of(sphere), VIEWER_TRIANGLES)
    data = packed(light)
    assert len(data) <= VIEWER_BYTES
    triangles, bodies = unpack(data)
    assert len(bodies) == 1
    assert 20_000 < len(triangles) <= VIEWER_TRIANGLES
    assert np.linalg.norm(triangles.reshape(-1, 3), axis=1).min() > 29.5


def test_loose_triangles_without_shared_corners_fit_too() -> None:
    generator = np.random.default_rng(1)
    soup = generator.uniform(0, 100, (VIEWER_TRIANGLES, 3, 3)).astype(np.float32)
    assert len(packed(soup)) <= VIEWER_BYTES
