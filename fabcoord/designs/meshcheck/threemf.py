"""Reads 3MF: units, components, the production extension; every limit checked before expansion.

Written after the 3MF Core Specification 1.3 and the Production Extension 1.1. A DOCTYPE is refused
(core 2.3), so no entity is ever expanded; files outside the archive are never opened.
"""

from __future__ import annotations

import contextlib
import posixpath
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import numpy as np

from fabcoord.designs.archives import check_3mf
from fabcoord.designs.meshcheck.plates import Item, numbered, plates_of, read_plates
from fabcoord.designs.meshcheck.report import Finding, Severity
from fabcoord.designs.meshcheck.scene import AGAIN, Key, Scene, SceneObject, Use, join
from fabcoord.designs.meshcheck.soup import Soup
from fabcoord.designs.meshcheck.xml import Budget, pairs, parse_xml
from fabcoord.errors import UnreadableFile

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
_VERTEX, _TRIANGLE = f"{_CORE} vertex", f"{_CORE} triangle"
_BULK = {_VERTEX, _TRIANGLE}
_XYZ, _CORNERS = ["x", "y", "z"], ["v1", "v2", "v3"]
_PROJECT_SETTINGS = ("metadata/model_settings.config", "metadata/slic3r_pe_model.config")
_PROJECT_HELPERS = (b"modifier", b"negative", b"support_blocker", b"supportblocker")
_LARGEST_SETTINGS_BYTES = 20_000_000


@dataclass(slots=True)
class _Part:
    """One .model file."""

    mm_per_unit: float = 1.0
    has_build: bool = False
    objects: dict[str, SceneObject] = field(default_factory=dict)
    items: list[Use] = field(default_factory=list)


def read_3mf(path: Path, plate: int | None = None) -> Soup:
    """All build items of a 3MF, or those of one plate, placed as in the file, in mm.

    Raises UnreadableFile for anything that the specification forbids and a print depends on.
    """
    check_3mf(path)
    with zipfile.ZipFile(path) as archive:
        try:
            return _Reader(archive).soup(plate)
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise UnreadableFile(
                "The 3MF is a damaged archive.", hint="Export or download it again."
            ) from error


class _Reader:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = {name.lower(): name for name in archive.namelist()}
        self._parts: dict[str, _Part] = {}
        self._budget = Budget()

    def soup(self, plate: int | None) -> Soup:
        root = self._part(self._start_part())
        if not root.has_build:
            raise UnreadableFile("The 3MF does not say what of it is to be built.", hint=AGAIN)
        helpers, plated = self._settings()
        items = [(use, plated.get(name)) for use, name in numbered(root.items)]
        if plate is not None:
            items = [(use, number) for use, number in items if number == plate]
            if not items:
                raise UnreadableFile(f"The project has no plate {plate}.")
        soups = Scene("3MF", self._object, root.mm_per_unit).soups([use for use, _ in items])
        plates = plates_of([(soup, number) for soup, (_, number) in zip(soups, items, strict=True)])
        findings = [_HELPERS_FINDING] if helpers else []
        if len(plates) > 1:
            findings.append(_plates_finding(len(plates)))
        return replace(join(soups), findings=tuple(findings), plates=plates)

    def _start_part(self) -> str:
        """The name of the model part that the package's relationships point to (core 2.1.1)."""
        targets: list[str] = []

        def start(name: str, given: list[str]) -> None:
            attributes = pairs(given)
            if name.endswith("Relationship") and attributes.get("Type") == _START_PART:
                targets.append(attributes.get("Target", ""))

        with self._open("_rels/.rels") as file:
            parse_xml(file, "3MF", start, budget=self._budget)
        if len(targets) != 1:
            raise UnreadableFile(
                "The 3MF does not say which of its parts is the model.", hint=AGAIN
            )
        return _part_name(targets[0])

    def _part(self, name: str) -> _Part:
        if name not in self._parts:
            with self._open(name) as file:
                self._parts[name] = _PartParser(name).parse(file, self._budget)
        return self._parts[name]

    def _open(self, name: str) -> IO[bytes]:
        if name not in self._names:
            raise UnreadableFile(
                f"The 3MF refers to {name[:100]!r}, which is not in it.", hint=AGAIN
            )
        return self._archive.open(self._names[name])

    def _object(self, key: Key) -> SceneObject:
        name, identity = key
        found = self._part(name).objects.get(identity)
        if found is None:
            raise UnreadableFile(
                f"The 3MF refers to an object {identity[:20]!r} that is not in it.", hint=AGAIN
            )
        return found

    def _settings(self) -> tuple[bool, dict[Item, int]]:
        """Whether a slicer's project has helpers, and the plate of each object's nth item."""
        helpers = False
        plated: dict[Item, int] = {}
        for name in _PROJECT_SETTINGS:
            if name not in self._names:
                continue
            with self._archive.open(self._names[name]) as file:
                settings = file.read(_LARGEST_SETTINGS_BYTES)
            helpers |= any(word in settings.lower() for word in _PROJECT_HELPERS)
            with contextlib.suppress(UnreadableFile):  # the model is whole without it
                plated |= read_plates(settings)
        return helpers, plated


_HELPERS_FINDING = Finding(
    "project_helpers",
    Severity.WARNING,
    "This 3MF is a slicer's project with modifiers, negative volumes or support blockers, which "
    "would be printed as solid parts. Export the plain model instead, unless that is meant.",
)


def _plates_finding(count: int) -> Finding:
    text = (
        f"This project has {count} plates, to be printed one after the other. As it is, all of "
        "them are printed at once, side by side: take out the plate you want first."
    )
    return Finding("several_plates", Severity.WARNING, text, count)


class _PartParser:
    """Collects objects and build items from one .model part."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._part = _Part()
        self._object: SceneObject | None = None
        self._prefixes: dict[str, str] = {}

    def parse(self, file: IO[bytes], budget: Budget) -> _Part:
        parse_xml(file, "3MF", self._start, budget=budget, namespace=self._namespace)
        return self._part

    def _namespace(self, prefix: str, uri: str) -> None:
        self._prefixes[prefix or ""] = uri

    def _start(self, name: str, given: list[str]) -> None:
        # Points and triangles are nearly all there is, in the order of the specification.
        if self._object is not None and name in _BULK:
            try:
                if given[:6:2] == _XYZ and name == _VERTEX:
                    self._object.numbers.extend((float(given[1]), float(given[3]), float(given[5])))
                    return
                if given[:6:2] == _CORNERS and name == _TRIANGLE:
                    self._object.indices.extend((int(given[1]), int(given[3]), int(given[5])))
                    return
            except (ValueError, OverflowError) as error:
                raise _wrong_number(name.rpartition(" ")[2]) from error
        space, _, tag = name.rpartition(" ")
        if space == _CORE:
            self._other(tag, pairs(given))

    def _other(self, tag: str, attributes: dict[str, str]) -> None:
        try:
            if tag == "vertex" and self._object is not None:
                self._object.numbers.extend(float(attributes[axis]) for axis in "xyz")
            elif tag == "triangle" and self._object is not None:
                self._object.indices.extend(int(attributes[v]) for v in ("v1", "v2", "v3"))
            elif tag == "component" and self._object is not None:
                self._object.components.append(self._use(attributes))
            elif tag == "item":
                if attributes.get("printable", "1") != "0":
                    self._part.items.append(self._use(attributes))
            elif tag == "object":
                if attributes["id"] in self._part.objects:
                    raise ValueError("two objects with one id")
                self._object = self._part.objects[attributes["id"]] = SceneObject()
            elif tag == "build":
                self._part.has_build = True
            elif tag == "model":
                self._model(attributes)
        except (KeyError, ValueError, OverflowError) as error:
            raise _wrong_number(tag) from error

    def _model(self, attributes: dict[str, str]) -> None:
        unit = attributes.get("unit", "millimeter")
        if unit not in _MM_PER_UNIT:
            raise UnreadableFile(f"The 3MF's unit {unit[:20]!r} is unknown.", hint=AGAIN)
        self._part.mm_per_unit = _MM_PER_UNIT[unit]
        for prefix in attributes.get("requiredextensions", "").split():
            if self._prefixes.get(prefix) not in _UNDERSTOOD:
                raise UnreadableFile(
                    "The 3MF can only be read with an extension that is not supported here "
                    f"({self._prefixes.get(prefix, prefix)[:100]}).",
                    hint="Export it as a plain 3MF or as STL.",
                )

    def _use(self, attributes: dict[str, str]) -> Use:
        path = attributes.get(f"{_PRODUCTION} path")
        name = self._name if path is None else _part_name(path)
        numbers = [float(word) for word in attributes.get("transform", "").split()]
        matrix = np.array(numbers).reshape(4, 3) if numbers else np.eye(4)[:, :3]
        return Use((name, attributes["objectid"]), matrix)


def _wrong_number(tag: str) -> UnreadableFile:
    return UnreadableFile(f"The 3MF has a <{tag}> with a missing or wrong number.", hint=AGAIN)


def _part_name(target: str) -> str:
    """A part's path as the archive's directory has it, in lower case (part names ignore case)."""
    return posixpath.normpath("/" + target).lstrip("/").lower()
