"""What a G-code file has set up by a certain line, and how to go on there after a cut.

Pure but for reading the file. Nothing here is ever done by itself: a person asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fabcoord.errors import Unprocessable
from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.framing import code_of

_WORD = re.compile(r"([A-Z])\s*(-?(?:\d+\.?\d*|\.\d+))")
_MOVES = frozenset({"G0", "G1", "G2", "G3"})
# Settings that a power cut loses; the last of each kind is said again.
_SETTINGS = frozenset(
    {"M201", "M203", "M204", "M205", "M220", "M221", "M302", "M486", "M572", "M900"}
)


@dataclass(slots=True)
class Modal:
    """The state that the lines so far have left behind. Lengths mm, temperatures °C, feed mm/min.

    An axis is None until the file has said where it is.
    """

    line: int = 0  # the last one counted in
    x: float | None = None
    y: float | None = None
    z: float | None = None
    e: float = 0.0
    feed_mm_min: float = 1500.0
    relative_xyz: bool = False
    relative_e: bool = False
    hotend_c: float = 0.0
    bed_c: float = 0.0
    fan: int = 0
    tool: str = ""
    inches: bool = False
    settings: dict[str, str] = field(default_factory=dict)

    def take(self, command: str) -> None:
        """Count in one command, without its comment."""
        code = code_of(command)
        if code in _MOVES:
            self._move(_words(command), relative_xyz=self.relative_xyz, relative_e=self.relative_e)
        elif code == "G92":
            self._move(_words(command), relative_xyz=False, relative_e=False)
        elif code == "G28":
            self._home(command)
        elif code in ("G90", "G91"):
            self.relative_xyz = self.relative_e = code == "G91"
        elif code in ("M82", "M83"):
            self.relative_e = code == "M83"
        elif code in ("G20", "G21"):
            self.inches = code == "G20"
        elif code in ("M104", "M109"):
            self.hotend_c = _degrees(command, self.hotend_c)
        elif code in ("M140", "M190"):
            self.bed_c = _degrees(command, self.bed_c)
        elif code in ("M106", "M107"):
            self.fan = 0 if code == "M107" else int(_words(command).get("S", 255))
        elif code.startswith("T"):
            self.tool = code
        elif code in _SETTINGS:
            self.settings[code] = command

    def _move(self, words: dict[str, float], *, relative_xyz: bool, relative_e: bool) -> None:
        for axis in "xyz":
            value = words.get(axis.upper())
            if value is None:
                continue
            before = getattr(self, axis)
            if relative_xyz:
                setattr(self, axis, None if before is None else before + value)
            else:
                setattr(self, axis, value)
        if "E" in words:
            self.e = self.e + words["E"] if relative_e else words["E"]
        self.feed_mm_min = words.get("F", self.feed_mm_min)

    def _home(self, command: str) -> None:
        """Where the axes are then, the firmware knows; a move behind it tells."""
        named = [axis for axis in "XYZ" if axis in command.upper()[3:]]
        for axis in named or "XYZ":
            setattr(self, axis.lower(), None)

    def as_json(self) -> dict[str, Any]:
        """For the journal."""
        return {name: getattr(self, name) for name in self.__slots__}


def _words(command: str) -> dict[str, float]:
    return {letter: float(number) for letter, number in _WORD.findall(command.upper())}


def _degrees(command: str, before: float) -> float:
    words = _words(command)
    return words.get("S", words.get("R", before))


class ModalScan:
    """Follows a file to the line that the printer acknowledged last; reads each line once."""

    def __init__(self, path: Path) -> None:
        self.modal = Modal()
        self._lines = _commands(path)

    def advance(self, line: int) -> Modal:
        """The state after ``line``, counted from 1. Raises OSError when the disk fails."""
        while self.modal.line < line:
            found = next(self._lines, None)
            if found is None:
                break
            self.modal.line, command = found
            if command:
                self.modal.take(command)
        return self.modal


def _commands(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            yield number, raw.partition(b";")[0].decode("utf-8", "replace").strip()


def resume_gcode(path: Path, line: int, profile: FirmwareProfile) -> Iterator[str]:
    """The G-code that goes on behind ``line``: heat, home what may be homed, purge, then the rest.

    The part stands on the bed: Z is not homed but told where it is, so the head must not have been
    moved by hand. Raises Unprocessable when the file cannot be continued there.
    """
    modal = ModalScan(path).advance(line)
    yield from resume_prefix(modal, profile)
    for number, command in _commands(path):
        if number > line and command:
            yield command


def resume_prefix(modal: Modal, profile: FirmwareProfile) -> list[str]:
    """What comes before the rest of the file; raises Unprocessable where there is no safe way."""
    if modal.x is None or modal.y is None or modal.z is None:
        raise Unprocessable(
            f"By line {modal.line} the print has not got beyond homing.",
            hint="Clear the plate and print it anew.",
        )
    if modal.inches:
        raise Unprocessable("The file counts in inches; such a print cannot be continued.")
    if modal.hotend_c <= 0:
        raise Unprocessable(
            f"At line {modal.line} the hot end is off: the print had come to its end."
        )
    script = profile.script(
        "restart",
        x=modal.x,
        y=modal.y,
        z=modal.z,
        e=modal.e,
        f=modal.feed_mm_min,
        hotend_c=modal.hotend_c,
        bed_c=modal.bed_c,
        fan=float(modal.fan),
        tool=modal.tool,
        xyz_mode="G91" if modal.relative_xyz else "G90",
        e_mode="M83" if modal.relative_e else "M82",
    )
    return [line for line in [*modal.settings.values(), *script] if line]
