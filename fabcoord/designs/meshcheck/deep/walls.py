"""Measures how thick the walls are, by rays from the surface into the material."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fabcoord.designs.meshcheck.deep.tree import Tree
from fabcoord.designs.meshcheck.soup import Doubles, Floats, Indices

SAMPLES = 20_000
_OPPOSITE = 0.9  # cosine: both sides of a wall are parallel within 25 degrees; a wedge is no wall
_LEAST_MM = 1e-3  # nearer than that the ray meets where it began
_TOUCH = 1e-9


@dataclass(frozen=True, slots=True)
class Walls:
    """The thickness at places of the surface, inf where it is more than what was asked about."""

    thickness_mm: Doubles  # (k,)
    places: Doubles  # (k, 3): on the surface


def measure_walls(triangles: Floats, normals: Doubles, tree: Tree, most_mm: float) -> Walls:
    """The thickness up to ``most_mm`` at places spread evenly over the surface.

    ``normals`` (n, 3) are as long as twice the triangles' areas.
    """
    from_face, begin = _spread(triangles, normals, min(SAMPLES, 40 * len(triangles)))
    inward = -normals[from_face] / np.linalg.norm(normals[from_face], axis=1, keepdims=True)
    end = begin + inward * most_mm
    low = np.minimum(begin, end).astype(np.float32)
    high = np.maximum(begin, end).astype(np.float32)
    nearest = np.full(len(begin), np.inf)
    for near, touched in tree.near(low, high):
        other = touched != from_face[near]
        ray, face = near[other], touched[other]
        at = _hits(triangles, normals, begin[ray], inward[ray], face)
        at[at > most_mm] = np.inf
        np.minimum.at(nearest, ray, at)
    return Walls(nearest, begin)


def _spread(triangles: Floats, normals: Doubles, count: int) -> tuple[Indices, Doubles]:
    """Points on the surface, as many per area everywhere, and the triangles that they are on."""
    area = np.linalg.norm(normals, axis=1)
    upto = np.cumsum(area)
    if not len(upto) or upto[-1] <= 0:
        return np.zeros(0, np.int64), np.zeros((0, 3))
    wanted = (np.arange(count) + 0.5) / count * upto[-1]
    face = np.minimum(np.searchsorted(upto, wanted), len(triangles) - 1).astype(np.int64)
    random = np.random.default_rng(1)  # the same file gets the same answer
    u, v = random.random((2, count))
    beyond = u + v > 1
    u[beyond], v[beyond] = 1 - u[beyond], 1 - v[beyond]
    a, b, c = triangles[face].astype(np.float64).transpose(1, 0, 2)
    points: Doubles = a + u[:, None] * (b - a) + v[:, None] * (c - a)
    return face, points


def _hits(
    triangles: Floats, normals: Doubles, begin: Doubles, direction: Doubles, face: Indices
) -> Doubles:
    """How far each ray goes to its triangle's back, in mm (Möller and Trumbore 1997), or inf."""
    corners = triangles[face].astype(np.float64)
    edge_b, edge_c = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    across = np.cross(direction, edge_c)
    scale = np.einsum("ij,ij->i", edge_b, across)
    size = np.linalg.norm(normals[face], axis=1)
    # The ray leaves the material where the surface looks the way it goes.
    leaves = np.einsum("ij,ij->i", direction, normals[face]) > _OPPOSITE * size
    good = leaves & (np.abs(scale) > _TOUCH * size) & (size > 0)
    safe = np.where(good, scale, 1.0)
    from_corner = begin - corners[:, 0]
    u = np.einsum("ij,ij->i", from_corner, across) / safe
    turned = np.cross(from_corner, edge_b)
    v = np.einsum("ij,ij->i", direction, turned) / safe
    at = np.einsum("ij,ij->i", edge_c, turned) / safe
    good &= (u >= -_TOUCH) & (v >= -_TOUCH) & (u + v <= 1 + _TOUCH) & (at > _LEAST_MM)
    distance: Doubles = np.where(good, at, np.inf)
    return distance
