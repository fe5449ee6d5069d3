"""Turns loose triangles into a surface: welding, edges, shells. Plain numpy, one sort each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fabcoord.designs.meshcheck.soup import Doubles, Floats, Indices

_MEASURED_AT_ONCE = 500_000
SEAM_MM = 1e-5  # float32 seams that every slicer closes (sin 2π is not 0) are far smaller

_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


@dataclass(frozen=True, slots=True)
class Edges:
    """Every edge once, with how often faces run along it in each direction.

    ``low`` and ``high`` are vertex indices with low < high; ``forward`` counts faces that run
    from low to high, ``backward`` the others. All have shape (e,).
    """

    low: Indices
    high: Indices
    forward: Indices
    backward: Indices

    @property
    def uses(self) -> Indices:
        """How many faces meet at each edge."""
        return self.forward + self.backward

    @property
    def open(self) -> npt.NDArray[np.bool_]:
        """Edges with a face on one side only: the rim of a hole."""
        return np.equal(self.uses, 1)

    @property
    def crowded(self) -> npt.NDArray[np.bool_]:
        """Edges where an odd number of faces, three or more, meet: no inside and outside."""
        crowded: npt.NDArray[np.bool_] = (self.uses > 2) & (self.uses % 2 == 1)
        return crowded

    @property
    def flipped(self) -> npt.NDArray[np.bool_]:
        """Edges whose faces pair up, but disagree on which side is out."""
        flipped: npt.NDArray[np.bool_] = (self.uses % 2 == 0) & (self.forward != self.backward)
        return flipped


@dataclass(frozen=True, slots=True)
class Surface:
    """Welded triangles: (m, 3) vertices in mm, (n, 3) faces without collapsed ones."""

    vertices: Floats
    faces: Indices
    edges: Edges
    collapsed: int  # faces that were dropped because two of their corners are the same point

    @property
    def triangles(self) -> Floats:
        """The corners of all faces, shape (n, 3, 3)."""
        return self.vertices[self.faces]


def build_surface(triangles: Floats) -> Surface:
    """Weld (n, 3, 3) finite triangles into a surface, closing float32 seams of up to SEAM_MM."""
    vertices, index = weld(triangles.reshape(-1, 3))
    faces = index.reshape(-1, 3)
    kept = without_collapsed(faces)
    edges = find_edges(kept, len(vertices))
    for offset in (0.5, 0.0):  # a second grid, for points that lie astride a line of the first
        if not edges.open.any():
            break
        merged = _weld_rims(vertices, edges, offset)
        candidate = without_collapsed(merged[kept])
        candidate_edges = find_edges(candidate, len(vertices))
        if candidate_edges.open.sum() < edges.open.sum():
            kept, edges = candidate, candidate_edges
    return Surface(vertices, kept, edges, len(faces) - len(kept))


def weld(points: Floats) -> tuple[Floats, Indices]:
    """Distinct points of (k, 3) and for each point its index among them; −0.0 equals 0.0.

    They stay in the order of their first appearance: neighbours in the mesh stay neighbours in
    memory, which halves the time of all that follows.
    """
    points = points + np.float32(0)  # turns −0.0 into 0.0
    bits = points.view(np.uint32)
    hashed = bits[:, 0] * _MIX[0]
    hashed += bits[:, 1] * _MIX[1]
    hashed += bits[:, 2] * _MIX[2]
    order = np.argsort(hashed)
    in_order = hashed[order]
    del hashed
    begins = np.empty(len(points), bool)
    begins[:1] = True
    np.not_equal(in_order[1:], in_order[:-1], out=begins[1:])
    del in_order
    first = np.minimum.reduceat(order, np.flatnonzero(begins)) if len(order) else order
    by_appearance = np.argsort(first)
    rank = np.empty_like(by_appearance)
    rank[by_appearance] = np.arange(len(rank))
    index = np.empty(len(points), np.int64)
    index[order] = rank[np.cumsum(begins) - 1]
    distinct = points[first[by_appearance]]
    if np.array_equal(distinct[index], points):
        return distinct, index
    # Two points share a hash: by chance nearly never, but a file may be made to.
    distinct, index = np.unique(points, axis=0, return_inverse=True)
    return distinct, index.reshape(-1).astype(np.int64)


def without_collapsed(faces: Indices) -> Indices:
    """The faces whose three corners are three points."""
    a, b, c = faces.T
    kept: Indices = faces[(a != b) & (b != c) & (c != a)]
    return kept


def find_edges(faces: Indices, vertex_count: int) -> Edges:
    """The edges of (n, 3) faces and how often they are used each way.

    Works in place where it can: five million triangles have to fit into two gigabytes.
    """
    width = max(vertex_count, 1)
    start, end = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    key = np.minimum(start, end)
    key *= width
    key += np.maximum(start, end)
    key *= 2
    key += start > end
    del start, end
    key.sort()
    backward = (key & 1).astype(np.int8)
    key >>= 1
    differs = np.ones(len(key), bool)
    np.not_equal(key[1:], key[:-1], out=differs[1:])
    begins = np.flatnonzero(differs)
    uses = np.diff(begins, append=len(key))
    against = np.zeros(0, np.int64)
    if len(begins):
        against = np.add.reduceat(backward, begins, dtype=np.int64)
    distinct = key[begins]
    return Edges(distinct // width, distinct % width, uses - against, against)


def loose_faces(faces: Indices, edges: Edges, vertex_count: int) -> int:
    """How many faces share no edge with any other."""
    rims = edges.low[edges.open] * vertex_count + edges.high[edges.open]
    start, end = faces, faces[:, [1, 2, 0]]
    pair = np.minimum(start, end) * vertex_count + np.maximum(start, end)
    return int(np.isin(pair, rims).all(axis=1).sum())


def find_shells(faces: Indices, edges: Edges, vertex_count: int) -> Indices:
    """For each face the number of the connected shell that it belongs to, counted from 0.

    Every round hooks each label to a smaller neighbour and then flattens the chains, so the
    number of rounds grows with the logarithm of the mesh.
    """
    label = np.arange(vertex_count)
    low, high = edges.low, edges.high
    while True:
        a, b = label[low], label[high]
        apart = a != b
        if not apart.any():
            break
        low, high = low[apart], high[apart]
        np.minimum.at(label, np.maximum(a, b)[apart], np.minimum(a, b)[apart])
        while not np.array_equal(flat := label[label], label):
            label = flat
    used = np.zeros(vertex_count, bool)
    used[label[faces[:, 0]]] = True
    number: Indices = np.cumsum(used) - 1
    return number[label[faces[:, 0]]]


def measure(triangles: Floats) -> tuple[Doubles, float]:
    """The volume between each triangle and the first corner, shape (n,) in mm³; the area in mm².

    The volumes sum to the enclosed volume, positive when faces look outward.
    """
    volumes = np.zeros(len(triangles))
    area = 0.0
    for start in range(0, len(triangles), _MEASURED_AT_ONCE):
        some = slice(start, start + _MEASURED_AT_ONCE)
        corners = triangles[some].astype(np.float64) - triangles[0, 0]
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        volumes[some] = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0
        area += float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2.0)
    return volumes, area


def _weld_rims(vertices: Floats, edges: Edges, offset: float) -> Indices:
    """A new index for each vertex in which rim points in the same cell of SEAM_MM are one."""
    rim = np.unique(np.concatenate([edges.low[edges.open], edges.high[edges.open]]))
    cells = np.floor(vertices[rim].astype(np.float64) / SEAM_MM + offset)
    _, first, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    merged = np.arange(len(vertices))
    merged[rim] = rim[first][cell.reshape(-1)]
    return merged
