"""Machine models: what a kind of printer can do and how to slice for it, one TOML file each."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeGuard, cast

from fabcoord.errors import BadInput, NotFound
from fabcoord.printers.data import data_dir

USER_DIRECTORY_VARIABLE = "FABCOORD_MACHINES_DIR"

Vector = tuple[float, float, float]
Range = tuple[float, float]


class Clearance(StrEnum):
    """How the plate becomes empty after a print."""

    PERSON = "person"  # somebody takes the part off and says so
    EJECTS = "ejects"  # the machine does it by itself (a belt, an ejector)


class Quality(StrEnum):
    """How fine the layers are; each machine model says which print preset that is."""

    DRAFT = "draft"
    NORMAL = "normal"
    FINE = "fine"


@dataclass(frozen=True, slots=True)
class NozzlePresets:
    """The slicer presets of one machine model with one nozzle, by name in its vendor bundle."""

    printer: str
    quality: Mapping[str, str]  # Quality -> name of a [print:…] section
    material: Mapping[str, str]  # "PLA" -> name of a [filament:…] section


@dataclass(frozen=True, slots=True)
class MachineModel:
    """One kind of printer. docs/reference/machines.md describes every field.

    Lengths are millimetres in the machine's own coordinates. ``travel_mm`` is where the nozzle
    may go (purge lines lie outside the build volume on many machines), and is never smaller than
    the build volume.
    """

    id: str
    name: str
    firmware: str  # id of a firmware profile
    build_volume_mm: Vector
    origin_mm: tuple[float, float]  # X and Y of the front left corner of the build volume
    travel_mm: tuple[Range, Range, Range]
    nozzle_mm: float
    max_hotend_c: float
    max_bed_c: float
    max_chamber_c: float
    enclosed: bool  # has a closed chamber
    power_w: float  # average while printing
    power_paused_w: float  # while paused, when the bed stays hot
    cost_per_hour: float
    clearance: Clearance
    allow_commands: frozenset[str]  # let through by the gate, on this machine
    bundle: str  # vendor bundle of the slicer, or an .ini file beside the machine's own
    presets: Mapping[float, NozzlePresets]  # nozzle diameter in mm -> presets
    source: Path

    @property
    def centre_mm(self) -> tuple[float, float]:
        """The middle of the bed."""
        (x, y), (width, depth, _) = self.origin_mm, self.build_volume_mm
        return x + width / 2, y + depth / 2

    @property
    def materials(self) -> tuple[str, ...]:
        """The materials it has presets for with its standard nozzle."""
        return tuple(self.presets[self.nozzle_mm].material)

    @property
    def speaks_klipper(self) -> bool:
        """Whether its firmware takes Klipper's extended commands and long lines."""
        return self.firmware == "klipper"


def all_machines(directory: Path | None = None) -> dict[str, MachineModel]:
    """Every machine model by id: those that come with fabcoord and those that the lab added.

    Args:
        directory: where the lab keeps its own ``*.toml`` files; the variable
            ``FABCOORD_MACHINES_DIR`` unless given. A file there replaces one of the same name.

    Raises BadInput naming the file and the key when a file cannot be used.
    """
    if directory is None and (named := os.environ.get(USER_DIRECTORY_VARIABLE)):
        directory = Path(named)
    return dict(_load(data_dir() / "machines", directory))


def machine(machine_id: str, directory: Path | None = None) -> MachineModel:
    """The machine model of this id; raises NotFound listing those there are."""
    machines = all_machines(directory)
    if machine_id not in machines:
        known = ", ".join(sorted(machines))
        raise NotFound(f"There is no machine model {machine_id!r}.", hint=f"There are: {known}.")
    return machines[machine_id]


def read_machine(path: Path) -> MachineModel:
    """One machine model from its file; raises BadInput naming the file and the key."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not a TOML file: {error}.") from error
    return _machine(path, _Reader(path, table))


@lru_cache(maxsize=8)
def _load(*directories: Path | None) -> Mapping[str, MachineModel]:
    paths: dict[str, Path] = {}
    for directory in directories:
        if directory is not None:
            paths |= {path.stem: path for path in sorted(directory.glob("*.toml"))}
    return MappingProxyType({stem: read_machine(path) for stem, path in sorted(paths.items())})


def _machine(path: Path, read: _Reader) -> MachineModel:
    volume = cast("Vector", read.numbers("build_volume_mm", 3, above=0))
    origin = cast("tuple[float, float]", read.numbers("origin_mm", 2, default=(0.0, 0.0)))
    nozzle = read.number("nozzle_mm", above=0)
    model = MachineModel(
        id=path.stem,
        name=read.text("name"),
        firmware=read.text("firmware"),
        build_volume_mm=volume,
        origin_mm=origin,
        travel_mm=_travel(read, volume, origin),
        nozzle_mm=nozzle,
        max_hotend_c=read.number("max_hotend_c", above=0),
        max_bed_c=read.number("max_bed_c"),
        max_chamber_c=read.number("max_chamber_c", default=0.0),
        enclosed=read.flag("enclosed"),
        power_w=read.number("power_w"),
        power_paused_w=read.number("power_paused_w", default=read.number("power_w")),
        cost_per_hour=read.number("cost_per_hour", default=0.0),
        clearance=read.choice("clearance", Clearance, default=Clearance.PERSON),
        allow_commands=frozenset(read.texts("allow_commands")),
        bundle=read.text("bundle"),
        presets=_presets(read, nozzle),
        source=path,
    )
    read.refuse_unknown()
    return model


def _travel(
    read: _Reader, volume: Vector, origin: tuple[float, float]
) -> tuple[Range, Range, Range]:
    given = read.table("travel_mm")
    ranges: list[Range] = []
    for axis, start, length in zip("xyz", (*origin, 0.0), volume, strict=True):
        bed = (start, start + length)
        low, high = given.numbers(axis, 2, default=bed)
        if low > bed[0] or high < bed[1]:
            raise given.wrong(axis, f"must hold the build volume, {bed[0]:g} to {bed[1]:g}")
        ranges.append((low, high))
    given.refuse_unknown()
    return ranges[0], ranges[1], ranges[2]


def _presets(read: _Reader, nozzle: float) -> Mapping[float, NozzlePresets]:
    presets: dict[float, NozzlePresets] = {}
    tables = read.table("presets")
    for key in tables.names_in():
        try:
            diameter = float(key)
        except ValueError:
            raise tables.wrong(key, "must be a nozzle diameter, for example 0.4") from None
        one = tables.table(key)
        presets[diameter] = NozzlePresets(
            printer=one.text("printer"),
            quality=one.names("quality", allowed=tuple(Quality)),
            material=one.names("material"),
        )
        one.refuse_unknown()
    if nozzle not in presets:
        raise tables.wrong(f"{nozzle:g}", "is missing: nozzle_mm needs presets")
    return MappingProxyType(presets)


class _Reader:
    """Takes values out of one TOML table, with errors that name the file and the key."""

    def __init__(self, path: Path, table: dict[str, Any], prefix: str = "") -> None:
        self._path, self._table, self._prefix = path, table, prefix
        self._asked: set[str] = set()

    def wrong(self, key: str, text: str) -> BadInput:
        return BadInput(
            f"{self._path}: {self._prefix}{key} {text}.",
            hint="docs/reference/machines.md lists every key.",
        )

    def names_in(self) -> tuple[str, ...]:
        return tuple(self._table)

    def text(self, key: str) -> str:
        value = self._get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, "must be text")
        return value

    def texts(self, key: str) -> list[str]:
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.wrong(key, "must be a list of texts")
        return value

    def flag(self, key: str) -> bool:
        value = self._get(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def number(self, key: str, *, default: float | None = None, above: float = -1e-9) -> float:
        value = self._get(key, default)
        if not _is_number(value) or not above < value < 1e6:
            least = "above 0" if above == 0 else "0 or more"
            raise self.wrong(key, f"must be a number, {least}")
        return float(value)

    def numbers(
        self,
        key: str,
        count: int,
        *,
        default: tuple[float, ...] | None = None,
        above: float = -1e6,
    ) -> tuple[float, ...]:
        value = self._get(key, default)
        if not isinstance(value, list | tuple) or len(value) != count:
            raise self.wrong(key, f"must be a list of {count} numbers")
        if not all(_is_number(one) and above < one < 1e6 for one in value):
            raise self.wrong(key, f"must hold {count} numbers{', above 0' * (above == 0)}")
        return tuple(float(one) for one in value)

    def choice(self, key: str, kind: type[Clearance], *, default: Clearance) -> Clearance:
        value = self._get(key, default.value)
        if value not in {one.value for one in kind}:
            raise self.wrong(key, f"must be one of {', '.join(kind)}")
        return kind(value)

    def table(self, key: str) -> _Reader:
        value = self._get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "must be a table")
        return _Reader(self._path, value, f"{self._prefix}{key}.")

    def names(self, key: str, allowed: tuple[str, ...] = ()) -> Mapping[str, str]:
        table = self.table(key)
        for name in table.names_in():
            if allowed and name not in allowed:
                raise table.wrong(name, f"is not one of {', '.join(allowed)}")
        if not table.names_in():
            raise self.wrong(key, "must name at least one preset")
        return MappingProxyType({name: table.text(name) for name in table.names_in()})

    def refuse_unknown(self) -> None:
        for key in self._table:
            if key not in self._asked:
                raise self.wrong(key, "is not a key of a machine file")

    def _get(self, key: str, default: Any = None) -> Any:
        self._asked.add(key)
        value = self._table.get(key, default)
        if value is None:
            raise self.wrong(key, "is missing")
        return value


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
