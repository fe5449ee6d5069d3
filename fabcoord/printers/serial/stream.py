"""A G-code file as a stream of commands, read in fixed memory, with how far it is."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from fabcoord.printers.serial.framing import UnsendableLine, code_of, sanitise

_LONGEST_FILE_LINE = 4096
# Never sent from a file. Stops that need a person are made into a pause of ours instead.
PAUSES = frozenset({"M0", "M1", "M25", "M226"})
PAUSE = "a pause"
FORBIDDEN = frozenset(
    {"M108", "M112", "M410", "M524", "M997", "M999"}  # stops, resets, firmware updates
    | {"M20", "M21", "M22", "M23", "M24", "M26", "M27", "M28", "M29", "M30", "M32", "M928"}  # SD
)


class ForbiddenCommand(ValueError):
    """The file holds a command that must not reach a printer from a file."""


class GcodeStream:
    """The commands of one file, in order. Raises OSError when the file cannot be opened."""

    def __init__(self, path: Path, longest_bytes: int) -> None:
        self._file = path.open("rb")
        self._longest_bytes = longest_bytes
        self.size = path.stat().st_size
        self.position = 0
        self.line = 0
        self.layer: int | None = None
        self.layers: int | None = None
        self.feed_mm_min = 1500.0
        self.relative_xyz = False
        self.relative_e = False

    def next(self) -> str | None:
        """The next command, None at the end of the file.

        A stop that waits for a person comes as `PAUSE`.

        Raises:
            UnsendableLine: a line too long for the firmware.
            ForbiddenCommand: see `FORBIDDEN`.
            OSError: the disk failed.
        """
        while raw := self._file.readline(_LONGEST_FILE_LINE):
            self.position += len(raw)
            self.line += 1
            if raw[0] == 0x3B:  # ";"
                self._comment(raw)
                self._skip_rest(raw)
                continue
            if len(raw) == _LONGEST_FILE_LINE and b";" not in raw:
                raise UnsendableLine(f"line {self.line} is longer than {_LONGEST_FILE_LINE} bytes")
            self._skip_rest(raw)
            try:
                command = sanitise(raw.decode("utf-8", "replace"), self._longest_bytes)
            except UnsendableLine as error:
                raise UnsendableLine(f"line {self.line}: {error}") from error
            if command is not None:
                return self._looked_at(command)
        return None

    def _skip_rest(self, raw: bytes) -> None:
        """Read on to the end of a line whose comment is longer than one read."""
        while len(raw) == _LONGEST_FILE_LINE and not raw.endswith(b"\n"):
            raw = self._file.readline(_LONGEST_FILE_LINE)
            self.position += len(raw)

    def _looked_at(self, command: str) -> str:
        if command[0] in "Gg":
            self._follow(command)
            return command
        code = code_of(command)
        if code in FORBIDDEN:
            raise ForbiddenCommand(f"line {self.line} has {code}")
        if code in PAUSES:
            return PAUSE
        if code in ("M82", "M83"):
            self.relative_e = code == "M83"
        return command

    def _follow(self, command: str) -> None:
        """Keep what a pause must restore and cannot ask the printer for."""
        head, _, feed = command.partition("F")
        if feed:
            with suppress(ValueError):
                self.feed_mm_min = float(feed.partition(" ")[0])
        elif head in ("G90", "G91"):
            self.relative_xyz = self.relative_e = head == "G91"

    def _comment(self, raw: bytes) -> None:
        """Layer marks of PrusaSlicer and its kin, and of Cura."""
        if raw.startswith(b";LAYER_CHANGE"):
            self.layer = (self.layer or 0) + 1
        elif raw.startswith(b";LAYER:"):
            number = raw[7:].strip()
            if number.isdigit() and len(number) < 7:
                self.layer = int(number) + 1
        elif raw.startswith(b";LAYER_COUNT:"):
            number = raw[13:].strip()
            if number.isdigit() and len(number) < 7:
                self.layers = int(number)

    @property
    def progress(self) -> float:
        """How much of the file has been read, by bytes, 0 to 1."""
        return min(1.0, self.position / self.size) if self.size else 1.0

    def close(self) -> None:
        self._file.close()
