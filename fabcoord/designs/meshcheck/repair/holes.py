"""Finds the rims of holes and closes small ones with the least area; caps all for measuring."""

from __future__ import annotations

import numpy as np

from fabcoord.designs.meshcheck.pieces import components
from fabcoord.designs.meshcheck.soup import Doubles, Floats, Indices

LONGEST_RIM = 200  # edges; larger holes are for pymeshfix, which smooths what it fills in


def rim_edges(faces: Indices) -> Indices:
    """The edges with a face on one side only, (k, 2), in the direction that a filling face runs."""
    start = faces.ravel().astype(np.int64)
    end = faces[:, [1, 2, 0]].ravel().astype(np.int64)
    width = int(faces.max()) + 1 if len(faces) else 1
    key = np.minimum(start, end) * width + np.maximum(start, end)
    _, index, uses = np.unique(key, return_inverse=True, return_counts=True)
    single = uses[index.reshape(-1)] == 1
    return np.stack([end[single], start[single]], axis=1)


def rims(edges: Indices) -> list[Indices]:
    """The closed loops of these edges, none of which meets itself.

    Where holes touch at a corner, a loop is cut off as soon as the walk comes by a place again.
    What does not close is left out.
    """
    following: dict[int, list[int]] = {}
    for start, end in edges.tolist():
        following.setdefault(start, []).append(end)
    found = []
    for begin in list(following):
        while following.get(begin):
            path, place = [begin], {begin: 0}
            while onward := following.get(path[-1]):
                at = onward.pop()
                if at not in place:
                    place[at] = len(path)
                    path.append(at)
                    continue
                loop = path[place[at] :]
                del path[place[at] + 1 :]
                for gone in loop[1:]:
                    del place[gone]
                if len(loop) > 2:
                    found.append(np.array(loop, np.int64))
    return found


def fill_small(vertices: Floats, faces: Indices) -> tuple[Indices, int]:
    """The faces and those that close each hole with at most LONGEST_RIM edges; how many holes."""
    loops = [loop for loop in rims(rim_edges(faces)) if len(loop) <= LONGEST_RIM]
    if not loops:
        return faces, 0
    caps = [loop[_least_area(vertices[loop].astype(np.float64))] for loop in loops]
    return np.concatenate([faces, *caps]).astype(faces.dtype), len(loops)


def _least_area(rim: Doubles) -> Indices:
    """Triangles between the corners of a rim that have the least area together, (k - 2, 3).

    By dynamic programming over ever longer stretches of the rim (G. Barequet, M. Sharir 1995).
    """
    count = len(rim)
    cost = np.zeros((count, count))
    best = np.zeros((count, count), np.int64)
    for length in range(2, count):
        for i in range(count - length):
            j = i + length
            between = np.arange(i + 1, j)
            across = np.cross(rim[between] - rim[i], rim[j] - rim[i])
            total = cost[i, between] + cost[between, j] + np.linalg.norm(across, axis=-1) / 2
            choice = int(total.argmin())
            cost[i, j], best[i, j] = total[choice], between[choice]
    triangles, pending = [], [(0, count - 1)]
    while pending:
        i, j = pending.pop()
        if j - i < 2:
            continue
        middle = int(best[i, j])
        triangles.append((i, middle, j))
        pending += [(i, middle), (middle, j)]
    return np.array(triangles, np.int64)


def capped_volume(vertices: Floats, faces: Indices) -> float:
    """The signed volume in mm³ that a surface encloses when each hole is closed straight across.

    Without the caps the volume of an open mesh would depend on where it lies.
    """
    if not len(faces):
        return 0.0
    points = vertices.astype(np.float64)
    origin = points[faces[0, 0]]
    a, b, c = (points[faces[:, i]] - origin for i in range(3))
    volume = float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)
    edges = rim_edges(faces)
    if not len(edges):
        return volume
    start, end = points[edges[:, 0]] - origin, points[edges[:, 1]] - origin
    group = components(edges[:, 0], edges[:, 1], len(points))[edges[:, 0]]
    _, group = np.unique(group, return_inverse=True)
    group = group.reshape(-1)
    size = np.bincount(group)
    middle = np.stack([np.bincount(group, start[:, i]) / size for i in range(3)], axis=1)[group]
    return volume + float(np.einsum("ij,ij->i", start, np.cross(end, middle)).sum() / 6.0)


def enclosed_mm3(triangles: Floats) -> float:
    """The volume in mm³ that (n, 3, 3) closed triangles enclose; positive when they look out."""
    corners = triangles.astype(np.float64) - triangles[0, 0]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)
