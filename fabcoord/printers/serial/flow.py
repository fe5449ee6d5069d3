"""Which line goes next: numbering, answers, resends, lost answers. No I/O and no clock of its own.

One line at a time is on its way ("ping-pong"): the next goes when the last is answered. That is
what Marlin's authors ask of hosts, and what keeps a 128-byte receive buffer from overflowing.

The one thing that cannot be told from a plain ``ok`` is which line it belongs to. So when an
answer is missing, a numbered M105 goes out as *probe*: its ``ok T:…`` can only mean that all
before it was taken, and if a line was lost the firmware answers ``Resend`` instead. Sending the
line again would not do: Marlin swallows a duplicate without any answer. For the same reason every
M105 waits for its own kind of ok, which also uses up an ok too many.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.framing import code_of, frame
from fabcoord.printers.serial.parser import Busy, LineFault, Message, Ok, Resend, Wait

HISTORY_LINES = 50
RESEND_OK_S = 0.5  # the ok behind a Resend belongs to it; some firmware leaves it out
LINE_FAULT_S = 1.0  # a complaint about a line that no Resend follows
WAIT_S = 1.0  # a "wait" that comes sooner may have crossed our line
LONGEST_STORM = 10  # resends without a line getting through
MOST_SILENCES = 4  # answers missed in a row; with doubling waits that is about a minute
PLAIN_AFTER_SILENCES = 2  # then an ok without temperatures may be all that M105 ever gets


@dataclass(frozen=True, slots=True)
class Sent:
    """A line that was given a number, kept for as long as it may be asked for again."""

    number: int
    command: str
    data: bytes


class Flow:
    """The state of one conversation.

    The caller asks `due` for what must be sent, then, when `ready`, hands over a new command with
    `send`; gives every message to `hear`; and calls `due` again at `deadline`. All times are
    seconds of one clock of the caller's choice.
    """

    def __init__(self, profile: FirmwareProfile) -> None:
        self.profile = profile
        self.resends = 0
        self.lost_answers = 0
        self.stray_oks = 0
        self.failure = ""  # why the conversation cannot go on, empty while it can
        self.deadline: float | None = None
        self._history: deque[Sent] = deque(maxlen=HISTORY_LINES)
        self._last = -1  # number of the newest line
        self._cursor = 0  # number of the next line to go out
        self._acked = -1  # all lines up to here were taken
        self._awaiting = False  # a line is out and not answered
        self._resend_open = False  # a Resend came, its ok did not yet
        self._line_open = False  # the newest line was unanswered when the Resend came
        self._probe_open = False  # only what answers an M105 counts as answer
        self._plain_probes = False  # this firmware answers M105 with an ok like any other
        self._sent_at = 0.0
        self._says_busy = False
        self._silences = 0
        self._storm = 0

    # Sending -------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """May a new command be sent now?"""
        return not self._awaiting and self._cursor > self._last and not self.failure

    def restart(self, now: float) -> bytes:
        """Begin to count anew; forgets every line that is out."""
        self._history.clear()
        self._last, self._cursor, self._acked = -1, 0, -1
        self._awaiting = self._resend_open = self._probe_open = False
        self._silences = self._storm = 0
        self.failure = ""
        return self.send("M110 N0", now)

    def send(self, command: str, now: float) -> bytes:
        """The bytes of a new command; only while `ready`."""
        self._last += 1
        data = frame(self._last, command)
        self._history.append(Sent(self._last, command, data))
        self._cursor = self._last + 1
        self._await(command, now)
        return data

    def resync(self, now: float) -> None:
        """Bytes went out beside the numbering: find out by probe where the firmware is."""
        self._awaiting, self._probe_open = True, True
        self._resend_open = False
        self._silences = -1  # the probe that follows is no missed answer
        self.deadline = now

    def due(self, now: float) -> bytes | None:
        """What has to go out now besides new commands: a resend or a probe."""
        if self.failure:
            return None
        if self._awaiting:
            if self.deadline is None or now < self.deadline:
                return None
            if not self._resend_open:
                return self._probe(now)
            self._hear_resend_ok(now)  # it will not come any more
        if self._cursor > self._last:
            return None
        line = self._line(self._cursor)
        self._cursor += 1
        self._await(line.command, now)
        return line.data

    def _probe(self, now: float) -> bytes | None:
        self._silences += 1
        if self._silences > 0:
            self.lost_answers += 1
        if self._silences > MOST_SILENCES:
            self.failure = "it does not answer any more"
            self.deadline = None
            return None
        return self.send("M105", now)

    def _await(self, command: str, now: float) -> None:
        self._awaiting, self._resend_open = True, False
        self._probe_open = command == "M105" and not self._plain_probes
        self._sent_at = now
        self.deadline = now + self._timeout_s(command)

    def _timeout_s(self, command: str) -> float:
        profile = self.profile
        if not self._says_busy and code_of(command) in profile.long_commands:
            return profile.long_timeout_s
        return profile.probe_after_s * 2.0 ** max(0, self._silences)

    def _line(self, number: int) -> Sent:
        return self._history[number - self._last - 1]

    # Hearing -------------------------------------------------------------------------------

    def hear(self, message: Message, now: float) -> list[str]:
        """Take in what the printer said; returns the commands that are known to be taken now."""
        if isinstance(message, Ok):
            return self._hear_ok(message, now)
        if isinstance(message, Resend):
            self._hear_resend(message.number, now)
        elif isinstance(message, Busy):
            self._says_busy = True
            self._silences = min(self._silences, 0)
            if self._awaiting and not self._resend_open:
                self.deadline = now + self.profile.probe_after_s
        elif isinstance(message, Wait):
            if self._awaiting and now - self._sent_at > WAIT_S:
                self.deadline = now
        elif isinstance(message, LineFault) and self._awaiting and self.deadline is not None:
            self.deadline = min(self.deadline, now + LINE_FAULT_S)
        return []

    def _hear_ok(self, ok: Ok, now: float) -> list[str]:
        if self._resend_open:
            self._hear_resend_ok(now)
            return []
        if not self._awaiting:
            self.stray_oks += 1
            return []
        if ok.number is not None and self._acked < ok.number < self._cursor - 1:
            return []  # a late answer to an earlier line
        if self._probe_open and ok.heat is None and ok.number is None:
            if self._silences < PLAIN_AFTER_SILENCES:
                return []
            self._plain_probes = True
        self._awaiting = self._probe_open = False
        self._silences = self._storm = 0
        self.deadline = None
        taken = [self._line(n).command for n in range(self._acked + 1, self._cursor)]
        self._acked = max(self._acked, self._cursor - 1)
        return taken

    def _hear_resend_ok(self, now: float) -> None:
        """The ok that belongs to a Resend: the lines asked for may go now.

        When none was asked for, the line that was out still waits for an ok of its own.
        """
        self._resend_open = False
        self._awaiting = self._line_open and self._cursor > self._last
        self.deadline = None
        if self._awaiting:
            self.deadline = now + self._timeout_s(self._line(self._last).command)

    def _hear_resend(self, number: int, now: float) -> None:
        self.resends += 1
        self._storm += 1
        self._silences = 0
        if self._storm > LONGEST_STORM:
            self.failure = f"it asked for line {number} again and again: check cable and baud rate"
            self.deadline = None
            return
        oldest = self._last - len(self._history) + 1
        if not oldest <= number <= self._last + 1:
            # Garbled, or the answer to our M110 itself: the line that is out has to go again.
            number = min(self._acked + 1, self._last)
        if not self._resend_open:
            self._line_open = self._awaiting
        self._cursor = number
        self._awaiting, self._resend_open, self._probe_open = True, True, False
        self.deadline = now + RESEND_OK_S
