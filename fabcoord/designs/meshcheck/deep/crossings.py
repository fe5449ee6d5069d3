"""Finds triangles that pass through each other, in one body or between two."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fabcoord.designs.meshcheck.deep.tree import Tree
from fabcoord.designs.meshcheck.soup import Doubles, Floats, Indices

_RELATIVE_DEPTH = 1e-6  # of the extent: less than what float32 coordinates can say
_LEAST_DEPTH_MM = 1e-4
_AT_ONCE = 200_000


@dataclass(frozen=True, slots=True)
class Crossings:
    """Pairs of triangles that pass through each other; ``share`` of the mesh was looked at."""

    one: Indices
    other: Indices
    places: Doubles  # (k, 3) in mm: a point on both triangles
    share: float = 1.0


def find_crossings(triangles: Floats, faces: Indices, tree: Tree, most_s: float) -> Crossings:
    """All pairs of (n, 3, 3) triangles that cross, those that share a corner left out.

    Triangles that only touch, or lie in one plane, do not cross. After ``most_s`` seconds of
    processor time it ends with what it has, and says how much of the mesh it saw.
    """
    began = time.process_time()
    extent = float(np.ptp(triangles.reshape(-1, 3), axis=0).max())
    depth = max(_LEAST_DEPTH_MM, _RELATIVE_DEPTH * extent)
    found: list[tuple[Indices, Indices, Doubles]] = []
    share = 1.0
    for done, (near, by) in tree.pairs():
        strangers = _share_no_corner(faces, near, by)
        a, b = near[strangers], by[strangers]
        for start in range(0, len(a), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            found.append(_crossing(triangles, a[some], b[some], depth))
        if time.process_time() - began > most_s:
            share = done
            break
    if not found:
        nothing = np.zeros(0, np.int64)
        return Crossings(nothing, nothing, np.zeros((0, 3)), share)
    one, other, places = (np.concatenate(part) for part in zip(*found, strict=True))
    return Crossings(one, other, places, share)


def _share_no_corner(faces: Indices, a: Indices, b: Indices) -> npt.NDArray[np.bool_]:
    strangers = np.ones(len(a), bool)
    for i in range(3):
        corner = faces[a, i]
        for j in range(3):
            strangers &= corner != faces[b, j]
    return strangers


def _crossing(
    triangles: Floats, a: Indices, b: Indices, depth: float
) -> tuple[Indices, Indices, Doubles]:
    """Which of these pairs cross, after T. Möller's test by intervals (1997), and where."""
    for _ in range(2):  # each has corners well on both sides of the other's plane
        if not len(a):
            break
        sides = _heights(triangles[a], triangles[b])
        through = (sides.min(axis=1) < -depth) & (sides.max(axis=1) > depth)
        a, b = b[through], a[through]
    if not len(a):
        return a, b, np.zeros((0, 3))
    first, second = triangles[a].astype(np.float64), triangles[b].astype(np.float64)
    normal_a, normal_b = _normals(first), _normals(second)
    line = np.cross(normal_a, normal_b)
    length = np.linalg.norm(line, axis=1, keepdims=True)
    line = np.divide(line, length, out=np.zeros_like(line), where=length > 1e-9)
    begin_a, end_a = _interval(first, _heights(first, second), line)
    begin_b, end_b = _interval(second, _heights(second, first), line)
    begin, end = np.maximum(begin_a, begin_b), np.minimum(end_a, end_b)
    meet = (end - begin > depth) & (length[:, 0] > 1e-9)
    a, b = a[meet], b[meet]
    system = np.stack([normal_a[meet], normal_b[meet], line[meet]], axis=1)
    offsets = np.stack(
        [
            np.einsum("ij,ij->i", normal_a[meet], first[meet, 0]),
            np.einsum("ij,ij->i", normal_b[meet], second[meet, 0]),
            (begin + end)[meet] / 2,
        ],
        axis=1,
    )
    places = np.linalg.solve(system, offsets[..., None])[..., 0] if len(a) else np.zeros((0, 3))
    return a, b, places


def _normals(triangles: npt.NDArray[np.floating]) -> Doubles:
    corners = triangles.astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    unit: Doubles = np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)
    return unit


def _heights(triangles: npt.NDArray[np.floating], planes: npt.NDArray[np.floating]) -> Doubles:
    """How far each corner of a triangle is above the plane of its partner, shape (k, 3), mm."""
    normal = _normals(planes)
    from_plane = triangles.astype(np.float64) - planes[:, :1]
    heights: Doubles = np.einsum("ijk,ik->ij", from_plane, normal)
    return heights


def _interval(triangles: Doubles, heights: Doubles, line: Doubles) -> tuple[Doubles, Doubles]:
    """Where each triangle's cut with its partner's plane begins and ends along their line."""
    along = np.einsum("ijk,ik->ij", triangles, line)
    above = heights >= 0
    begin = np.full(len(triangles), np.inf)
    end = np.full(len(triangles), -np.inf)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        cut = above[:, i] != above[:, j]
        span = np.where(cut, heights[:, i] - heights[:, j], 1.0)
        at = along[:, i] + (along[:, j] - along[:, i]) * heights[:, i] / span
        begin = np.where(cut, np.minimum(begin, at), begin)
        end = np.where(cut, np.maximum(end, at), end)
    return begin, end
