"""Turns loose triangles into a surface: welding, edges, shells. Plain numpy, one sort each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fabcoord.designs.meshcheck.soup import Doubles, Floats, Indices

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
    """Distinct points of (k, 3) and for each point its index among them; −0.0 equals 0.0."""
    points = points + np.float32(0)  # turns −0.0 into 0.0
    hashed = (points.view(np.uint32).astype(np.uint64) * _MIX).sum(axis=1, dtype=np.uint64)
    order = np.argsort(hashed)
    in_order = hashed[order]
    first = np.empty(len(points), bool)
    first[:1] = True
    np.not_equal(in_order[1:], in_order[:-1], out=first[1:])
    index = np.empty(len(points), np.int64)
    index[order] = np.cumsum(first) - 1
    distinct = points[order[first]]
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
    """The edges of (n, 3) faces and how often they are used each way."""
    start = faces.ravel()
    end = faces[:, [1, 2, 0]].ravel()
    pair = np.minimum(start, end) * vertex_count + np.maximum(start, end)
    key = np.sort(pair * 2 + (start > end))
    pair, backward = key >> 1, key & 1
    begins = np.flatnonzero(np.diff(pair, prepend=-1))
    uses = np.diff(begins, append=len(pair))
    against = np.add.reduceat(backward, begins) if len(begins) else backward
    distinct = pair[begins]
    width = max(vertex_count, 1)
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
    _, shell = np.unique(label[faces[:, 0]], return_inverse=True)
    return shell.astype(np.int64)


def signed_volumes(triangles: Floats) -> Doubles:
    """The volume between each triangle and the mesh's first corner, shape (n,), in mm³.

    Their sum is the enclosed volume, positive when faces look outward.
    """
    if not len(triangles):
        return np.zeros(0)
    corners = triangles.astype(np.float64) - triangles[0, 0]
    volumes: Doubles = (
        np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6.0
    )
    return volumes


def _weld_rims(vertices: Floats, edges: Edges, offset: float) -> Indices:
    """A new index for each vertex in which rim points in the same cell of SEAM_MM are one."""
    rim = np.unique(np.concatenate([edges.low[edges.open], edges.high[edges.open]]))
    cells = np.floor(vertices[rim].astype(np.float64) / SEAM_MM + offset)
    _, first, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    merged = np.arange(len(vertices))
    merged[rim] = rim[first][cell.reshape(-1)]
    return merged
