"""Firmware profiles: how each dialect of firmware wants to be spoken to, read from TOML files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from fabcoord.errors import PrinterError
from fabcoord.printers.data import data_dir

DEFAULT = "marlin2"
_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class FirmwareProfile:
    """One dialect. ``firmware_profiles/marlin2.toml`` says what each key means.

    ``scripts`` are command templates by name: pause, resume, cool, park, release, end,
    sd_pause, sd_resume, sd_cancel, restart.
    """

    id: str  # the file's name without ``.toml``
    name: str
    matches: tuple[str, ...]  # lower case parts of the FIRMWARE_NAME that M115 answers
    about: str = ""
    line_bytes: int = 95
    receive_buffer_bytes: int = 128
    window: bool = False  # may several lines be on their way at once?
    max_hotend_c: float = 300.0
    max_bed_c: float = 130.0
    probe_after_s: float = 4.0
    long_timeout_s: float = 900.0
    keepalive_s: int = 2
    temperature_poll_s: float = 5.0
    long_commands: frozenset[str] = frozenset()
    resets_on_open: bool = False
    emergency_stop: str = "M112"  # said as it is, at once
    emergency_at_once: bool = False  # acts on it at once even without EMERGENCY_PARSER
    sd_lower_case: bool = False
    values: Mapping[str, float] = field(default_factory=dict)
    scripts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def longest_line_bytes(self) -> int:
        """What one line may hold, number and checksum included, to be received whole."""
        return min(self.line_bytes, self.receive_buffer_bytes - 1)

    def script(self, name: str, **facts: float | str) -> list[str]:
        """The commands of a script with ``{names}`` filled from ``facts`` and the values.

        Only names are replaced, nothing is evaluated. An unknown script is empty; raises
        PrinterError for a name that is neither a fact nor a value.
        """
        known: dict[str, float | str] = {**self.values, **facts}

        def fill(match: re.Match[str]) -> str:
            value = known.get(match[1])
            if value is None:
                raise PrinterError(
                    f"The {name} script of firmware profile {self.id} uses {{{match[1]}}}, "
                    "which nobody gives a value.",
                    hint="Name it under [values] in that file.",
                )
            return value if isinstance(value, str) else f"{value:.5f}".rstrip("0").rstrip(".")

        return [_FIELD.sub(fill, line) for line in self.scripts.get(name, ())]


@cache
def load_all(directory: Path | None = None) -> dict[str, FirmwareProfile]:
    """All firmware profiles by id. Raises PrinterError naming the file that cannot be used."""
    paths = {path.stem: path for path in sorted((directory or data_dir()).glob("*.toml"))}
    found = {}
    for profile_id, path in paths.items():
        try:
            data = _read(path)
            if "base" in data:
                data = _merged(_read(paths[data.pop("base")]), data)
            found[profile_id] = _from_toml(profile_id, data)
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise PrinterError(
                f"The firmware profile {path} cannot be read: {error}.",
                hint="Compare it with marlin2.toml beside it.",
            ) from error
    return found


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """What ``own`` does not say is as in ``base``, key by key in each table."""
    return base | {
        key: base[key] | value if isinstance(value, dict) and key in base else value
        for key, value in own.items()
    }


def _from_toml(profile_id: str, data: dict[str, Any]) -> FirmwareProfile:
    tables = {name: dict(data.get(name, {})) for name in ("limits", "timing", "quirks")}
    long_commands = tables["timing"].pop("long_commands", ())
    return FirmwareProfile(
        id=profile_id,
        name=str(data["name"]),
        matches=tuple(str(part).lower() for part in data["matches"]),
        about=str(data.get("about", "")).strip(),
        long_commands=frozenset(str(code).upper() for code in long_commands),
        values={str(key): float(value) for key, value in data.get("values", {}).items()},
        scripts={
            str(key): tuple(line.strip() for line in text.splitlines() if line.strip())
            for key, text in data.get("scripts", {}).items()
        },
        **tables["limits"],
        **tables["timing"],
        **tables["quirks"],
    )


def detect(firmware_name: str) -> FirmwareProfile:
    """The profile for what M115 answered; the default where none matches."""
    profiles = load_all()
    name = firmware_name.lower()
    matching = [
        (len(part), profile.id)
        for profile in profiles.values()
        for part in profile.matches
        if part in name
    ]
    return profiles[max(matching)[1] if matching else DEFAULT]


def default() -> FirmwareProfile:
    """What is spoken until the firmware has said what it is."""
    return load_all()[DEFAULT]
