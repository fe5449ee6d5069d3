"""One print of ours: which command comes next, through pause, resume, cancel and end. No I/O
but reading the file."""

from __future__ import annotations

from collections import deque

from fabcoord.printers.base import Outcome, PrintOrder
from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.framing import UnsendableLine
from fabcoord.printers.serial.parser import Position
from fabcoord.printers.serial.printjob import MARK, Phase, PrintJob
from fabcoord.printers.serial.stream import PAUSE, ForbiddenCommand, GcodeStream


class Job(PrintJob):
    """A print that is streamed. Raises OSError when the file cannot be opened."""

    def __init__(self, order: PrintOrder, profile: FirmwareProfile, now: float) -> None:
        super().__init__(order, profile, now)
        self._stream = GcodeStream(order.path, profile.longest_line_bytes)
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

    def _clearing(self) -> list[str]:
        """Heat off first, then the head aside, if it knows where it is."""
        park = self._profile.script("park") if self._homed else []
        return [*self._profile.script("cool"), *park, *self._profile.script("release")]

    # Commands ------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        return self.phase in (Phase.PARKING, Phase.PAUSED)

    def next_command(self, position: Position | None) -> str | None:
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
        if self._sent and self._sent[0][0] is command:
            self.line = self._sent.popleft()[1]
            if self._homing and command.startswith("G28"):
                self._homed, self._homing = True, False

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

    @property
    def progress(self) -> float:
        return self._stream.progress

    @property
    def layers(self) -> tuple[int | None, int | None]:
        return self._stream.layer, self._stream.layers

    def close(self) -> None:
        self._stream.close()
