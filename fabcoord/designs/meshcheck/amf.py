"""Reads AMF, plain or zipped: units, volumes of an object, constellations.

Written after ISO/ASTM 52915:2020. Curved triangles are taken as flat, colours and materials are
left out.
"""

from __future__ import annotations

import zipfile
from math import cos, radians, sin
from pathlib import Path
from typing import IO

import numpy as np

from fabcoord.designs.archives import check_amf
from fabcoord.designs.meshcheck.scene import AGAIN, Key, Scene, SceneObject, Use, join
from fabcoord.designs.meshcheck.soup import MAX_TRIANGLES, Doubles, Soup, refuse_too_many
from fabcoord.designs.meshcheck.xml import pairs, parse_xml
from fabcoord.errors import UnreadableFile

_MM_PER_UNIT = {
    "millimeter": 1.0,
    "inch": 25.4,
    "feet": 304.8,
    "foot": 304.8,
    "meter": 1000.0,
    "micron": 0.001,
    "micrometer": 0.001,
}
_LONGEST_NUMBER = 64
_PLACES = ("deltax", "deltay", "deltaz", "rx", "ry", "rz")


def read_amf(path: Path) -> Soup:
    """All that is to be built of an AMF, placed, in mm. Raises UnreadableFile."""
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    if not zipped:
        with path.open("rb") as file:
            return _Reader().soup(file)
    check_amf(path)
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (one for one in archive.namelist() if one.lower().endswith(".amf"))
            with archive.open(name) as file:
                return _Reader().soup(file)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError) as error:
        raise UnreadableFile(
            "The AMF is a damaged archive.", hint="Export or download it again."
        ) from error


class _Reader:
    """Collects objects and constellations while the file is parsed."""

    def __init__(self) -> None:
        self._mm_per_unit = 1.0
        self._objects: dict[Key, SceneObject] = {}
        self._used: set[Key] = set()
        self._object: SceneObject | None = None
        self._instance: dict[str, str] = {}
        self._values: dict[str, float] = {}
        self._number: str | None = None  # the text of the element that is open, if it matters
        self._first_point = 0  # of the present mesh: indices count from there

    def soup(self, file: IO[bytes]) -> Soup:
        parse_xml(file, "AMF", self._start, text=self._text, end=self._end)
        roots = [Use(key, np.eye(4)[:, :3]) for key in self._objects if key not in self._used]
        if self._objects and not roots:
            raise UnreadableFile("An object of the AMF contains itself.", hint=AGAIN)
        return join(Scene("AMF", self._find, self._mm_per_unit).soups(roots))

    def _find(self, key: Key) -> SceneObject:
        if key not in self._objects:
            raise UnreadableFile(
                f"The AMF refers to an object {key[1][:20]!r} that is not in it.", hint=AGAIN
            )
        return self._objects[key]

    def _start(self, name: str, given: list[str]) -> None:
        attributes = pairs(given)
        if name in ("object", "constellation"):
            key = ("", attributes.get("id", ""))
            if key in self._objects:
                raise UnreadableFile("Two objects of the AMF have the same id.", hint=AGAIN)
            self._object = self._objects[key] = SceneObject()
        elif name == "instance":
            self._instance, self._values = attributes, {}
        elif name in ("coordinates", "triangle"):
            self._values = {}
        elif name == "mesh" and self._object is not None:
            self._first_point = len(self._object.numbers) // 3
        elif name in ("x", "y", "z", "v1", "v2", "v3", *_PLACES):
            self._number = ""
        elif name == "amf":
            unit = attributes.get("unit", "millimeter").lower()
            if unit not in _MM_PER_UNIT:
                raise UnreadableFile(f"The AMF's unit {unit[:20]!r} is unknown.", hint=AGAIN)
            self._mm_per_unit = _MM_PER_UNIT[unit]

    def _text(self, text: str) -> None:
        if self._number is not None:
            self._number = (self._number + text)[: _LONGEST_NUMBER + 1]

    def _end(self, name: str) -> None:
        if self._number is not None:
            try:
                self._values[name] = float(self._number[:_LONGEST_NUMBER])
            except ValueError:
                self._values[name] = float("nan")  # to be judged as such
            self._number = None
        elif self._object is None:
            return
        elif name == "coordinates":
            self._object.numbers.extend(self._values.get(axis, float("nan")) for axis in "xyz")
        elif name == "triangle":
            self._add_triangle(self._object)
        elif name == "instance":
            self._add_instance(self._object)

    def _add_triangle(self, to: SceneObject) -> None:
        for corner in ("v1", "v2", "v3"):
            number = self._values.get(corner, -1.0)
            if not 0 <= number < 2**31:
                raise UnreadableFile(
                    "A triangle of the AMF uses a point that is not in it.", hint=AGAIN
                )
            to.indices.append(self._first_point + int(number))
        if len(to.indices) > 3 * MAX_TRIANGLES:
            refuse_too_many(MAX_TRIANGLES + 1)

    def _add_instance(self, to: SceneObject) -> None:
        key = ("", self._instance.get("objectid", ""))
        self._used.add(key)
        to.components.append(Use(key, _matrix(self._values)))


def _matrix(values: dict[str, float]) -> Doubles:
    """Rotated about x, then y, then z, in degrees; then moved."""
    matrix = np.zeros((4, 3))
    turn = np.eye(3)
    for axis, name in enumerate(("rx", "ry", "rz")):
        angle = values.get(name, 0.0)
        if not np.isfinite(angle):
            raise UnreadableFile("An angle of the AMF is not a number.", hint=AGAIN)
        one, other = (axis + 1) % 3, (axis + 2) % 3
        about = np.eye(3)
        about[one, one] = about[other, other] = cos(radians(angle))
        about[one, other], about[other, one] = sin(radians(angle)), -sin(radians(angle))
        turn = turn @ about
    matrix[:3] = turn
    matrix[3] = [values.get(name, 0.0) for name in ("deltax", "deltay", "deltaz")]
    return matrix
