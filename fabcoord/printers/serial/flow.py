"""Which line goes next: numbering, answers, resends, lost answers. No I/O and no clock of its own.

At first one line at a time is on its way ("ping-pong"): the next goes when the last is answered.
That is what Marlin's authors ask of hosts. Where the firmware is known to bear it, as many lines
go ahead as surely fit into its receive buffer (`window`). The first damaged line among these stops
all: what is in flight is left to run dry, and from the line that is asked for one goes at a time
again, until the line has been clean for a while.

The one thing that cannot be told from a plain ``ok`` is which line it belongs to. So when an
answer is missing, a numbered M105 goes out as *probe*: its ``ok T:…`` can only mean that all
before it was taken, and if a line was lost the firmware answers ``Resend`` instead. Sending the
line again would not do: Marlin swallows a duplicate without any answer. For the same reason every
M105 waits for its own kind of ok, which also uses up an ok too many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.answers import Answers
from fabcoord.printers.serial.framing import Form, code_of
from fabcoord.printers.serial.parser import Busy, LineFault, Message, Ok, Report, Resend, Wait
from fabcoord.printers.serial.window import ReceiveBuffer, Window

HISTORY_LINES = 64  # at least; a Resend may ask for any of them
LINES_AHEAD = 8  # at least, numbered before their turn
SHORTEST_LINE_BYTES = 8
SILENCE_S = 1.0  # until the first probe, doubled with each; a lost ok costs no more
RESEND_OK_S = 0.5  # the ok behind a Resend belongs to it; some firmware leaves it out
LINE_FAULT_S = 1.0  # a complaint about a line that no Resend follows
QUIET_S = 0.06  # without a complaint: all that was in flight has been judged
WAIT_S = 1.0  # a "wait" that comes sooner may have crossed our line
MOST_DOUBTS = 3  # lines that may be out unnoticed, for the receive buffer's sake
LONGEST_STORM = 10  # resends without a line getting through
MOST_SILENCES = 6  # answers missed in a row; with doubling waits that is about two minutes
SMOOTHING = 0.05  # how much one more answer says about the latency
PROBE = "M105"


class Sent(NamedTuple):
    """A line that was given a number, kept for as long as it may be asked for again."""

    number: int
    command: str
    data: bytes


class Flow:
    """The state of one conversation.

    The caller asks `due` for what must be sent; hands over new commands with `send` when `drained`,
    or with `add` when there is `room` for commands that need not wait for those before them; gives
    every message to `hear`; and calls `due` again at `deadline`. All times are seconds of one
    clock of the caller's choice.

    Numbers, in order: ``_acked`` < ``_cursor`` ≤ ``_sent`` + 1 ≤ ``_last`` + 1.
    """

    def __init__(self, profile: FirmwareProfile) -> None:
        self.profile = profile
        self.form = Form()
        self.window = Window()
        self.resends = 0
        self.lost_answers = 0
        self.stray_oks = 0
        self.latency_s: float | None = None  # from a line to its ok, smoothed
        self.planner_free: int | None = None  # blocks, where the firmware tells
        self.failure = ""  # why the conversation cannot go on, empty while it can
        self.deadline: float | None = None
        self._history: deque[Sent] = deque(maxlen=HISTORY_LINES)
        self._says_busy = False
        self._answers = Answers()
        self._forget()

    def _forget(self) -> None:
        self._history.clear()
        self._last = -1  # number of the newest line
        self._sent = -1  # number of the newest line that ever went out
        self._cursor = 0  # number of the next line to go out
        self._acked = -1  # all lines up to here were taken
        self._told = -1  # all lines up to here were reported as taken
        self._buffer = ReceiveBuffer()
        self._answers.forget()
        self._resend_open = False  # a Resend came, its ok did not yet
        self._asked = -1  # the line that it asked for
        self._quiet_at: float | None = None  # nothing is sent before
        self._sync = False  # an M105 has to make sure which ok belongs to which line
        self._doubts = 0  # resends since that was sure: each may have brought an ok too many
        self._open_form = True  # what opens the form of the lines has to be said (again)
        self._sent_at = self._timed_at = 0.0
        self._timed = -1  # number of the line whose answer is timed
        self._silences = 0
        self._storm = 0
        self.failure = ""
        self.deadline = None

    # Sending -------------------------------------------------------------------------------

    @property
    def drained(self) -> bool:
        """Was all taken, so that any command may be sent now?"""
        return (
            self._acked == self._last
            and not self._resend_open
            and not self.failure
            and (self.deadline is None or self._quiet_at is not None)
        )

    @property
    def room(self) -> int:
        """How many commands may be added ahead of their turn; 0 while there are enough."""
        if self.failure or self._cursor <= self._sent:
            return 0
        most = LINES_AHEAD + self.window.bytes // 16
        ahead = self._last - self._sent
        return most - ahead if 2 * ahead <= most else 0

    @property
    def waiting(self) -> int:
        """How many commands were handed over and are not known to be taken."""
        return self._last - self._acked

    def use(self, form: Form) -> None:
        """Write lines in this form from now on; only while `drained`."""
        self.form, self._open_form = form, True

    @property
    def remark(self) -> str:
        """What a person should know of the line; empty while all is well."""
        if self.window.bytes or not self.window.faults:
            return ""
        return f"Lines go one at a time: {self.resends} had to be sent again. Check the cable."

    @property
    def front(self) -> str:
        """The command whose answer is the next to come; empty when none is awaited."""
        return self._line(self._acked + 1).command if self._acked < self._sent else ""

    def allow_window(self, receive_buffer_bytes: int) -> None:
        """Let several lines be on their way from now on, up to this many bytes."""
        self.window.allow(receive_buffer_bytes)
        window = self.window.bytes
        most = HISTORY_LINES + window // SHORTEST_LINE_BYTES + LINES_AHEAD + window // 16
        self._history = deque(self._history, maxlen=most)

    def restart(self, now: float) -> bytes:
        """Begin to count anew; forgets every line that is out."""
        self._forget()
        return self.send("M110 N0", now)

    def send(self, command: str, now: float) -> bytes:
        """The bytes of a new command; only while `drained`."""
        self.add((command,))
        out = bytearray()
        self._put(out, now)
        return bytes(out)

    def add(self, commands: Iterable[str]) -> None:
        """Give commands their numbers; `due` sends them when their turn comes."""
        line, history, number = self.form.line, self._history, self._last
        for command in commands:
            number += 1
            history.append(Sent(number, command, line(number, command)))
            if command == PROBE:
                self._answers.checks.append(number)
        self._last = number

    def withdraw(self) -> list[str]:
        """Take back the commands that never went out."""
        commands = [self._history.pop().command for _ in range(self._last - self._sent)]
        self._last = self._sent
        self._answers.withdrawn(self._last)
        return commands[::-1]

    def resync(self, now: float) -> None:
        """Bytes went out beside the numbering: find out by probe where the firmware is."""
        self._resend_open = False
        self._quiet_at = None
        self._silences = -1  # the probe that follows is no missed answer
        self._open_form = True
        self.deadline = now

    def due(self, now: float) -> bytes | None:
        """What has to go out now: lines whose turn has come, a resend, a probe."""
        if self.failure:
            return None
        late = self.deadline is not None and now >= self.deadline
        if not late and self._cursor > self._last and not self._sync:
            return None
        out = bytearray()
        if late:
            self._overdue(out, now)
        if self._resend_open or self._quiet_at is not None or self.failure:
            return None
        if self._sync and self._cursor > self._sent:
            self._sync, self._doubts = False, 0
            self._insert_probe()
        while self._cursor <= self._last and self._fits():
            self._put(out, now)
        return bytes(out) if out else None

    def after_oks(self) -> list[bytes]:
        """What `due` will give with each of the next plain oks, as far as that is sure already.

        So it can be sent the moment that they come, and be counted afterwards: `hear_oks` and
        `due` for each, before anything else is done here. The last may be given more by then.
        """
        front, cursor = self._acked + 1, self._cursor
        out, checks = cursor - front, self._answers.checks
        if cursor <= self._sent or not out or out != self._buffer.lines or self.failure:
            return []
        if self._resend_open or self._sync or self._open_form or self._silences:
            return []
        if self._quiet_at is not None or (checks and checks[0] < cursor):
            return []
        end = checks[0] if checks else self._last + 1
        lines = [self._line(number).data for number in range(cursor, end)]
        return self._buffer.answered(lines, self.window.bytes)[: self.window.steady_lines]

    def _fits(self) -> bool:
        if self._acked + 1 == self._cursor:
            return True
        room = self.window.bytes - self._buffer.bytes
        if room <= 0 or len(self._line(self._cursor).data) > room:
            return False
        # Nothing goes behind an M105 before it is answered.
        checks = self._answers.checks
        return not checks or checks[0] >= self._cursor

    def _put(self, out: bytearray, now: float) -> None:
        """Let the line at the cursor go out."""
        line = self._line(self._cursor)
        size = len(line.data)
        if self._open_form:
            self._open_form = False
            out += self.form.opening
            size += len(self.form.opening)
        out += line.data
        self._buffer.put(size)
        if self._cursor == self._acked + 1:
            self.deadline = now + self._timeout_s(line.command)
        if line.command == PROBE:
            self._answers.reported = False
        if self._timed < 0:
            self._timed, self._timed_at = line.number, now
        self._cursor += 1
        self._sent = max(self._sent, line.number)
        self._sent_at = now

    def _overdue(self, out: bytearray, now: float) -> None:
        """Something that should have come by now has not."""
        if self._resend_open:
            self._resend_open = False  # its ok will not come any more
            self._rest(now)
        if self._quiet_at is not None:
            if now >= self._quiet_at:
                self._quiet_at = None
                self._rearm(now)
        elif self._cursor <= self._sent:
            # The firmware asked for this line, so it has those before.
            self.lost_answers += self._cursor - 1 - self._acked
            self._take(self._cursor - 1, now)
        elif self.deadline is not None and now >= self.deadline:
            self._silences += 1
            if self._silences > MOST_SILENCES:
                self.failure = "it does not answer any more"
                self.deadline = None
                return
            self._insert_probe()
            # Whatever is out has left the receive buffer for the queue long ago, so there is room.
            # The end of line completes one whose own was lost.
            out += self.form.opening + self.form.end
            self._open_form = False
            self._put(out, now)
            self.deadline = now + self._timeout_s(PROBE)

    def _insert_probe(self) -> None:
        """Put an M105 before the lines that never went out; these get new numbers."""
        self.add([PROBE, *self.withdraw()])

    def _timeout_s(self, command: str) -> float:
        profile = self.profile
        is_move = command.startswith("G1 ")  # as nearly all are
        if not is_move and code_of(command) in profile.long_commands:
            return profile.probe_after_s if self._says_busy else profile.long_timeout_s
        return min(SILENCE_S, profile.probe_after_s) * 2.0 ** max(0, self._silences)

    def _rearm(self, now: float) -> None:
        """Set the deadline for the line whose answer is the next to come."""
        front = self._acked + 1
        out = front < self._cursor
        self.deadline = now + self._timeout_s(self._line(front).command) if out else None

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
            if self.deadline is not None and not self._resend_open and self._quiet_at is None:
                self.deadline = now + self.profile.probe_after_s
        elif isinstance(message, Report):
            self._answers.reported = True
        elif isinstance(message, Wait):
            if self.deadline is not None and now - self._sent_at > WAIT_S:
                self.deadline = now
        elif isinstance(message, LineFault) and self.deadline is not None:
            self.deadline = min(self.deadline, now + LINE_FAULT_S)
        return []

    def hear_oks(self, count: int, now: float) -> list[str]:
        """As many plain oks, one after the other: what `hear` does, in one go."""
        through, checks = self._acked + count, self._answers.checks
        simple = not self._resend_open and not self._silences and through < self._cursor
        if simple and not (checks and checks[0] <= through):
            return self._take(through, now)
        return [command for _ in range(count) for command in self._hear_ok(Ok(), now)]

    def _hear_ok(self, ok: Ok, now: float) -> list[str]:
        if self._resend_open:
            self._resend_open = False
            self._rest(now)
            return []
        front = self._acked + 1
        through = None
        if front < self._cursor:
            through = self._answers.through(ok, front, self._cursor, self._silences)
        if through is None:
            self.stray_oks += 1
            return []
        self.planner_free = ok.planner_free
        if ok.number is not None or ok.heat is not None:
            self.lost_answers += through - front
        return self._take(through, now)

    def _take(self, through: int, now: float) -> list[str]:
        if self.window.clean(through - self._acked):
            self._sync = True
        history, behind = self._history, self._last + 1
        untold = range(max(self._told, self._acked) + 1, through + 1)
        taken = [history[number - behind].command for number in untold]
        self._acked = through
        self._told = max(self._told, through)
        self._buffer.clear(through)
        if 0 <= self._timed <= through:
            took_s, before_s = now - self._timed_at, self.latency_s
            new = took_s if before_s is None else before_s + SMOOTHING * (took_s - before_s)
            self.latency_s, self._timed = new, -1
        if self._answers.checks:
            self._answers.taken(through)
        self._silences = 0
        if through >= self._asked:
            self._storm = 0
        if self._quiet_at is None:
            self._rearm(now)
        return taken

    def _rest(self, now: float) -> None:
        """The Resend has had its ok: the lines asked for may go, after the quiet if need be."""
        self._rearm(now)
        if self._quiet_at is not None:
            self.deadline = self._quiet_at

    def _hear_resend(self, number: int, now: float) -> None:
        self.resends += 1
        self._silences, self._timed = 0, -1
        draining = self._quiet_at is not None
        if self.window.fault() or draining:
            self._quiet_at = now + QUIET_S
        if not draining:
            self._storm += 1
        if self._storm > LONGEST_STORM:
            self.failure = f"it asked for line {number} again and again: check cable and baud rate"
            self.deadline = None
            return
        oldest = self._last - len(self._history) + 1
        if not oldest <= number <= self._sent + 1:
            # Garbled, or the answer to our M110 itself: the line that is out has to go again.
            number = max(oldest, min(self._acked + 1, self._sent))
        self._cursor = self._asked = number
        # Lines before it were received, and the firmware has just emptied its receive buffer.
        self._acked = min(self._acked, number - 1)
        self._buffer.flushed(number)
        self._resend_open = self._open_form = True
        self._doubts += 1
        self._sync = self._sync or self._doubts >= MOST_DOUBTS
        self.deadline = now + RESEND_OK_S
