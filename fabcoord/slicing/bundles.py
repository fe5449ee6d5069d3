"""Vendor bundles: the .ini files in which PrusaSlicer ships printers, prints and filaments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from fabcoord.errors import SlicingFailed

Settings = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bundle:
    """The sections of one bundle as they stand in the file, inheritance not yet resolved.

    Section keys are kind and name, for example ``("print", "0.20mm QUALITY @MK3")``. Names in
    asterisks are abstract: others inherit from them, nobody prints with them.
    """

    path: Path
    sections: Mapping[tuple[str, str], Settings] = field(repr=False)

    def resolve(self, kind: str, name: str) -> dict[str, str]:
        """All settings of one preset, parents first, the later overriding the earlier.

        Args:
            kind: ``printer``, ``print`` or ``filament``.

        Raises SlicingFailed when the preset or a parent is missing or inherits from itself.
        """
        return self._resolve(kind, name, ())

    def _resolve(self, kind: str, name: str, heirs: tuple[str, ...]) -> dict[str, str]:
        if name in heirs:
            chain = " → ".join((*heirs, name))
            raise SlicingFailed(f"{self.path}: {kind} presets inherit in a circle: {chain}.")
        own = self.sections.get((kind, name))
        if own is None:
            wanted_by = f", which {heirs[-1]!r} inherits from" if heirs else ""
            raise SlicingFailed(
                f"{self.path.name} has no {kind} preset {name!r}{wanted_by}.",
                hint="Names change between versions of the slicer: correct the machine's file.",
            )
        settings: dict[str, str] = {}
        for parent in own.get("inherits", "").split(";"):
            if parent.strip():
                settings |= self._resolve(kind, parent.strip(), (*heirs, name))
        return {**settings, **own}


def find_bundle(name: str, directories: Iterable[Path]) -> Bundle:
    """The bundle of this name (``Creality`` or ``demo.ini``) from the first directory that has it.

    Raises SlicingFailed when no directory has it.
    """
    searched = list(directories)
    file_name = name if name.endswith(".ini") else f"{name}.ini"
    for directory in searched:
        path = directory / file_name
        if path.is_file():
            stat = path.stat()
            return _read(path, stat.st_mtime_ns, stat.st_size)
    places = ", ".join(str(one) for one in searched) or "no directory of profiles was found"
    raise SlicingFailed(
        f"The slicer's vendor bundle {file_name} was not found ({places}).",
        hint="Install prusa-slicer, or set FABCOORD_SLICER_PROFILES to its profiles directory.",
    )


def parse_bundle(text: str) -> dict[tuple[str, str], Settings]:
    """The sections of a bundle by kind and name.

    Not configparser: section names hold ``:``, values hold ``%`` and literal ``\\n``, keys are
    case-sensitive, and it is five times slower on the largest bundle.
    """
    sections: dict[tuple[str, str], Settings] = {}
    current: dict[str, str] = {}
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            kind, _, name = line[1:-1].partition(":")
            current = {}
            sections[kind.strip(), name.strip()] = current
        else:
            key, _, value = line.partition("=")
            current[key.strip()] = value.strip()
    return sections


@lru_cache(maxsize=32)
def _read(path: Path, mtime_ns: int, size: int) -> Bundle:
    try:
        return Bundle(path, parse_bundle(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise SlicingFailed(f"The vendor bundle {path} cannot be read: {error}.") from error
