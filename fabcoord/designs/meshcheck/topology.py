"""Turns loose triangles into a surface: welding, edges, shells. Plain numpy, one sort each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fabcoord.designs.meshcheck.soup import Floats, Indices

Flags = npt.NDArray[np.bool_]

SEAM_MM = 1e-5  # float32 seams that every slicer closes (sin 2π is not 0) are far smaller

_AT_ONCE = 1 << 17
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


@dataclass(frozen=True, slots=True)
class Edges:
    """Every edge once, with how often faces run along it in each direction.

    ``low`` and ``high`` are vertex indices with low < high; ``forward`` counts faces that run
    from low to high, ``backward`` the others. All have shape (e,), sorted by low, then high.
    """

    low: Indices
    high: Indices
    forward: npt.NDArray[np.int32]
    backward: npt.NDArray[np.int32]

    @property
    def uses(self) -> npt.NDArray[np.int32]:
        """How many faces meet at each edge."""
        return self.forward + self.backward

    @property
    def open(self) -> Flags:
        """Edges with a face on one side only: the rim of a hole."""
        return np.equal(self.uses, 1)

    @property
    def crowded(self) -> Flags:
        """Edges where an odd number of faces, three or more, meet: no inside and outside."""
        crowded: Flags = (self.uses > 2) & (self.uses % 2 == 1)
        return crowded

    @property
    def flipped(self) -> Flags:
        """Edges whose faces pair up, but disagree on which side is out."""
        flipped: Flags = (self.uses % 2 == 0) & (self.forward != self.backward)
        return flipped

    @property
    def paired(self) -> bool:
        """Whether each face that runs along an edge has one that runs the other way.

        This is what manifold3d asks of a mesh before it accepts it, and what closed and
        consistently wound means.
        """
        return bool(np.array_equal(self.forward, self.backward))


@dataclass(frozen=True, slots=True)
class Surface:
    """Welded triangles: (m, 3) vertices in mm, (n, 3) faces without collapsed ones."""

    vertices: Floats
    faces: Indices
    edges: Edges
    triangles: Floats  # the corners of all faces, shape (n, 3, 3)
    kept: Flags | None  # which of the file's triangles the faces are; None: all of them

    @property
    def collapsed(self) -> int:
        """How many triangles were dropped because two of their corners are the same point."""
        return 0 if self.kept is None else int(len(self.kept) - np.count_nonzero(self.kept))


def build_surface(triangles: Floats) -> Surface:
    """Weld (n, 3, 3) finite triangles into a surface, closing float32 seams of up to SEAM_MM."""
    vertices, index = weld(triangles.reshape(-1, 3))
    all_faces = index.reshape(-1, 3)
    kept = _uncollapsed(all_faces)
    faces = all_faces if kept is None else all_faces[kept]
    edges = find_edges(faces, len(vertices))
    moved = False
    for offset in (0.5, 0.0):  # a second grid, for points that lie astride a line of the first
        if edges.paired or not edges.open.any():
            break
        merged = _weld_rims(vertices, edges, offset)
        candidate = merged[faces]
        still = _uncollapsed(candidate)
        if still is not None:
            candidate = candidate[still]
        candidate_edges = find_edges(candidate, len(vertices))
        if candidate_edges.open.sum() < edges.open.sum():
            faces, edges, moved = candidate, candidate_edges, True
            if still is not None:
                kept = _both(kept, still)
    if moved:
        triangles = vertices.take(faces, axis=0)
    elif kept is not None:
        triangles = triangles[kept]
    return Surface(vertices, faces, edges, triangles, kept)


def weld(points: Floats) -> tuple[Floats, Indices]:
    """Distinct points of (k, 3) and for each point its index among them; −0.0 equals 0.0.

    They stay in the order of their first appearance: neighbours in the mesh stay neighbours in
    memory, which halves the time of all that follows.
    """
    if not len(points):
        return points, np.zeros(0, np.int64)
    keys, bits = _sorted_keys(points)
    mask = np.uint64((1 << bits) - 1)
    begins = np.empty(len(keys), bool)
    begins[0] = True
    for some in chunks(len(keys) - 1):
        after = slice(some.start + 1, some.stop + 1)
        np.greater(keys[after] ^ keys[some], mask, out=begins[after])
    first = (keys[begins] & mask).view(np.int64)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    index = np.empty(len(keys), np.int64)
    groups = -1
    for some in chunks(len(keys)):
        group = np.cumsum(begins[some])
        group += groups
        groups = group[-1]
        index[(keys[some] & mask).view(np.int64)] = rank.take(group)
    distinct = points.take(first.take(order), axis=0)
    distinct += np.float32(0)  # turns −0.0 into 0.0
    wrong = np.zeros(len(distinct), bool)
    for some in chunks(len(keys)):
        differs = distinct.take(index[some], axis=0) != points[some]
        wrong[index[some][differs.any(axis=1)]] = True
    return _split(points, distinct, index, wrong) if wrong.any() else (distinct, index)


def _split(
    points: Floats, distinct: Floats, index: Indices, wrong: Flags
) -> tuple[Floats, Indices]:
    """Part the points that share a hash without being equal: by chance few, in a made file all."""
    which = np.flatnonzero(wrong.take(index))
    apart, place = np.unique(points[which] + np.float32(0), axis=0, return_inverse=True)
    index[which] = len(distinct) + place.reshape(-1)
    return np.concatenate([distinct, apart]), index


def _sorted_keys(points: Floats) -> tuple[npt.NDArray[np.uint64], int]:
    """For each point its hash in the high bits and its place in the low ones, sorted.

    Also how many bits the place has. Sorting values is five times faster than an argsort, and of
    equal points the first comes first.
    """
    bits = len(points).bit_length()
    keys = np.empty(len(points), np.uint64)
    for some in chunks(len(points)):
        words = (points[some] + np.float32(0)).view(np.uint32)
        key = words[:, 0] * _MIX[0]
        key += words[:, 1] * _MIX[1]
        key += words[:, 2] * _MIX[2]
        key >>= np.uint64(bits)
        key <<= np.uint64(bits)
        key |= np.arange(some.start, some.stop, dtype=np.uint64)
        keys[some] = key
    keys.sort()
    return keys, bits


def chunks(count: int) -> Iterator[slice]:
    """Slices that cover ``count``: small enough for the processor's cache.

    Memory that is used again costs nothing; memory that is touched for the first time costs more
    than the arithmetic.
    """
    return (slice(at, min(at + _AT_ONCE, count)) for at in range(0, count, _AT_ONCE))


def without_collapsed(faces: Indices) -> Indices:
    """The faces whose three corners are three points."""
    kept = _uncollapsed(faces)
    return faces if kept is None else faces[kept]


def find_edges(faces: Indices, vertex_count: int) -> Edges:
    """The edges of (n, 3) faces and how often they are used each way."""
    shift = edge_shift(vertex_count)
    key = edge_keys(faces, shift)
    key.sort()
    if _is_pairs(key):
        distinct = key[::2] >> 1
        once = np.ones(len(distinct), np.int32)
        return _edges(distinct, shift, once, once)
    backward = (key & 1).astype(bool)
    key >>= 1
    differs = np.ones(len(key), bool)
    np.not_equal(key[1:], key[:-1], out=differs[1:])
    begins = np.flatnonzero(differs)
    uses = np.diff(begins, append=len(key)).astype(np.int32)
    against = np.zeros(0, np.int32)
    if len(begins):
        against = np.add.reduceat(backward, begins, dtype=np.int32)
    return _edges(key[begins], shift, uses - against, against)


def edge_shift(vertex_count: int) -> int:
    """How many bits a vertex index takes in `edge_keys`."""
    return max(vertex_count - 1, 1).bit_length()


def edge_keys(faces: Indices, shift: int) -> Indices:
    """For the edge from each corner to the next a number: (low << shift | high) << 1 | backward.

    Shape (3 n,), in the order of the corners.
    """
    keys = np.empty((len(faces), 3), np.int64)
    for some in chunks(len(faces)):
        corners = faces[some].T.copy()
        for corner in range(3):
            start, end = corners[corner], corners[(corner + 1) % 3]
            key = np.minimum(start, end)
            key <<= shift
            key |= np.maximum(start, end)
            key <<= 1
            key |= start > end
            keys[some, corner] = key
    return keys.reshape(-1)


def _edges(
    key: Indices, shift: int, forward: npt.NDArray[np.int32], backward: npt.NDArray[np.int32]
) -> Edges:
    high = key & ((1 << shift) - 1)
    key >>= shift
    return Edges(key, high, forward, backward)


def _is_pairs(key: Indices) -> bool:
    """Whether sorted keys are pairs of equals, one each way: the usual case, told quickly."""
    if len(key) % 2:
        return False
    for some in chunks(len(key) // 2):
        following = key[2 * some.start : 2 * some.stop + 1 : 2]
        there, back = (
            following[: some.stop - some.start],
            key[2 * some.start + 1 : 2 * some.stop : 2],
        )
        if ((there | 1) != back).any() or (there & 1).any():
            return False
        if (following[1:] == following[:-1]).any():
            return False
    return True


def loose_faces(surface: Surface) -> Flags:
    """Which faces share no edge with any other; shape (n,)."""
    return _all_edges_in(surface, surface.edges.open)


def duplicates(surface: Surface) -> Flags:
    """Which faces have the corners of an earlier face, in the same order around; shape (n,)."""
    found = np.zeros(len(surface.faces), bool)
    shared = surface.edges.uses > 2
    if not shared.any():
        return found
    which = np.flatnonzero(_all_edges_in(surface, shared))
    corners = surface.faces[which]
    turns = corners.argmin(axis=1)[:, None] + np.arange(3)
    corners = np.take_along_axis(corners, turns % 3, axis=1)
    _, first = np.unique(corners, axis=0, return_index=True)
    found[np.delete(which, first)] = True
    return found


def _all_edges_in(surface: Surface, which: Flags) -> Flags:
    shift = edge_shift(len(surface.vertices))
    wanted = surface.edges.low[which] << shift | surface.edges.high[which]
    if not len(wanted):
        return np.zeros(len(surface.faces), bool)
    keys = edge_keys(surface.faces, shift) >> 1
    at = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
    a, b, c = np.equal(wanted.take(at), keys).reshape(-1, 3).T
    inside: Flags = a & b & c
    return inside


def connected(low: Indices, high: Indices, vertex_count: int) -> Indices:
    """For each vertex the smallest vertex that edges connect it with; shape (vertex_count,).

    Every round hooks each label to a smaller neighbour and then flattens the chains, so the
    number of rounds grows with the logarithm of the mesh.
    """
    label = np.arange(vertex_count)
    while True:
        a, b = label.take(low), label.take(high)
        apart = a != b
        if not apart.any():
            return label
        low, high, a, b = low[apart], high[apart], a[apart], b[apart]
        np.minimum.at(label, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(flat := label.take(label), label):
            label = flat


def _uncollapsed(faces: Indices) -> Flags | None:
    """Which faces have three different corners; None when all have."""
    a, b, c = faces.T
    bad: Flags = np.equal(a, b)
    bad |= b == c
    bad |= c == a
    return ~bad if bad.any() else None


def _both(kept: Flags | None, still: Flags) -> Flags:
    """Which of all are left when ``still`` chooses among those that were ``kept``."""
    if kept is None:
        return still
    both = kept.copy()
    both[kept] = still
    return both


def _weld_rims(vertices: Floats, edges: Edges, offset: float) -> Indices:
    """A new index for each vertex in which rim points in the same cell of SEAM_MM are one."""
    on_rim = np.zeros(len(vertices), bool)
    on_rim[edges.low[edges.open]] = on_rim[edges.high[edges.open]] = True
    rim = np.flatnonzero(on_rim)
    cells = np.floor(vertices[rim].astype(np.float64) / SEAM_MM + offset)
    _, first, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    merged = np.arange(len(vertices))
    merged[rim] = rim[first][cell.reshape(-1)]
    return merged
