"""Marlin's binary file transfer, the host's end: data in packets with checksums, each acknowledged
before the next. No I/O and no clock of its own.

As described with ``BINARY_FILE_TRANSFER`` in Marlin 2.1: a packet is the token 0xB5AD, a counter,
protocol and type in one byte, the size of the data, the checksum of this header, the data and the
checksum of header and data, little-endian, both Fletcher-16. The printer enters this mode by
``M28 B1`` and leaves it by a packet; in between it understands no G-code. Data is not compressed.
"""

from __future__ import annotations

import re
import struct
from collections import deque
from collections.abc import Callable
from enum import IntEnum

TOKEN = 0xB5AD
MOST_DATA_BYTES = 512  # in a packet, whatever room the printer says that it has
_ANSWER_S = 1.0  # in which a packet is acknowledged; some cards take their time
_OPENING_S = 12.0  # for a file to be opened or closed; a full card searches long for room
_MOST_TRIES = 10  # of one packet
_MOST_SYNC_TRIES = 4  # for the first: more, and it does not speak this protocol
_SAID = re.compile(r"(ss|ok|rs|fe)(\d{1,3})(?:,(\d{1,5}),\S*)?$")
_HEADER = struct.Struct("<HBBH")


class Kind(IntEnum):
    """Protocol and type of a packet."""

    SYNC = 0x01
    LEAVE = 0x02
    QUERY = 0x10
    OPEN = 0x11
    CLOSE = 0x12
    WRITE = 0x13
    ABORT = 0x14


def fletcher16(data: bytes) -> int:
    """The checksum of headers and packets."""
    low = high = 0
    for byte in data:
        low += byte
        high += low
    return high % 255 << 8 | low % 255


def packet(counter: int, kind: Kind, data: bytes = b"") -> bytes:
    """One packet as it goes over the wire."""
    header = _HEADER.pack(TOKEN, counter, kind, len(data))
    header += fletcher16(header[2:]).to_bytes(2, "little")
    if not data:
        return header
    return header + data + fletcher16(header[2:] + data).to_bytes(2, "little")


class Transfer:
    """One file on its way onto the card.

    The caller asks `due` for bytes to send, no later than `deadline`, and tells `hear` every line
    that the printer says. When `over`, the printer listens to G-code again, unless `failure` says
    that it never answered.

    Args:
        name: of the file on the card.
        read: gives at most so many bytes of the file, none at its end.
    """

    def __init__(self, name: str, read: Callable[[int], bytes]) -> None:
        self.over = False
        self.failure = ""  # one sentence
        self.silent = False  # it does not speak this protocol at all
        self.deadline: float | None = 0.0
        self._read = read
        self._steps = deque((Kind.SYNC, Kind.OPEN, Kind.WRITE, Kind.CLOSE, Kind.LEAVE))
        self._opening = b"\0\0" + name.encode("ascii") + b"\0"
        self._counter = 0
        self._most = 0  # data bytes in a packet
        self._now_out: tuple[Kind, bytes] | None = None
        self._tries = 0
        self._acknowledged = False  # the packet that is out, whose result is to come
        self._resync = False
        self._went_out = False  # the packet that is out, not just a question for the counter

    def due(self, now: float) -> bytes:
        """What has to go out now; empty for nothing."""
        if self.over or self.deadline is None or now < self.deadline:
            return b""
        if self._now_out is None:
            self._now_out = self._next()
            self._tries, self._went_out = 0, False
        kind, data = self._now_out
        if self._tries >= (_MOST_SYNC_TRIES if kind is Kind.SYNC else _MOST_TRIES):
            self._give_in()
            return b""
        self._tries += 1
        slow = self._acknowledged
        self.deadline = now + (_OPENING_S if slow else _ANSWER_S)
        if slow:  # the packet has arrived; what is missing is what came of it
            self.fail("The printer does not say whether its card did what it was told.")
            return b""
        if kind is Kind.SYNC or self._resync:
            return packet(0, Kind.SYNC)
        self._went_out = True
        return packet(self._counter, kind, data)

    def _next(self) -> tuple[Kind, bytes]:
        kind = self._steps[0]
        if kind is Kind.WRITE:
            data = self._read(self._most)
            if data:
                return kind, data
            self._steps.popleft()
            kind = self._steps[0]
        return kind, self._opening if kind is Kind.OPEN else b""

    def _give_in(self) -> None:
        self.silent = self._now_out is not None and self._now_out[0] is Kind.SYNC
        self.failure = self.failure or "The printer does not acknowledge what it is sent."
        self.over = True

    def fail(self, why: str, *, opened: bool = True) -> None:
        """End early: the printer closes the file, deletes it, and listens to G-code again.

        Args:
            opened: whether the file may be open there by now.
        """
        if self.over or self.failure:
            return
        self.failure = why
        begun = self._most > 0
        at_open = self._steps[0] is Kind.OPEN and not self._went_out
        opened = opened and begun and not at_open
        self._steps = deque((Kind.ABORT, Kind.LEAVE) if opened else (Kind.LEAVE,))
        if not begun:
            self._steps.appendleft(Kind.SYNC)
        # What is out may have arrived or not: the counter that the printer awaits tells.
        self._now_out, self._acknowledged = None, False
        self._resync, self._tries, self.deadline = begun, 0, 0.0

    def hear(self, line: str, now: float) -> None:
        """Take in one line that the printer said."""
        if line.startswith("PFT:"):
            self._hear_result(line)
            return
        said = _SAID.match(line)
        if said is None or self.over:
            return
        word, number = said[1], int(said[2])
        if word == "ss":
            self._synchronised(number, int(said[3] or 0))
        elif word == "fe":
            self._resync, self._went_out, self.deadline = True, False, 0.0
        elif word == "rs" and number == self._counter:
            self.deadline = now
        elif word == "ok" and number == self._counter and self._went_out and not self._resync:
            self._arrived(now)

    def _synchronised(self, counter: int, room: int) -> None:
        if self._now_out is not None and self._now_out[0] is Kind.SYNC:
            self._most = max(1, min(room or 64, MOST_DATA_BYTES))
            self._counter = counter
            self._done()
        elif self._resync:
            self._resync, self.deadline = False, 0.0
            ahead = self._went_out and counter == (self._counter + 1) % 256
            self._counter = counter
            if ahead:  # it had arrived after all
                self._done()

    def _arrived(self, now: float) -> None:
        assert self._now_out is not None  # noqa: S101 - for the type checker
        self._counter = (self._counter + 1) % 256
        if self._now_out[0] in (Kind.OPEN, Kind.CLOSE):
            self._acknowledged, self.deadline = True, now + _OPENING_S
        else:
            self._done()

    def _done(self) -> None:
        """The packet that is out has had its effect."""
        kind = self._now_out[0] if self._now_out is not None else None
        self._now_out, self._went_out, self._acknowledged = None, False, False
        self.deadline = 0.0
        if kind is not Kind.WRITE:
            self._steps.popleft()
        self.over = not self._steps

    def _hear_result(self, line: str) -> None:
        result = line[4:]
        kind = self._now_out[0] if self._now_out is not None else None
        if result == "success":
            if kind in (Kind.OPEN, Kind.CLOSE) and self._acknowledged:
                self._done()
        elif result == "busy":
            self.fail("The printer still writes another file to its card.")
        elif result in ("fail", "ioerror", "invalid") and not self.failure:
            self.fail(
                "The printer's card takes no file. Is there one, and does it have room?"
                if result == "fail"
                else "The printer's card did not take all of the file. Is it full?",
                opened=result != "fail",
            )

    @property
    def leaving(self) -> bytes:
        """What makes the printer listen to G-code again now, whatever it has taken so far."""
        after = (self._counter + 1) % 256
        return packet(self._counter, Kind.LEAVE) + packet(after, Kind.LEAVE)


class Leaving:
    """Gets a printer out of the middle of somebody's transfer, and rid of the half file.

    Only when nothing is written, it says ``invalid`` to an empty write: then nothing is deleted,
    or it would be whatever file was opened last.
    """

    def __init__(self) -> None:
        self._steps: deque[Kind] = deque()
        self._begun = False
        self._counter = 0

    @property
    def left(self) -> bool:
        """Has it just left, so that it understands G-code again?"""
        return self._begun and not self._steps

    def hear(self, line: str) -> bytes:
        """What to answer to a line; empty for nothing. Begin by sending `packet` of ``SYNC``."""
        said = _SAID.match(line)
        if line == "PFT:invalid" and Kind.ABORT in self._steps:
            self._steps.remove(Kind.ABORT)
        if said is None:
            return b""
        number = int(said[2])
        if said[1] == "ss":
            self._counter, self._begun = number, True
            self._steps = deque((Kind.WRITE, Kind.QUERY, Kind.ABORT, Kind.LEAVE))
        elif not self._steps or said[1] != "ok" or number != self._counter:
            return b""
        else:
            self._counter = (number + 1) % 256
            self._steps.popleft()
        return packet(self._counter, self._steps[0]) if self._steps else b""
