"""Makes the light mesh for the viewer and the preview picture, from the print mesh."""

from __future__ import annotations

from pathlib import Path

import fast_simplification
import numpy as np

from fabcoord.designs.meshcheck.render import render
from fabcoord.designs.meshcheck.report import LIGHT_NAME, PREVIEW_NAME
from fabcoord.designs.meshcheck.soup import Floats
from fabcoord.designs.meshcheck.stl import read_stl, write_stl
from fabcoord.designs.meshcheck.topology import weld, without_collapsed

LIGHT_TRIANGLES = 20_000
PICTURE_TRIANGLES = 150_000
PICTURE_PX = 512
_SNAPPED_FROM = 1_500_000  # past it the decimation itself takes over a gigabyte: thin out first
_CELLS = 600  # along the longest side, finer than a picture's pixels


def make_pictures(mesh: Path, out: Path) -> None:
    """Write ``light.stl`` (at most LIGHT_TRIANGLES) and ``preview.png`` for a print mesh."""
    triangles = decimated(read_stl(mesh).triangles, PICTURE_TRIANGLES)
    write_stl(out / LIGHT_NAME, decimated(triangles, LIGHT_TRIANGLES))
    picture = render(triangles, PICTURE_PX)
    unfinished = out / (PREVIEW_NAME + ".part")
    picture.save(unfinished, format="PNG", optimize=True)
    unfinished.replace(out / PREVIEW_NAME)


def decimated(triangles: Floats, limit: int) -> Floats:
    """The same shape in at most ``limit`` triangles; shape (n, 3, 3)."""
    if len(triangles) <= limit:
        return triangles
    points = triangles.reshape(-1, 3)
    if len(triangles) > _SNAPPED_FROM:
        cell = np.ptp(points, axis=0).max() / _CELLS
        points = np.round(points / cell) * cell
    vertices, index = weld(points)
    faces = without_collapsed(index.reshape(-1, 3))
    if len(faces) <= limit:
        return vertices[faces]
    reduced, kept = fast_simplification.simplify(
        vertices, faces.astype(np.int32), target_count=limit
    )[:2]
    light: Floats = np.asarray(reduced, np.float32)[np.asarray(kept, np.int64)]
    # It stops above the target where a mesh is many small bodies; the largest faces are kept.
    if len(light) > limit:
        across = np.cross(light[:, 1] - light[:, 0], light[:, 2] - light[:, 0])
        light = light[np.sort(np.argsort(-np.linalg.norm(across, axis=1))[:limit])]
    return light
