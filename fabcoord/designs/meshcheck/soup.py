"""The triangle soup that every reader ends in, so that all formats are judged by one rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fabcoord.designs.meshcheck.report import Finding, Plate
from fabcoord.errors import UnreadableFile

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MAX_TRIANGLES = 5_000_000
FARTHEST_MM = 1e7  # ten kilometres from the origin: no unit makes a printable thing of it
_AT_ONCE = 1 << 17


@dataclass(frozen=True, slots=True)
class Soup:
    """The triangles of a file, in mm, before anything was merged, dropped or judged.

    ``triangles`` has shape (n, 3, 3), float32: what an STL can hold, and so what is sliced.
    """

    triangles: Floats
    non_finite: int = 0  # vertices with a coordinate that is no number, used by a face or not
    out_of_range: int = 0  # vertices farther out than FARTHEST_MM
    has_unit: bool = False  # False where a number could mean mm, inch or m
    cut_off: bool = False  # the file may have lost its end: fatal unless the mesh is closed
    findings: tuple[Finding, ...] = ()  # what the reader itself noticed
    plates: tuple[Plate, ...] = ()  # of a slicer's project, when there are any


def from_corners(triangles: Floats, *, cut_off: bool = False) -> Soup:
    """A soup of triangles of shape (n, 3, 3)."""
    refuse_too_many(len(triangles))
    return Soup(triangles, *count_bad(triangles.reshape(-1, 3)), cut_off=cut_off)


def from_indexed(
    vertices: Doubles,
    faces: Indices,
    *,
    cut_off: bool = False,
    has_unit: bool = False,
) -> Soup:
    """A soup of indexed faces: (m, 3) vertices in mm, (n, 3) indices from 0.

    Raises UnreadableFile for an index that names no vertex: wrapping or dropping it, as some
    libraries do, would print something else than was drawn.
    """
    refuse_too_many(len(faces))
    if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
        bad = int(((faces < 0) | (faces >= len(vertices))).any(axis=1).sum())
        raise UnreadableFile(
            f"Some faces ({bad} of {len(faces)}) use a point that is not in the file, which has "
            f"{len(vertices)} points.",
            hint="Export the model again from the program that made it.",
        )
    bad_points = count_bad(vertices)
    with np.errstate(over="ignore"):
        single = vertices.astype(np.float32)
    return Soup(single[faces], *bad_points, has_unit=has_unit, cut_off=cut_off)


def count_bad(points: Floats | Doubles) -> tuple[int, int]:
    """How many of (k, 3) points are not finite, and how many are finite but out of range."""
    non_finite = out_of_range = 0
    for start in range(0, len(points), _AT_ONCE):
        some = np.abs(points[start : start + _AT_ONCE])
        if some.max() <= FARTHEST_MM:  # False for NaN
            continue
        finite = np.isfinite(some).all(axis=1)
        non_finite += int(np.count_nonzero(~finite))
        out_of_range += int(np.count_nonzero((some[finite] > FARTHEST_MM).any(axis=1)))
    return non_finite, out_of_range


def refuse_too_many(triangles: int) -> None:
    """Raise UnreadableFile for more triangles than the check takes."""
    if triangles > MAX_TRIANGLES:
        raise UnreadableFile(
            f"The model has {triangles:,} triangles; at most {MAX_TRIANGLES:,} can be checked.",
            hint="Export it with a coarser resolution: no printer shows the difference.",
        )
