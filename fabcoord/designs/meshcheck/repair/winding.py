"""Turns the faces of a surface so that neighbours agree on which side is out."""

from __future__ import annotations

import numpy as np

from fabcoord.designs.meshcheck.pieces import components
from fabcoord.designs.meshcheck.soup import Indices


def neighbours(faces: Indices) -> tuple[Indices, Indices, Indices]:
    """Pairs of faces that meet at an edge where no third does, and whether they agree (1 or 0)."""
    start = faces.ravel().astype(np.int64)
    end = faces[:, [1, 2, 0]].ravel().astype(np.int64)
    low, high = np.minimum(start, end), np.maximum(start, end)
    order = np.lexsort((high, low))
    low, high, forward = low[order], high[order], (start < end)[order]
    first = np.ones(len(low), bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    begins = np.flatnonzero(first)
    two = begins[np.diff(begins, append=len(low)) == 2]
    agree = (forward[two] != forward[two + 1]).astype(np.int64)
    return order[two] // 3, order[two + 1] // 3, agree


def wound_alike(faces: Indices) -> tuple[Indices, int]:
    """The faces with as few as possible turned so that neighbours agree; how many were turned.

    Each face is there twice, as it is and turned. What agrees is linked, and of the two halves of
    a piece the one is taken in which more faces are as they were. A surface with one side only
    (a Möbius strip) stays as it is.
    """
    count = len(faces)
    one, other, agree = neighbours(faces)
    turned = np.where(agree == 1, 0, count)
    label = components(
        np.concatenate([one, one + count]),
        np.concatenate([other + turned, other + count - turned]),
        2 * count,
    )
    as_is, over = label[:count], label[count:]
    support = np.bincount(as_is, minlength=int(label.max()) + 1 if count else 1)
    turn = (support[over] > support[as_is]) | ((support[over] == support[as_is]) & (over < as_is))
    result = faces.copy()
    result[turn] = faces[turn][:, ::-1]
    return result, int(turn.sum())
