"""The verdict beside PrusaSlicer and manifold3d, on meshes made here: it may contradict neither."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import manifold3d
import numpy as np
import pytest
import trimesh

from fabcoord.designs.meshcheck.report import Verdict
from fabcoord.designs.meshcheck.stl import read_stl
from fabcoord.designs.meshcheck.topology import build_surface
from tests.designs.meshcheck.meshes import checked, cube, two_bodies, with_hole, write_stl

pytestmark = pytest.mark.skipif(
    shutil.which("prusa-slicer") is None, reason="PrusaSlicer is not installed here"
)


def meshes() -> dict[str, np.ndarray]:
    twisted, inverted = cube(), cube()
    twisted.faces[0] = twisted.faces[0][::-1]
    inverted.invert()
    other = cube()
    other.apply_translation((20, 20, 0))
    sheet = np.array([[0, 0, 0], [20, 0, 0], [20, 20, 0], [0, 20, 0]], float)
    doubled = np.concatenate([cube().triangles, cube().triangles])
    return {
        "cube": np.asarray(cube().triangles),
        "ball": np.asarray(trimesh.creation.icosphere(3, 10.0).triangles),
        "two bodies": np.asarray(two_bodies().triangles),
        "two that share an edge": np.concatenate([cube().triangles, other.triangles]),
        "twice the same": doubled,
        "hole": np.asarray(with_hole(cube()).triangles),
        "twisted": np.asarray(twisted.triangles),
        "inside out": np.asarray(inverted.triangles),
        "soup": np.random.default_rng(1).random((100, 3, 3)) * 20,
        "sheet": sheet[[[0, 1, 2], [0, 2, 3]]],
        "one triangle": sheet[[[0, 1, 2]]],
    }


def slicer_accepts(path: Path) -> bool:
    """Whether PrusaSlicer calls it manifold."""
    said = subprocess.run(
        ["prusa-slicer", "--info", path], capture_output=True, text=True, check=False
    )
    return said.returncode == 0 and "manifold = yes" in said.stdout


def library_accepts(path: Path) -> bool:
    surface = build_surface(read_stl(path).triangles)
    solid = manifold3d.Manifold(manifold3d.Mesh(surface.vertices, surface.faces.astype(np.uint32)))
    return solid.status() == manifold3d.Error.NoError and not solid.is_empty()


@pytest.mark.parametrize("name", meshes())
def test_the_verdict_contradicts_neither_slicer_nor_library(tmp_path: Path, name: str) -> None:
    path = write_stl(tmp_path / "part.stl", meshes()[name])
    verdict = checked(path, tmp_path / "out").verdict
    slicer, library = slicer_accepts(path), library_accepts(path)
    if slicer and library:
        assert verdict is not Verdict.UNPRINTABLE
    if not slicer and not library:
        assert verdict is not Verdict.PRINTABLE
    if name == "soup":
        assert verdict is Verdict.UNPRINTABLE
