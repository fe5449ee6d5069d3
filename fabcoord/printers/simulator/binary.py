"""The firmware's end of Marlin's binary file transfer: packets with checksums that become a file
on the card.

A packet is the token 0xB5AD, a counter, protocol and type (4 bits each), the size of what follows,
the checksum of this header, then the data and a checksum of header and data: all little-endian,
both Fletcher-16. Each packet is acknowledged by its counter before the next may come.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum

from fabcoord.printers.simulator.sdcard import SdCard

TOKEN = b"\xad\xb5"
MOST_DATA_BYTES = 96  # the receive buffer of a line is lent to packets
_HEADER = struct.Struct("<2sBBHH")
_SILENCE_S = 0.5  # in the middle of a packet
_FORSAKEN_S = 10.0  # without a packet the open file is deleted
_MOST_RETRIES = 3


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
        low = (low + byte) % 255
        high = (high + low) % 255
    return high << 8 | low


class BinaryStream:
    """While `active`, takes all that arrives; what follows the last packet is given back.

    ``real_second`` is how much of its time passes in a real second: patience with hosts is real.
    """

    def __init__(self, say: Callable[[str], None], card: SdCard, real_second: float = 1.0) -> None:
        self._second = real_second
        self.active = False
        self._say, self._card = say, card
        self._bytes = b""
        self._counter = 0
        self._retries = 0
        self._heard_at = 0.0
        self._packet_at = 0.0  # when the last whole one came
        self._name: str | None = None  # of the file that is being written
        self._dummy = False

    def open(self) -> None:
        """M28 B1 was said. The counter goes on where it was."""
        self.active, self._bytes = True, b""

    def power_down(self) -> None:
        """The board was reset."""
        self.active, self._counter, self._name = False, 0, None

    def receive(self, data: bytes, now: float) -> bytes:
        """Take in bytes; returns those that are no longer meant for this protocol."""
        if self._name is not None and now - self._packet_at > _FORSAKEN_S * self._second:
            self._abort()
        if self._bytes and now - self._heard_at > _SILENCE_S * self._second:
            self._bytes = b""
            self._say("echo:Datastream timeout")
            self._again()
        self._heard_at = now
        self._bytes += data
        while self.active and self._take(now):
            pass
        if self.active:
            return b""
        rest, self._bytes = self._bytes, b""
        return rest

    def _take(self, now: float) -> bool:
        """One packet; False while there is no whole one."""
        at = self._bytes.find(TOKEN)
        if at < 0:
            self._bytes = self._bytes[-1:] if self._bytes[-1:] == TOKEN[:1] else b""
            return False
        self._bytes = self._bytes[at:]
        if len(self._bytes) < _HEADER.size:
            return False
        _, counter, meta, size, checksum = _HEADER.unpack_from(self._bytes)
        header = self._bytes[2 : _HEADER.size]
        if fletcher16(header[:-2]) != checksum:
            self._bytes = self._bytes[_HEADER.size :]
            self._say(f"echo:Packet header({counter}?) corrupt")
            self._again()
            return True
        if meta == Kind.SYNC:
            self._bytes = self._bytes[_HEADER.size :]
            self._say(f"ss{self._counter},{MOST_DATA_BYTES},0.1.0")
            return True
        return self._checked(counter, meta, size, header, now)

    def _checked(self, counter: int, meta: int, size: int, header: bytes, now: float) -> bool:
        whole = _HEADER.size + (size + 2 if size else 0)
        if size > MOST_DATA_BYTES:
            self._bytes = b""
            self._fatal(counter)
            return True
        if counter != self._counter:
            self._bytes = self._bytes[_HEADER.size :]
            if counter == (self._counter - 1) % 256:
                self._say(f"ok{counter}")
            elif not self._retries:
                self._say("echo:Datastream packet out of order")
                self._again()
            return True
        if len(self._bytes) < whole:
            return False
        data = self._bytes[_HEADER.size : _HEADER.size + size]
        footer = self._bytes[_HEADER.size + size : whole]
        self._bytes = self._bytes[whole:]
        if size and int.from_bytes(footer, "little") != fletcher16(header + data):
            self._say(f"echo:Packet({counter}) payload corrupt")
            self._again()
            return True
        self._counter, self._retries, self._packet_at = (counter + 1) % 256, 0, now
        self._say(f"ok{counter}")
        self._dispatch(meta, data)
        return True

    def _again(self) -> None:
        self._retries += 1
        if self._retries > _MOST_RETRIES:
            self._fatal(self._counter)
        else:
            self._say(f"echo:Resend request {self._retries}")
            self._say(f"rs{self._counter}")

    def _fatal(self, counter: int) -> None:
        self._say(f"fe{counter}")
        self._counter = self._retries = 0

    def _dispatch(self, meta: int, data: bytes) -> None:
        if meta == Kind.LEAVE:
            self.active = False
        elif meta == Kind.QUERY:
            self._say("PFT:version:0.1.0:compresion:none")
        elif meta == Kind.OPEN:
            self._open_file(data)
        elif meta == Kind.WRITE:
            if self._name is None:
                self._say("PFT:invalid")
            elif not self._dummy and not self._card.write(data):
                self._say("PFT:ioerror")
        elif meta == Kind.CLOSE:
            self._say("PFT:invalid" if self._name is None else "PFT:success")
            if self._name is not None and not self._dummy:
                self._card.close_written()
            self._name = None
        elif meta == Kind.ABORT:
            self._abort()
            self._say("PFT:success")

    def _open_file(self, data: bytes) -> None:
        if self._name is not None:
            self._say("PFT:busy")
        elif len(data) < 4 or data[-1] or data[1] & 1:  # packed data is not understood here
            self._say("PFT:fail")
        else:
            self._dummy = bool(data[0] & 1)
            self._name = data[2:-1].decode("ascii", "replace")
            if not self._dummy:
                self._card.open_for_writing(self._name)
            self._say("PFT:success")

    def _abort(self) -> None:
        if self._name is not None and not self._dummy:
            self._card.forget_written()
        self._name = None
