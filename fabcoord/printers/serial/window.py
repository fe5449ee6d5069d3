"""How much may be on its way at once: the bytes of a receive buffer, or one line at a time."""

from __future__ import annotations

from collections import deque

FIRST_PATIENCE_LINES = 128  # without a fault, before several lines are risked again
MOST_PATIENCE_LINES = 16384
GOOD_STRETCH = 10  # times the patience without a fault: the fault was a single one


class Window:
    """Opens after clean lines, shuts at a fault, and opens later each time.

    A damaged line makes the firmware throw away what stands behind it in its buffer, wherever that
    happens to begin. The end of a line that was cut so is taken for a line without a number, which
    nothing checks. One line at a time leaves nothing to be cut, so a line that is damaged often
    must soon be spoken to in that way.
    """

    def __init__(self) -> None:
        self.bytes = 0  # that may be on their way; 0 means one line at a time
        self.faults = 0  # that shut it
        self._most_bytes = 0
        self._patience = FIRST_PATIENCE_LINES
        self._clean = 0

    def allow(self, receive_buffer_bytes: int) -> None:
        """Open it for a firmware that takes so many bytes while it is busy; 0 keeps it shut."""
        # A ring buffer is full when one byte is still free.
        self._most_bytes = self.bytes = max(0, receive_buffer_bytes - 1)

    @property
    def most_bytes(self) -> int:
        """What it holds when it is open; 0 where it must not be opened."""
        return self._most_bytes

    def clean(self, lines: int) -> bool:
        """So many lines got through. Says whether that has opened it again."""
        self._clean += lines
        opens = not self.bytes and self._most_bytes > 0 and self._clean >= self._patience
        if opens:
            self.bytes, self._clean = self._most_bytes, 0
        return opens

    @property
    def steady_lines(self) -> int | None:
        """How many more lines may get through before it opens; None when it will not."""
        if self.bytes or not self._most_bytes:
            return None
        return max(0, self._patience - 1 - self._clean)

    def fault(self) -> bool:
        """A line was damaged. Says whether several lines were on their way."""
        was_open = bool(self.bytes)
        if was_open:
            single = self._clean >= GOOD_STRETCH * self._patience
            longer = min(2 * self._patience, MOST_PATIENCE_LINES)
            self._patience = FIRST_PATIENCE_LINES if single or not self.faults else longer
            self.faults += 1
            self.bytes = 0
        self._clean = 0
        return was_open


class ReceiveBuffer:
    """What may still lie in the firmware's receive buffer, as far as its answers tell.

    A line counts until it is answered. Those that wait in the command queue have left the buffer
    before that, and ADVANCED_OK tells how many wait there (``B``), but not whose: a screen on a
    second port fills the same queue, and some printers count planned moves instead. Room that was
    won from it has overrun a buffer, so nothing is made of it.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._cleared = -1  # all lines up to here have left it
        self._sizes: deque[int] = deque()  # of the lines behind these that are out

    @property
    def lines(self) -> int:
        """How many may lie in it."""
        return len(self._sizes)

    def answered(self, waiting: list[bytes], most_bytes: int) -> list[bytes]:
        """Of the waiting lines, what there is room for with each of the next answers."""
        sizes, used, given = deque(self._sizes), self.bytes, []
        at = 0
        while sizes and at < len(waiting):
            used -= sizes.popleft()
            begin = at
            while at < len(waiting) and (not sizes or used + len(waiting[at]) <= most_bytes):
                sizes.append(len(waiting[at]))
                used += sizes[-1]
                at += 1
            given.append(b"".join(waiting[begin:at]))
        return given

    def put(self, size: int) -> None:
        """The next line goes out."""
        self._sizes.append(size)
        self.bytes += size

    def clear(self, through: int) -> None:
        """All lines up to this number were taken out of it."""
        while self._cleared < through and self._sizes:
            self._cleared += 1
            self.bytes -= self._sizes.popleft()

    def flushed(self, number: int) -> None:
        """The firmware has thrown away what was in it; this line is the next to come."""
        self._cleared, self.bytes = number - 1, 0
        self._sizes.clear()
