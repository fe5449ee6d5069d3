"""Bytes on a serial line: they take time in both directions, and faults can be put in."""

from __future__ import annotations

import random
from collections import deque

BITS_PER_BYTE = 10  # start bit, eight data bits, stop bit
_PACKED_BYTES = 8  # in which an end of line may hide
_LATE_S = (0.02, 0.8)


class Inbound:
    """Bytes on their way from host to firmware, one after the other at the baud rate."""

    def __init__(self, baud: int) -> None:
        self._byte_s = BITS_PER_BYTE / baud
        self._bytes = bytearray()
        self._first_at = 0.0  # when the first of the bytes has arrived

    def __len__(self) -> int:
        return len(self._bytes)

    def put(self, data: bytes, now: float) -> None:
        if not self._bytes:
            self._first_at = now + self._byte_s
        self._bytes += data

    def take(self, now: float) -> bytes:
        """The bytes that have arrived by now."""
        if not self._bytes or now < self._first_at:
            return b""
        # A hair more than exact, so that a time that `next_at` gave is never just too early.
        count = 1 + int((now - self._first_at) / self._byte_s + 0.01)
        count = min(len(self._bytes), count)
        arrived = bytes(self._bytes[:count])
        del self._bytes[:count]
        self._first_at += count * self._byte_s
        return arrived

    def next_at(self) -> float | None:
        """When the next end of line, or of a few bytes without one, arrives; None when empty."""
        if not self._bytes:
            return None
        end = self._bytes.find(b"\n")
        count = end if end >= 0 else min(_PACKED_BYTES, len(self._bytes)) - 1
        return self._first_at + count * self._byte_s

    def clear(self) -> None:
        self._bytes.clear()


class Outbound:
    """Lines on their way from firmware to host."""

    def __init__(self, baud: int) -> None:
        self._byte_s = BITS_PER_BYTE / baud
        self._lines: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0

    def put(self, data: bytes, now: float) -> None:
        self._free_at = max(now, self._free_at) + len(data) * self._byte_s
        self._lines.append((self._free_at, data))

    def take(self, now: float) -> bytes:
        """The lines that have been sent completely by now."""
        lines = self._lines
        if not lines or lines[0][0] > now:
            return b""
        out = bytearray()
        while lines and lines[0][0] <= now:
            out += lines.popleft()[1]
        return bytes(out)

    def next_at(self) -> float | None:
        return self._lines[0][0] if self._lines else None

    def clear(self) -> None:
        self._lines.clear()


class Faults:
    """Seeded trouble on the line: each kind strikes a share of lines, or the next few.

    Bits flip and bytes are lost inside a line; its end is a kind of its own. Noise is bytes that
    nobody sent. An answer that is late holds up those behind it.
    """

    KINDS = (
        *("flip_in", "lose_in", "lose_end", "duplicate_in", "noise_in"),
        *("flip_out", "lose_ok", "extra_ok", "noise_out", "late_out"),
    )

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
        self.rates: dict[str, float] = dict.fromkeys(self.KINDS, 0.0)
        self.counts: dict[str, int] = dict.fromkeys(self.KINDS, 0)
        self.struck: dict[str, int] = dict.fromkeys(self.KINDS, 0)

    def set(self, kind: str, rate: float | None, count: int | None) -> None:
        """Raises KeyError for a kind that does not exist."""
        self.struck[kind] = 0
        self.rates[kind] = rate or 0.0
        self.counts[kind] = count or 0

    def _strikes(self, kind: str) -> bool:
        if self.counts[kind] > 0:
            self.counts[kind] -= 1
        elif not (self.rates[kind] and self._random.random() < self.rates[kind]):
            return False
        self.struck[kind] += 1
        return True

    def inbound(self, data: bytes) -> bytes:
        """What the firmware hears of what the host said."""
        if not any(self.rates.values()) and not any(self.counts.values()):
            return data
        if not data.isascii():
            return self._spoil_in(data)  # packed: who knows where lines end
        return b"".join(self._spoil_in(line) for line in data.splitlines(keepends=True))

    def _spoil_in(self, line: bytes) -> bytes:
        if self._strikes("flip_in"):
            line = self._flip(line[:-1]) + line[-1:] if len(line) > 1 else line
        if self._strikes("lose_in"):
            at = self._random.randrange(max(1, len(line) - 1))
            line = line[:at] + line[at + 1 :]
        if self._strikes("lose_end"):
            line = line[:-1]
        if self._strikes("duplicate_in"):
            line += line
        if self._strikes("noise_in"):
            line = self._noise() + line
        return line

    def outbound(self, line: bytes) -> bytes:
        """What the host hears of what the firmware said."""
        if line.startswith(b"ok") and self._strikes("lose_ok"):
            return b""
        if line.startswith(b"ok") and self._strikes("extra_ok"):
            line += line
        if self._strikes("flip_out"):
            line = self._flip(line)
        return self._noise() + line if self._strikes("noise_out") else line

    def delay_s(self) -> float:
        """How long the line that the firmware is about to say is held up."""
        return self._random.uniform(*_LATE_S) if self._strikes("late_out") else 0.0

    def _noise(self) -> bytes:
        return self.garbage(self._random.randint(1, 8))

    def _flip(self, line: bytes) -> bytes:
        at = self._random.randrange(len(line))
        return line[:at] + bytes([line[at] ^ 1 << self._random.randrange(8)]) + line[at + 1 :]

    def garbage(self, length: int) -> bytes:
        return self._random.randbytes(length)
