"""One print of ours: which command comes next, through pause, resume, cancel and end. No I/O
but reading the file."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from fabcoord.printers.base import Outcome, PrintOrder, RunningPrint
from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.framing import UnsendableLine
from fabcoord.printers.serial.parser import Position
from fabcoord.printers.serial.stream import PAUSE, ForbiddenCommand, GcodeStream

# An M105 gets an answer that no other line can get, so all before it was surely taken.
MARK = "M105"


class Phase(StrEnum):
    """Where a print is."""

    STREAMING = "streaming"  # lines of the file go out
    STOPPING = "stopping"  # for a pause: the planned moves are made, the place is noted
    PARKING = "parking"  # for a pause: the head goes aside
    PAUSED = "paused"  # nothing goes out
    RETURNING = "returning"  # the head goes back to where it was
    CLEARING_UP = "clearing up"  # cancelled or failed: heat off, head aside, motors off
    ENDING = "ending"  # the file is sent, its last moves are being made


class Job:
    """The print of one order. Raises OSError when the file cannot be opened."""

    survives = False  # a lost connection ends this print

    def __init__(self, order: PrintOrder, profile: FirmwareProfile, now: float) -> None:
        self.order = order
        self.phase = Phase.STREAMING
        self.outcome: Outcome | None = None  # set when it is known how this print ends
        self.reason = ""
        self.over = False  # nothing more is to be sent
        self.lines_sent = 0
        self.started_at = now
        self._profile = profile
        self._stream = GcodeStream(order.path, profile.longest_line_bytes)
        self.line = 0  # of the file, the last that the printer has acknowledged
        self._script: deque[str] = deque()
        self._sent: deque[tuple[str, int]] = deque()  # from the file, not acknowledged yet
        self._homing = self._homed = False
        self._wants_pause = False
        self._place: dict[str, float | str] | None = None  # where the head was before parking

    # Wishes --------------------------------------------------------------------------------

    def pause(self, reason: str = "") -> None:
        """Stop at the next line of the file."""
        self._wants_pause, self.reason = True, reason

    def resume(self) -> None:
        """Go on; when the head is still on its way aside, as soon as it is there."""
        self._wants_pause, self.reason = False, ""

    def clear_up(self, outcome: Outcome, reason: str) -> None:
        """End the print early: heat off first, then the head aside, if it knows where it is."""
        if self.phase is Phase.CLEARING_UP:
            return
        self.outcome, self.reason = outcome, reason
        park = self._profile.script("park") if self._homed else []
        self._run(
            Phase.CLEARING_UP,
            [*self._profile.script("cool"), *park, *self._profile.script("release"), MARK],
        )

    # Commands ------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        return self.phase in (Phase.PARKING, Phase.PAUSED)

    def next_command(self, position: Position | None) -> str | None:
        """The next command to send, None while there is none.

        Asked only when all that it gave before was taken by the printer, so being asked is itself
        the news that a script is through.

        Args:
            position: what the printer's M114 said last.
        """
        while not self.over:
            if self._script:
                return self._script.popleft()
            if self.phase is Phase.STREAMING and not self._wants_pause:
                command = self._from_file()
                if command is not None:
                    return command
            elif self.phase is Phase.PAUSED and self._wants_pause:
                return None
            else:
                self._go_on(position)
        return None

    def next_lines(self, most: int) -> list[str]:
        """Lines of the file that need not wait for those before; empty while others have to go."""
        if self.phase is not Phase.STREAMING or self._wants_pause or self._script or self.over:
            return []
        try:
            lines = self._stream.next_moves(most)
        except OSError as error:
            self.clear_up(Outcome.FAILED, f"The file cannot be printed: {error}.")
            return []
        self._sent.extend(lines)
        self.lines_sent += len(lines)
        return [command for command, _ in lines]

    def _go_on(self, position: Position | None) -> None:
        """From a phase that is through to the one behind it."""
        if self.phase is Phase.STREAMING:
            # M114 tells where the head is once M400 has let the moves end.
            self._run(Phase.STOPPING, ["M400", "M114"])
        elif self.phase is Phase.STOPPING:
            self._place = self._place_now(position)
            park = self._profile.script("pause", **self._place) if self._place else []
            self._run(Phase.PARKING, park)
        elif self.phase is Phase.PARKING:
            self.phase = Phase.PAUSED
        elif self.phase is Phase.PAUSED:
            back = self._profile.script("resume", **self._place) if self._place else []
            self._run(Phase.RETURNING, back)
        elif self.phase is Phase.RETURNING:
            self.phase = Phase.STREAMING
        else:
            self.over = True

    def _from_file(self) -> str | None:
        """The next command of the file; None when it changed what is to be done instead."""
        try:
            command = self._stream.next()
        except (UnsendableLine, ForbiddenCommand, OSError) as error:
            self.clear_up(Outcome.FAILED, f"The file cannot be printed: {error}.")
            return None
        if command is None:
            self.outcome = Outcome.FINISHED
            self._run(Phase.ENDING, [*self._profile.script("end"), MARK])
        elif command is PAUSE:
            self.pause("The file asks for a pause here.")
            return None
        else:
            self.lines_sent += 1
            self._sent.append((command, self._stream.line))
            if command.startswith(("G28", "M18", "M84")):
                self._homing, self._homed = command.startswith("G28"), False
        return command

    def took(self, command: str) -> None:
        """The printer has acknowledged a command, in the order in which they were given."""
        if self._sent and self._sent[0][0] is command:
            self.line = self._sent.popleft()[1]
            if self._homing and command.startswith("G28"):
                self._homed, self._homing = True, False

    def _run(self, phase: Phase, script: list[str]) -> None:
        self.phase = phase
        self._script = deque(script)

    def _place_now(self, position: Position | None) -> dict[str, float | str] | None:
        """What a resume has to restore; None where the head had better not be moved."""
        if position is None or not self._homed:
            return None
        stream = self._stream
        return {
            "x": position.x,
            "y": position.y,
            "z": position.z,
            "e": position.e,
            "f": stream.feed_mm_min,
            "xyz_mode": "G91" if stream.relative_xyz else "G90",
            "e_mode": "M83" if stream.relative_e else "M82",
        }

    # How far -------------------------------------------------------------------------------

    def running(self, now: float) -> RunningPrint:
        """This print as others see it."""
        order, stream = self.order, self._stream
        progress = stream.progress
        remaining_s = None
        if order.duration_s is not None:
            remaining_s = order.duration_s * (1.0 - progress)
        elif progress > 0.05:
            remaining_s = (now - self.started_at) * (1.0 - progress) / progress
        return RunningPrint(
            attempt_id=order.attempt_id,
            file_name=order.file_name,
            progress=progress,
            layer=stream.layer,
            layers=order.layers or stream.layers,
            remaining_s=remaining_s,
            line=self.line,
        )

    def close(self) -> None:
        self._stream.close()
