"""Finds which triangle is nearest at each pixel: a z-buffer in numpy, without a GPU."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fabcoord.designs.meshcheck.soup import Doubles, Indices

_CELLS_AT_ONCE = 2_000_000  # spans or pixels in one numpy step: about 150 MB


def rasterise(screen: Doubles, side: int) -> tuple[Indices, Doubles]:
    """Which face is nearest at each pixel (−1: none) and how near; both (side, side).

    Faces become rows, rows become pixels, each step one numpy operation over many faces.
    """
    depth = np.full(side * side, -np.inf)
    nearest = np.full(side * side, -1, np.int64)
    first_row, rows = _cells(screen[..., 1].min(axis=1), screen[..., 1].max(axis=1), side)
    slope = _depth_slopes(screen)
    for some in _batches(rows):
        owner = some.start + np.repeat(np.arange(some.stop - some.start), rows[some])
        row = first_row[owner] + _ramp(rows[some])
        left, right = _spans(screen[owner], row + 0.5)
        first_column, columns = _cells(left, right, side)
        for part in _batches(columns):
            count = columns[part]
            face = np.repeat(owner[part], count)
            y = np.repeat(row[part], count)
            x = np.repeat(first_column[part], count) + _ramp(count)
            corner = screen[face, 0]
            near = corner[:, 2] + (
                slope[face, 0] * (x + 0.5 - corner[:, 0])
                + slope[face, 1] * (y + 0.5 - corner[:, 1])
            )
            pixel = y * side + x
            np.maximum.at(depth, pixel, near)
            front = near >= depth[pixel]
            nearest[pixel[front]] = face[front]
    return nearest.reshape(side, side), depth.reshape(side, side)


def _cells(low: Doubles, high: Doubles, side: int) -> tuple[Indices, Indices]:
    """The first cell whose centre lies between low and high, and how many do."""
    first = np.clip(np.ceil(low - 0.5 - 1e-6), 0, side).astype(np.int64)
    last = np.clip(np.floor(high - 0.5 + 1e-6), -1, side - 1).astype(np.int64)
    return first, np.maximum(last - first + 1, 0)


def _batches(weights: Indices) -> Iterator[slice]:
    """Slices of consecutive items whose weights sum to about _CELLS_AT_ONCE."""
    total = np.cumsum(weights)
    start = 0
    while start < len(weights):
        done = int(total[start - 1]) if start else 0
        stop = max(int(np.searchsorted(total, done + _CELLS_AT_ONCE, "right")), start + 1)
        yield slice(start, stop)
        start = stop


def _ramp(counts: Indices) -> Indices:
    """0, 1, … count−1 for each count, one after the other."""
    ends = np.cumsum(counts)
    return np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)


def _spans(triangles: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
    """Where the line at height y enters and leaves each triangle."""
    left = np.full(len(y), np.inf)
    right = np.full(len(y), -np.inf)
    for one, other in ((0, 1), (1, 2), (2, 0)):
        a, b = triangles[:, one], triangles[:, other]
        rise = b[:, 1] - a[:, 1]
        share = (y - a[:, 1]) / np.where(rise == 0, np.inf, rise)
        crosses = (rise != 0) & (share >= -1e-9) & (share <= 1.0 + 1e-9)
        x = a[:, 0] + share * (b[:, 0] - a[:, 0])
        left = np.where(crosses, np.minimum(left, x), left)
        right = np.where(crosses, np.maximum(right, x), right)
    missed = right < left
    return np.where(missed, 0.0, left), np.where(missed, -1.0, right)


def _depth_slopes(screen: Doubles) -> Doubles:
    """How depth grows with x and with y on each face, shape (n, 2); 0 for faces seen edge-on."""
    u, v = screen[:, 1] - screen[:, 0], screen[:, 2] - screen[:, 0]
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    safe = np.where(np.abs(area) < 1e-9, np.inf, area)
    along_x = (u[:, 2] * v[:, 1] - u[:, 1] * v[:, 2]) / safe
    along_y = (u[:, 0] * v[:, 2] - u[:, 2] * v[:, 0]) / safe
    return np.stack([along_x, along_y], axis=1)
