"""What every print of ours has, streamed or from the card: its phase, its end, how far it is."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from fabcoord.printers.base import Outcome, PrintOrder, RunningPrint
from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.parser import Position

# An M105 gets an answer that no other line can get, so all before it was surely taken.
MARK = "M105"
_TELLING = 0.05  # of a print, before its pace says anything of the rest


class Phase(StrEnum):
    """Where a print is."""

    STREAMING = "streaming"  # lines of the file go out, or the card prints
    STOPPING = "stopping"  # for a pause: the planned moves are made, the place is noted
    PARKING = "parking"  # for a pause: the head goes aside
    PAUSED = "paused"  # nothing goes out
    RETURNING = "returning"  # the head goes back to where it was
    CLEARING_UP = "clearing up"  # cancelled or failed: heat off, head aside, motors off
    ENDING = "ending"  # the file is sent, its last moves are being made


class PrintJob:
    """The print of one order."""

    survives = False  # a lost connection says nothing about this print

    def __init__(self, order: PrintOrder, profile: FirmwareProfile, now: float) -> None:
        self.order = order
        self.phase = Phase.STREAMING
        self.outcome: Outcome | None = None  # set when it is known how this print ends
        self.reason = ""
        self.over = False  # nothing more is to be sent
        self.lines_sent = 0
        self.line = 0  # of the file, the last that the printer has acknowledged
        self.started_at = now
        self._profile = profile
        self._script: deque[str] = deque()

    def pause(self, reason: str = "") -> None:
        """Stop as soon as it may be."""
        raise NotImplementedError

    def resume(self) -> None:
        """Go on."""
        raise NotImplementedError

    def clear_up(self, outcome: Outcome, reason: str) -> None:
        """End the print early, once: `_clearing` says how."""
        if self.phase is Phase.CLEARING_UP:
            return
        self.outcome, self.reason = outcome, reason
        self._run(Phase.CLEARING_UP, [*self._clearing(), MARK])

    def _clearing(self) -> list[str]:
        raise NotImplementedError

    def _run(self, phase: Phase, script: list[str]) -> None:
        self.phase = phase
        self._script = deque(script)

    def next_command(self, position: Position | None) -> str | None:
        """The next command to send, None while there is none.

        Asked only when all that it gave before was taken by the printer, so being asked is itself
        the news that a script is through.

        Args:
            position: what the printer's M114 said last.
        """
        raise NotImplementedError

    @property
    def paused(self) -> bool:
        """Does it stand still?"""
        raise NotImplementedError

    @property
    def progress(self) -> float:
        """0 to 1."""
        raise NotImplementedError

    @property
    def layers(self) -> tuple[int | None, int | None]:
        """The layer that is printed, and how many there are, as far as the file tells."""
        return None, None

    def took(self, command: str) -> None:
        """The printer has acknowledged a command, in the order in which they were given."""

    def running(self, now: float) -> RunningPrint:
        """This print as others see it."""
        order, progress, (layer, layers) = self.order, self.progress, self.layers
        remaining_s = None
        if order.duration_s is not None:
            remaining_s = order.duration_s * (1.0 - progress)
        elif progress > _TELLING:
            remaining_s = (now - self.started_at) * (1.0 - progress) / progress
        return RunningPrint(
            attempt_id=order.attempt_id,
            file_name=order.file_name,
            progress=progress,
            layer=layer,
            layers=order.layers or layers,
            remaining_s=remaining_s,
            line=self.line or None,
        )

    def close(self) -> None:
        """Let go of the file."""
