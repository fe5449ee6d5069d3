"""A tree of boxes around triangles, so that only those near each other are compared; numpy only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fabcoord.designs.meshcheck.soup import Floats, Indices

_LEAF = 8  # triangles in a leaf
_AT_ONCE = 30_000  # pairs of nodes that are opened together: bounds the memory
_GRID_BITS = 16
_SPREAD = (
    (32, 0x1F00000000FFFF),
    (16, 0x1F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)

Pairs = tuple[Indices, Indices]


@dataclass(frozen=True, slots=True)
class Tree:
    """Triangles in the order of a space-filling curve, with the boxes of ever larger groups.

    ``levels`` begins with the one box around everything; each further level has twice as many. The
    last are the leaves, of `_LEAF` triangles each; places that are left over hold empty boxes.
    """

    low: Floats  # (n, 3) of each triangle
    high: Floats
    order: Indices  # leaf by leaf the numbers of its triangles; -1 where there is none
    levels: tuple[tuple[Floats, Floats], ...]

    @classmethod
    def of(cls, triangles: Floats) -> Tree:
        """The tree of (n, 3, 3) triangles, n > 0."""
        low, high = triangles.min(axis=1), triangles.max(axis=1)
        leaves = 1
        while leaves * _LEAF < len(triangles):
            leaves *= 2
        order = np.full(leaves * _LEAF, -1, np.int64)
        # Spread over all leaves, so that none is much fuller than another.
        place = np.arange(len(triangles)) * (leaves * _LEAF) // len(triangles)
        order[place] = np.argsort(_along_curve(low, high), kind="stable")
        empty = order < 0
        box_low, box_high = low[order], high[order]
        box_low[empty], box_high[empty] = np.inf, -np.inf
        levels = [_halved(box_low, box_high, _LEAF)]
        while len(levels[0][0]) > 1:
            levels.insert(0, _halved(*levels[0], 2))
        return cls(low, high, order, tuple(levels))

    def near(self, low: Floats, high: Floats) -> Iterator[Pairs]:
        """Pairs of (number of a box of ours, triangle) whose boxes touch, some at a time.

        ``low`` and ``high``, (m, 3), are the boxes that are asked about.
        """
        asked = np.arange(len(low))
        pending = [(0, asked, np.zeros(len(low), np.int64))]
        while pending:
            level, query, node = pending.pop()
            if len(query) > _AT_ONCE:
                half = len(query) // 2
                pending += [(level, query[:half], node[:half]), (level, query[half:], node[half:])]
                continue
            boxes = self.levels[level]
            touch = _touching(low[query], high[query], boxes[0][node], boxes[1][node])
            query, node = query[touch], node[touch]
            if not len(query):
                continue
            if level + 1 < len(self.levels):
                pending.append((level + 1, np.repeat(query, 2), _children(node, 2)))
                continue
            query = np.repeat(query, _LEAF)
            triangle = self.order[_children(node, _LEAF)]
            query, triangle = query[triangle >= 0], triangle[triangle >= 0]
            touch = _touching(low[query], high[query], self.low[triangle], self.high[triangle])
            yield query[touch], triangle[touch]

    def pairs(self) -> Iterator[tuple[float, Pairs]]:
        """Pairs of different triangles whose boxes touch, and which share of the tree is done."""
        zero = np.zeros(1, np.int64)
        pending = [(0, zero, zero, 1.0)]
        done = 0.0
        while pending:
            level, one, other, share = pending.pop()
            if len(one) > _AT_ONCE:
                half = len(one) // 2
                pending += [
                    (level, one[half:], other[half:], share / 2),
                    (level, one[:half], other[:half], share / 2),
                ]
                continue
            if level + 1 < len(self.levels):
                one, other = _opened(one, other)
                low, high = self.levels[level + 1]
                touch = _touching(low[one], high[one], low[other], high[other])
                if touch.any():
                    pending.append((level + 1, one[touch], other[touch], share))
                    continue
                done += share
                continue
            done += share
            yield done, self._in_leaves(one, other)

    def _in_leaves(self, one: Indices, other: Indices) -> Pairs:
        shape = (len(one), _LEAF, _LEAF)
        mine = self.order.reshape(-1, _LEAF)[one][:, :, None]
        theirs = self.order.reshape(-1, _LEAF)[other][:, None, :]
        # A leaf against itself holds each pair twice.
        wanted = (mine >= 0) & (theirs >= 0) & ((one != other)[:, None, None] | (mine < theirs))
        a = np.broadcast_to(mine, shape)[wanted]
        b = np.broadcast_to(theirs, shape)[wanted]
        for axis in range(3):  # axis by axis, since most pairs are gone after the first
            touch = (self.low[a, axis] <= self.high[b, axis]) & (
                self.low[b, axis] <= self.high[a, axis]
            )
            a, b = a[touch], b[touch]
        return a, b


def _children(node: Indices, count: int) -> Indices:
    children: Indices = (node[:, None] * count + np.arange(count)).ravel()
    return children


def _opened(one: Indices, other: Indices) -> Pairs:
    """The pairs of children of pairs of nodes, each pair of different children once."""
    first, second = np.meshgrid([0, 1], [0, 1], indexing="ij")
    a = (one[:, None] * 2 + first.ravel()).ravel()
    b = (other[:, None] * 2 + second.ravel()).ravel()
    kept = a <= b
    return a[kept], b[kept]


def _touching(
    low: Floats, high: Floats, other_low: Floats, other_high: Floats
) -> npt.NDArray[np.bool_]:
    touch: npt.NDArray[np.bool_] = np.all((low <= other_high) & (other_low <= high), axis=1)
    return touch


def _halved(low: Floats, high: Floats, count: int) -> tuple[Floats, Floats]:
    return low.reshape(-1, count, 3).min(axis=1), high.reshape(-1, count, 3).max(axis=1)


def _along_curve(low: Floats, high: Floats) -> npt.NDArray[np.uint64]:
    """The place of each box's middle along the Morton curve."""
    middle = (low.astype(np.float64) + high) / 2
    start = middle.min(axis=0)
    extent = max(float(np.ptp(middle, axis=0).max()), 1e-30)
    cell = ((middle - start) / extent * ((1 << _GRID_BITS) - 1)).astype(np.uint64)
    key = np.zeros(len(middle), np.uint64)
    for axis in range(3):
        spread = cell[:, axis]
        for shift, mask in _SPREAD:
            spread = (spread | (spread << np.uint64(shift))) & np.uint64(mask)
        key |= spread << np.uint64(axis)
    return key
