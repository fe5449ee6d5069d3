"""A G-code file as a stream of commands, read in fixed memory, with how far it is."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from fabcoord.printers.serial.framing import FRAME_BYTES, UnsendableLine, code_of, sanitise

_LONGEST_FILE_LINE = 4096
_READ_BYTES = 65536
# Straight moves, and settings that mean the same a few lines earlier: these may be on their way
# together, because one that a bad line lets through too early does no lasting harm. Whatever
# changes the meaning of the lines behind it, takes long or waits, and arcs, go alone.
_MOVE = re.compile(
    rb"(?:G[01] [XYZEF0-9. -]*|M(?:73|104|106|107|140|20[1-5]|22[01]|900)(?: [A-Z][0-9. -]*)*)"
).fullmatch
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
        self._lines: list[bytes] = []  # read ahead, without their ends
        self._at = 0  # the next of them
        self._tail = b""  # the beginning of the line behind them
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
        while (raw := self._look()) is not None:
            self._pass(raw)
            if raw[:1] == b";":
                self._comment(raw)
                continue
            if len(raw) > _LONGEST_FILE_LINE and b";" not in raw[:_LONGEST_FILE_LINE]:
                raise UnsendableLine(f"line {self.line} is longer than {_LONGEST_FILE_LINE} bytes")
            text = raw[:_LONGEST_FILE_LINE].decode("utf-8", "replace")
            try:
                command = sanitise(text, self._longest_bytes)
            except UnsendableLine as error:
                raise UnsendableLine(f"line {self.line}: {error}") from error
            if command is not None:
                return self._looked_at(command)
        return None

    def next_moves(self, most: int) -> list[tuple[str, int]]:
        """Commands that need not wait for those before them, each with its line in the file.

        Ends before the first command that is not such; none while positions are relative. Raises
        OSError when the disk failed.
        """
        found: list[tuple[str, int]] = []
        if self.relative_xyz:
            return found  # made twice, such a move would shift all that follow
        while len(found) < most and (raw := self._look()) is not None:
            if raw[:1] == b";":
                self._pass(raw)
                self._comment(raw)
                continue
            command = raw.partition(b";")[0].strip()
            if not _MOVE(command) or len(command) + FRAME_BYTES > self._longest_bytes:
                if command:
                    break
                self._pass(raw)
                continue
            self._pass(raw)
            text = command.decode("ascii")
            if b"F" in command:
                self._follow(text)
            found.append((text, self.line))
        return found

    def _look(self) -> bytes | None:
        """The next line, which stays the next; None at the end of the file."""
        if self._at == len(self._lines) and not self._read_on():
            return None
        return self._lines[self._at]

    def _pass(self, raw: bytes) -> None:
        self._at += 1
        self.position += len(raw) + 1
        self.line += 1

    def _read_on(self) -> bool:
        """Read until there is a whole line; False at the end of the file."""
        self._at, self._lines = 0, []
        while not self._lines:
            data = self._file.read(_READ_BYTES)
            if not data:
                if not self._tail:
                    return False
                self._lines, self._tail = [self._tail], b""
                return True
            *self._lines, tail = (self._tail + data).split(b"\n")
            # What is behind the limit is comment, or makes the line unsendable.
            self._tail = tail[: _LONGEST_FILE_LINE + 1]
            self.position += len(tail) - len(self._tail)
        return True

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
