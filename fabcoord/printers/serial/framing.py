"""G-code made safe to send: comments off, plain ASCII, a number before and a checksum behind."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import reduce
from operator import xor

from fabcoord.printers.serial.shrink import shrink

_OWN_FRAME = re.compile(r"^N\d+\s*|\s*\*\s*\d*\s*$")
_CODE = re.compile(r"([A-Z])\s*0*(\d+(?:\.\d+)?)", re.IGNORECASE)
_SHORTENED = frozenset({"M117", "M118"})  # text for people: may be cut, anything else may not
FRAME_BYTES = 16  # "N", a number of up to ten digits, a space, "*", three digits, end of line


class UnsendableLine(ValueError):
    """A line that cannot be sent whole and must not be sent in part."""


def code_of(command: str) -> str:
    """The command's code in capitals, for example ``G1``; empty when it has none."""
    match = _CODE.match(command)
    return f"{match[1].upper()}{match[2]}" if match else ""


def sanitise(line: str, longest_bytes: int) -> str | None:
    """The command in ``line`` as a firmware can take it; None where there is none.

    Firmware strips comments and backslashes before it checks the sum, finds M110 anywhere in a
    line, and cuts long lines: each of these ends in an endless loop of resends when it is sent.

    Args:
        line: one line of a file, with or without its end.
        longest_bytes: of the framed line, see `FirmwareProfile.longest_line_bytes`.

    Raises:
        UnsendableLine: too long, and not a text that may be shortened.
    """
    command = line.partition(";")[0].strip()
    if not command:
        return None
    if not (command.isascii() and command.isprintable()):
        plain = unicodedata.normalize("NFKD", command).encode("ascii", "ignore").decode()
        command = "".join(char if char.isprintable() else " " for char in plain).strip()
    if "*" in command or command[:1] in "Nn":
        command = _OWN_FRAME.sub("", command).replace("*", "")
    command = command.replace("\\", "").strip()
    if not command:
        return None
    if "110" in command:
        if code_of(command) == "M110":
            return None  # the numbering is ours
        command = command.replace("M110", "M 110")
    room = longest_bytes - FRAME_BYTES
    if len(command) > room:
        if code_of(command) not in _SHORTENED:
            raise UnsendableLine(f"a line of {len(command)} characters: {command[:40]}…")
        command = command[:room].rstrip()
    return command


def frame(number: int, command: str) -> bytes:
    """The line as it goes over the wire: ``N<number> <command>*<checksum>`` and its end."""
    body = b"N%d %s" % (number, command.encode("ascii"))
    return b"%s*%d\n" % (body, reduce(xor, body))


@dataclass(frozen=True, slots=True)
class Form:
    """How commands look on the wire; unless told otherwise it leaves them as they are."""

    shorten: bool = False  # write moves as short as they can be
    opening: bytes = field(init=False, default=b"")  # said before lines of this form
    closing: bytes = field(init=False, default=b"")  # said before plain lines are understood again
    end: bytes = field(init=False, default=b"\n")  # the end of a line, by itself

    def line(self, number: int, command: str) -> bytes:
        """One numbered line."""
        return frame(number, shrink(command) if self.shorten else command)
