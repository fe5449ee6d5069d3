"""Where a finding is: points, segments and triangles, few enough to draw and to send."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fabcoord.designs.meshcheck.report import MAX_MARKS, Mark

_DECIMALS = 4  # of a mm: finer than any printer, and half the text


def marks_at(places: npt.ArrayLike) -> tuple[Mark, ...]:
    """Marks from points (n, 3), segments (n, 2, 3) or triangles (n, 3, 3) in mm.

    Of more than MAX_MARKS, that many are taken, evenly over the whole list.
    """
    numbers = np.asarray(places, np.float64)
    flat = numbers.reshape(len(numbers), int(np.prod(numbers.shape[1:])))
    if len(flat) and flat.shape[1] not in (3, 6, 9):
        raise ValueError(f"a mark has 3, 6 or 9 numbers, not {flat.shape[1]}")
    if len(flat) > MAX_MARKS:
        flat = flat[np.linspace(0, len(flat) - 1, MAX_MARKS).astype(np.int64)]
    return tuple(tuple(row) for row in np.round(flat, _DECIMALS).tolist())
