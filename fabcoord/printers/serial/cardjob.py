"""One print of ours from the printer's own card: started there, followed there; it goes on without
us. No I/O."""

from __future__ import annotations

from collections import deque

from fabcoord.printers.base import Outcome, PrintOrder
from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.parser import Position
from fabcoord.printers.serial.printjob import MARK, Phase, PrintJob
from fabcoord.printers.serial.sdcard import CardWatch, card_name, short_name

REPORT_CARD_S = 2


class CardJob(PrintJob):
    """The same face as `job.Job`, for a file that is on the card.

    Args:
        watch: what the printer says of its card; told of everything by the session.
        runs: it runs already, and was found again.
        reports: the firmware can tell by itself, every few seconds, how far it is.
    """

    survives = True

    def __init__(
        self,
        order: PrintOrder,
        profile: FirmwareProfile,
        watch: CardWatch,
        now: float,
        *,
        runs: bool,
        reports: bool = False,
    ) -> None:
        super().__init__(order, profile, now)
        self.reports = reports
        self._watch = watch
        self._name = card_name(order.attempt_id, lower_case=profile.sd_lower_case)
        self._runs = runs
        self._selected = False
        self._wants_pause: bool | None = None
        if runs and reports:
            self._script.append(f"M27 S{REPORT_CARD_S}")

    # Wishes --------------------------------------------------------------------------------

    def pause(self, reason: str = "") -> None:
        self._wants_pause, self.reason = True, reason

    def resume(self) -> None:
        self._wants_pause, self.reason = False, ""

    def _clearing(self) -> list[str]:
        """The card stops first, or it would heat again."""
        script = self._profile.script
        return [*script("sd_cancel"), *self._quiet, *script("cool"), *script("release")]

    @property
    def _quiet(self) -> list[str]:
        """No more reports of its own."""
        return ["M27 S0"] if self.reports else []

    # Commands ------------------------------------------------------------------------------

    def next_command(self, position: Position | None) -> str | None:
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
            if self.reports:
                self._script.append(f"M27 S{REPORT_CARD_S}")
            return "M24"
        return self._follow()

    def _follow(self) -> str | None:
        watch, wants = self._watch, self._wants_pause
        if watch.outcome is Outcome.FINISHED:
            self.outcome = Outcome.FINISHED
            self._run(Phase.ENDING, [*self._quiet, *self._profile.script("end"), MARK])
        elif watch.outcome is not None:
            self.clear_up(Outcome.CANCELLED, "Cancelled at the printer.")
        elif wants is not None and watch.running:
            self._wants_pause = None
            watch.hear_pause(paused=wants)
            self._script = deque(self._profile.script("sd_pause" if wants else "sd_resume"))
        return self._script.popleft() if self._script else None

    def _end(self, outcome: Outcome, reason: str) -> None:
        self.outcome, self.reason, self.over = outcome, reason, True

    # How far -------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        return self._watch.paused

    @property
    def progress(self) -> float:
        return self._watch.progress
