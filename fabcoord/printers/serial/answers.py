"""Which line an ok belongs to, as far as that can be told. No I/O and no clock."""

from __future__ import annotations

from collections import deque

from fabcoord.printers.serial.parser import Ok

PLAIN_AFTER_SILENCES = 2  # then an ok without temperatures may be all that M105 ever gets


class Answers:
    """A plain ok names nobody: it is for the line that has waited longest.

    Two kinds are surer. With ADVANCED_OK it names its line. And ``ok T:…`` is for an M105, of which
    only one is out at a time: it waits for its own kind of ok, and passes over one too many.
    """

    def __init__(self) -> None:
        self._plain_probes = False  # this firmware answers M105 with an ok like any other
        self._names_lines = False  # its oks say which line they are for
        self.forget()

    def forget(self) -> None:
        """The conversation begins anew, with the same firmware."""
        self.checks: deque[int] = deque()  # numbers of the M105 that are not answered
        self.reported = False  # temperatures came in a line of their own since the last M105
        self._late_heat = 0  # answers to M105 that may still come, and mean nothing then

    def through(self, ok: Ok, front: int, cursor: int, silences: int) -> int | None:
        """The newest line that this ok says is taken; None when it belongs to no line.

        Args:
            front: number of the oldest line that is out and not known to be taken.
            cursor: number behind the newest line that is out.
            silences: how many times an answer was waited for in vain, and asked for.
        """
        if ok.number is not None:
            if front <= ok.number < cursor:
                self._names_lines = True
                return ok.number
            if self._names_lines:
                return None  # said twice, or late: taken for that of another line it loses one
        check = self.checks[0] if self.checks else cursor
        if ok.heat is not None:
            if check < cursor:
                return check if silences <= 0 else self._of_several(cursor)
            if self._late_heat > 0:
                self._late_heat -= 1
                return None
        if check == front and ok.number is None:
            if not (self._plain_probes or self.reported):
                if silences < PLAIN_AFTER_SILENCES:
                    return None
                self._plain_probes = True
            if silences > 0:
                return cursor - 1
        return front

    def _of_several(self, cursor: int) -> int:
        """Asked more than once, the answers cannot be told apart: all that came was taken."""
        out = [number for number in self.checks if number < cursor]
        self._late_heat += len(out) - 1
        return out[-1]

    def taken(self, through: int) -> None:
        """All lines up to this number are answered."""
        while self.checks and self.checks[0] <= through:
            self.checks.popleft()

    def withdrawn(self, last: int) -> None:
        """The lines behind this number will not go out."""
        while self.checks and self.checks[-1] > last:
            self.checks.pop()
