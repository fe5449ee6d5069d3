"""Reads 3MF: units, components, the production extension; every limit checked before expansion.

Written after the 3MF Core Specification 1.3 and the Production Extension 1.1. A DOCTYPE is refused
(core 2.3), so no entity is ever expanded; files outside the archive are never opened.
"""

from __future__ import annotations

import posixpath
import zipfile
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from xml.parsers import expat

import numpy as np

from fabcoord.designs.archives import check_3mf
from fabcoord.designs.meshcheck.report import Finding, Severity
from fabcoord.designs.meshcheck.soup import (
    MAX_TRIANGLES,
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

_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"
_MATERIAL = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
_START_PART = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
_UNDERSTOOD = {_CORE, _PRODUCTION, _MATERIAL}
_MM_PER_UNIT = {
    "micron": 0.001,
    "millimeter": 1.0,
    "centimeter": 10.0,
    "inch": 25.4,
    "foot": 304.8,
    "meter": 1000.0,
}
_PROJECT_SETTINGS = ("metadata/model_settings.config", "metadata/slic3r_pe_model.config")
_PROJECT_HELPERS = (b"modifier", b"negative", b"support_blocker", b"supportblocker")
_AGAIN = "Export the model again, as 3MF or as STL."

_Key = tuple[str, str]  # a part's name in lower case and an object's id in it


@dataclass(slots=True)
class _Use:
    """One placement of an object: an item of the build or a component of another object."""

    key: _Key
    matrix: Doubles  # (4, 3): row vectors (x, y, z, 1) are multiplied from the left


@dataclass(slots=True)
class _Object:
    numbers: array[float] = field(default_factory=lambda: array("d"))
    indices: array[int] = field(default_factory=lambda: array("q"))
    components: list[_Use] = field(default_factory=list)


@dataclass(slots=True)
class _Part:
    """One .model file."""

    mm_per_unit: float = 1.0
    has_build: bool = False
    objects: dict[str, _Object] = field(default_factory=dict)
    items: list[_Use] = field(default_factory=list)


def read_3mf(path: Path) -> Soup:
    """All build items of a 3MF, placed as in the file, in mm.

    Raises UnreadableFile for anything that the specification forbids and a print depends on.
    """
    check_3mf(path)
    with zipfile.ZipFile(path) as archive:
        try:
            return _Reader(archive).soup()
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise UnreadableFile(
                "The 3MF is a damaged archive.", hint="Export or download it again."
            ) from error


class _Reader:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = {name.lower(): name for name in archive.namelist()}
        self._parts: dict[str, _Part] = {}
        self._totals: dict[_Key, tuple[int, int]] = {}
        self._placed: dict[_Key, Soup] = {}

    def soup(self) -> Soup:
        root = self._part(self._start_part())
        if not root.has_build:
            raise UnreadableFile("The 3MF does not say what of it is to be built.", hint=_AGAIN)
        instances = triangles = 0
        for item in root.items:
            more, larger = self._count(item.key, ())
            instances, triangles = instances + more, triangles + larger
            self._refuse_too_much(instances, triangles)
        pieces: list[Floats] = [np.zeros((0, 3, 3), np.float32)]
        bad = np.zeros(2, np.int64)
        for item in root.items:
            bad += self._place(item, np.eye(4), root.mm_per_unit, pieces)
        findings = self._project_findings()
        return Soup(
            np.concatenate(pieces),
            non_finite=int(bad[0]),
            out_of_range=int(bad[1]),
            has_unit=True,
            findings=findings,
        )

    def _start_part(self) -> str:
        """The name of the model part that the package's relationships point to (core 2.1.1)."""
        targets: list[str] = []

        def start(name: str, attributes: dict[str, str]) -> None:
            if name.endswith("Relationship") and attributes.get("Type") == _START_PART:
                targets.append(attributes.get("Target", ""))

        with self._open("_rels/.rels") as file:
            _parse(file, start)
        if len(targets) != 1:
            raise UnreadableFile(
                "The 3MF does not say which of its parts is the model.", hint=_AGAIN
            )
        return _part_name(targets[0])

    def _part(self, name: str) -> _Part:
        if name not in self._parts:
            with self._open(name) as file:
                self._parts[name] = _PartParser(name).parse(file)
        return self._parts[name]

    def _open(self, name: str) -> IO[bytes]:
        if name not in self._names:
            raise UnreadableFile(
                f"The 3MF refers to {name[:100]!r}, which is not in it.", hint=_AGAIN
            )
        return self._archive.open(self._names[name])

    def _object(self, key: _Key) -> _Object:
        name, identity = key
        found = self._part(name).objects.get(identity)
        if found is None:
            raise UnreadableFile(
                f"The 3MF refers to an object {identity[:20]!r} that is not in it.", hint=_AGAIN
            )
        return found

    def _count(self, key: _Key, above: tuple[_Key, ...]) -> tuple[int, int]:
        """How many instances and triangles an object expands to, without expanding it."""
        if key in above or len(above) > MAX_DEPTH:
            raise UnreadableFile("An object of the 3MF contains itself.", hint=_AGAIN)
        if key not in self._totals:
            found = self._object(key)
            # A bomb may have few triangles and many points; a plain soup has three of them each.
            instances, triangles = 1, max(len(found.indices) // 3, len(found.numbers) // 9)
            for component in found.components:
                more, larger = self._count(component.key, (*above, key))
                instances, triangles = instances + more, triangles + larger
                self._refuse_too_much(instances, triangles)
            self._totals[key] = instances, triangles
        return self._totals[key]

    @staticmethod
    def _refuse_too_much(instances: int, triangles: int) -> None:
        if instances > MAX_INSTANCES:
            raise UnreadableFile(
                f"The 3MF places more than {MAX_INSTANCES:,} objects.",
                hint="Export a single copy and ask for more copies when you print.",
            )
        refuse_too_many(triangles)

    def _place(self, use: _Use, outer: Doubles, scale: float, pieces: list[Floats]) -> Indices:
        """Append the placed triangles of one use; its vertices not finite and out of range."""
        inner = np.zeros((4, 4))
        inner[:, :3], inner[3, 3] = use.matrix, 1.0
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = inner @ outer
        found = self._object(use.key)
        bad = np.zeros(2, np.int64)
        if found.indices:
            vertices = np.array(found.numbers, np.float64).reshape(-1, 3)
            with np.errstate(over="ignore", invalid="ignore"):
                placed = (vertices @ matrix[:3, :3] + matrix[3, :3]) * scale
                mirrored = np.linalg.det(matrix[:3, :3]) < 0
            faces = np.array(found.indices, np.int64).reshape(-1, 3)
            soup = from_indexed(placed, faces[:, ::-1] if mirrored else faces)
            pieces.append(soup.triangles)
            bad += (soup.non_finite, soup.out_of_range)
        for component in found.components:
            bad += self._place(component, matrix, scale, pieces)
        return bad

    def _project_findings(self) -> tuple[Finding, ...]:
        for name in _PROJECT_SETTINGS:
            if name in self._names:
                settings = self._archive.read(self._names[name]).lower()
                if any(word in settings for word in _PROJECT_HELPERS):
                    return (_HELPERS_FINDING,)
        return ()


_HELPERS_FINDING = Finding(
    "project_helpers",
    Severity.WARNING,
    "This 3MF is a slicer's project with modifiers, negative volumes or support blockers, which "
    "would be printed as solid parts. Export the plain model instead, unless that is meant.",
)


class _PartParser:
    """Collects objects and build items from one .model part."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._part = _Part()
        self._object: _Object | None = None
        self._prefixes: dict[str, str] = {}

    def parse(self, file: IO[bytes]) -> _Part:
        _parse(file, self._start, self._namespace)
        return self._part

    def _namespace(self, prefix: str, uri: str) -> None:
        self._prefixes[prefix or ""] = uri

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, tag = name.rpartition(" ")
        if space != _CORE:
            return
        try:
            if tag == "vertex" and self._object is not None:
                self._object.numbers.extend(float(attributes[axis]) for axis in "xyz")
            elif tag == "triangle" and self._object is not None:
                self._object.indices.extend(int(attributes[v]) for v in ("v1", "v2", "v3"))
                if len(self._object.indices) > 3 * MAX_TRIANGLES:
                    refuse_too_many(MAX_TRIANGLES + 1)
            elif tag == "component" and self._object is not None:
                self._object.components.append(self._use(attributes))
            elif tag == "item":
                if attributes.get("printable", "1") != "0":
                    self._part.items.append(self._use(attributes))
            elif tag == "object":
                if attributes["id"] in self._part.objects:
                    raise ValueError("two objects with one id")
                self._object = self._part.objects[attributes["id"]] = _Object()
            elif tag == "build":
                self._part.has_build = True
            elif tag == "model":
                self._model(attributes)
        except (KeyError, ValueError, OverflowError) as error:
            raise UnreadableFile(
                f"The 3MF has a <{tag}> with a missing or wrong number.", hint=_AGAIN
            ) from error

    def _model(self, attributes: dict[str, str]) -> None:
        unit = attributes.get("unit", "millimeter")
        if unit not in _MM_PER_UNIT:
            raise UnreadableFile(f"The 3MF's unit {unit[:20]!r} is unknown.", hint=_AGAIN)
        self._part.mm_per_unit = _MM_PER_UNIT[unit]
        for prefix in attributes.get("requiredextensions", "").split():
            if self._prefixes.get(prefix) not in _UNDERSTOOD:
                raise UnreadableFile(
                    "The 3MF can only be read with an extension that is not supported here "
                    f"({self._prefixes.get(prefix, prefix)[:100]}).",
                    hint="Export it as a plain 3MF or as STL.",
                )

    def _use(self, attributes: dict[str, str]) -> _Use:
        path = attributes.get(f"{_PRODUCTION} path")
        name = self._name if path is None else _part_name(path)
        numbers = [float(word) for word in attributes.get("transform", "").split()]
        matrix = np.array(numbers).reshape(4, 3) if numbers else np.eye(4)[:, :3]
        return _Use((name, attributes["objectid"]), matrix)


def _part_name(target: str) -> str:
    """A part's path as the archive's directory has it, in lower case (part names ignore case)."""
    return posixpath.normpath("/" + target).lstrip("/").lower()


def _parse(
    file: IO[bytes],
    start: Callable[[str, dict[str, str]], None],
    namespace: Callable[[str, str], None] | None = None,
) -> None:
    """Feed XML to a handler; raises UnreadableFile for bad XML and for any DOCTYPE."""

    def refuse_doctype(*_: object) -> None:
        raise UnreadableFile(
            "The 3MF holds a document type definition, which the format forbids.", hint=_AGAIN
        )

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.StartNamespaceDeclHandler = namespace
    parser.StartDoctypeDeclHandler = refuse_doctype
    try:
        parser.ParseFile(file)
    except expat.ExpatError as error:
        raise UnreadableFile(
            f"The 3MF holds XML that cannot be read: {error}.", hint="Export or download it again."
        ) from error
