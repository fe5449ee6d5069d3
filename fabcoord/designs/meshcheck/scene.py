"""Objects made of meshes and of other objects, as 3MF and AMF have them: counted, then expanded."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from fabcoord.designs.meshcheck.soup import (
    Doubles,
    Floats,
    Indices,
    Soup,
    from_indexed,
    refuse_too_many,
)
from fabcoord.errors import UnreadableFile

MAX_INSTANCES = 10_000
MAX_DEPTH = 64
AGAIN = "Export the model again, as 3MF or as STL."

Key = tuple[str, str]  # the part of the archive in lower case, and an object's id in it


@dataclass(slots=True)
class Use:
    """One placement of an object: an item to build or a component of another object."""

    key: Key
    matrix: Doubles  # (4, 3): row vectors (x, y, z, 1) are multiplied from the left


@dataclass(slots=True)
class SceneObject:
    """Points and triangles as they were read, and the objects it is made of."""

    numbers: array[float] = field(default_factory=lambda: array("d"))
    indices: array[int] = field(default_factory=lambda: array("q"))
    components: list[Use] = field(default_factory=list)


class Scene:
    """Expands uses of objects into triangles; nothing is expanded before it was counted.

    Args:
        label: the format's name, for messages.
        find: gives the object of a key; raises UnreadableFile when there is none.
        mm_per_unit: the file's unit.
    """

    def __init__(self, label: str, find: Callable[[Key], SceneObject], mm_per_unit: float) -> None:
        self._label = label
        self._find = find
        self._mm_per_unit = mm_per_unit
        self._totals: dict[Key, tuple[int, int]] = {}

    def soups(self, uses: Sequence[Use]) -> list[Soup]:
        """The triangles of each use, placed, in mm."""
        instances = triangles = 0
        for use in uses:
            more, larger = self._count(use.key, ())
            instances, triangles = instances + more, triangles + larger
            self._refuse_too_much(instances, triangles)
        return [join(self._placed(use, np.eye(4))) for use in uses]

    def _count(self, key: Key, above: tuple[Key, ...]) -> tuple[int, int]:
        """How many instances and triangles an object expands to, without expanding it."""
        if key in above or len(above) > MAX_DEPTH:
            raise UnreadableFile(f"An object of the {self._label} contains itself.", hint=AGAIN)
        if key not in self._totals:
            found = self._find(key)
            # A bomb may have few triangles and many points; a plain soup has three of them each.
            instances, triangles = 1, max(len(found.indices) // 3, len(found.numbers) // 9)
            for component in found.components:
                more, larger = self._count(component.key, (*above, key))
                instances, triangles = instances + more, triangles + larger
                self._refuse_too_much(instances, triangles)
            self._totals[key] = instances, triangles
        return self._totals[key]

    def _refuse_too_much(self, instances: int, triangles: int) -> None:
        if instances > MAX_INSTANCES:
            raise UnreadableFile(
                f"The {self._label} places more than {MAX_INSTANCES:,} objects.",
                hint="Export a single copy and ask for more copies when you print.",
            )
        refuse_too_many(triangles)

    def _placed(self, use: Use, outer: Doubles) -> list[Soup]:
        inner = np.zeros((4, 4))
        inner[:, :3], inner[3, 3] = use.matrix, 1.0
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = inner @ outer
        found = self._find(use.key)
        pieces = []
        if found.indices:
            vertices = np.array(found.numbers, np.float64).reshape(-1, 3)
            with np.errstate(over="ignore", invalid="ignore"):
                placed = (vertices @ matrix[:3, :3] + matrix[3, :3]) * self._mm_per_unit
                mirrored = np.linalg.det(matrix[:3, :3]) < 0
            faces: Indices = np.array(found.indices, np.int64).reshape(-1, 3)
            pieces.append(from_indexed(placed, faces[:, ::-1] if mirrored else faces))
        for component in found.components:
            pieces += self._placed(component, matrix)
        return pieces


def join(pieces: Sequence[Soup]) -> Soup:
    """All triangles of several soups whose unit is known, in their order."""
    none: Floats = np.zeros((0, 3, 3), np.float32)
    return Soup(
        np.concatenate([none, *(piece.triangles for piece in pieces)]),
        non_finite=sum(piece.non_finite for piece in pieces),
        out_of_range=sum(piece.out_of_range for piece in pieces),
        has_unit=True,
    )
