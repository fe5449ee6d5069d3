"""One print of ours from the printer's own card: started there, followed there; it goes on without
us. No I/O."""

from __future__ import annotations

from collections import deque

from fabcoord.printers.base import Outcome, PrintOrder, RunningPrint
from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.job import MARK, Phase
from fabcoord.printers.serial.sdcard import CardWatch, card_name, short_name


class CardJob:
    """The same face as `job.Job`, for a file that is on the card.

    Args:
        watch: what the printer says of its card; told of everything by the session.
        runs: it runs already, and was found again.
    """

    survives = True  # a lost connection says nothing about this print

    def __init__(
        self,
        order: PrintOrder,
        profile: FirmwareProfile,
        watch: CardWatch,
        now: float,
        *,
        runs: bool,
    ) -> None:
        self.order = order
        self.phase = Phase.STREAMING
        self.outcome: Outcome | None = None
        self.reason = ""
        self.over = False
        self.lines_sent = 0
        self.started_at = now
        self._profile = profile
        self._watch = watch
        self._name = card_name(order.attempt_id, lower_case=profile.sd_lower_case)
        self._script: deque[str] = deque()
        self._runs = runs
        self._selected = False
        self._wants_pause: bool | None = None

    # Wishes --------------------------------------------------------------------------------

    def pause(self, reason: str = "") -> None:
        self._wants_pause, self.reason = True, reason

    def resume(self) -> None:
        self._wants_pause, self.reason = False, ""

    def clear_up(self, outcome: Outcome, reason: str) -> None:
        """End it early: the card stops first, or it would heat again."""
        if self.phase is Phase.CLEARING_UP:
            return
        self.outcome, self.reason = outcome, reason
        self.phase = Phase.CLEARING_UP
        script = self._profile.script
        self._script = deque([*script("sd_cancel"), *script("cool"), *script("release"), MARK])

    # Commands ------------------------------------------------------------------------------

    def next_command(self) -> str | None:
        """The next command to send, None while there is none; see `job.Job.next_command`."""
        if self._script:
            return self._script.popleft()
        if self.over:
            return None
        if self.phase in (Phase.CLEARING_UP, Phase.ENDING):
            self.over = True
            return None
        if not self._selected and not self._runs:
            self._selected = True
            self._watch.forget()
            return f"M23 {self._name}"
        if not self._runs:
            self._runs = True
            if short_name(self._watch.name) != short_name(self._name):
                self._end(Outcome.FAILED, f"The card has no file {self._name}.")
                return None
            self._watch.begin()
            return "M24"
        return self._follow()

    def _follow(self) -> str | None:
        watch, wants = self._watch, self._wants_pause
        if watch.outcome is Outcome.FINISHED:
            self.outcome, self.phase = Outcome.FINISHED, Phase.ENDING
            self._script = deque([*self._profile.script("end"), MARK])
        elif watch.outcome is not None:
            self.clear_up(Outcome.CANCELLED, "Cancelled at the printer.")
        elif wants is not None and watch.running:
            self._wants_pause = None
            watch.hear_pause(paused=wants)
            self._script = deque(self._profile.script("sd_pause" if wants else "sd_resume"))
        return self._script.popleft() if self._script else None

    def _end(self, outcome: Outcome, reason: str) -> None:
        self.outcome, self.reason, self.over = outcome, reason, True

    def took(self, command: str) -> None:
        """Which lines were taken is the printer's own affair here."""

    # How far -------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        return self._watch.paused

    def running(self, now: float) -> RunningPrint:
        """This print as others see it."""
        order, progress = self.order, self._watch.progress
        remaining_s = None if order.duration_s is None else order.duration_s * (1.0 - progress)
        return RunningPrint(
            attempt_id=order.attempt_id,
            file_name=order.file_name,
            progress=progress,
            layers=order.layers,
            remaining_s=remaining_s,
        )

    def close(self) -> None:
        """Nothing is open here."""
