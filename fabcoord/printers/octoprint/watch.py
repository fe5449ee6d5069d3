"""Watches one OctoPrint: what runs there, whose it is, and how it ended."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from fabcoord.errors import PrinterError, PrinterOffline
from fabcoord.printers.base import (
    Activity,
    EndedPrint,
    Outcome,
    RunningPrint,
    Status,
    Temperatures,
)
from fabcoord.printers.octoprint.answers import Job, attempt_of
from fabcoord.printers.octoprint.client import Client
from fabcoord.printers.octoprint.session import Refused

_PRINTING_S = 1.0  # between two looks
_IDLE_S = 2.0
_UNREACHABLE_S = 4.0
_STALE_S = 12.0  # older knowledge is not told as if it were fresh
_RECORD_S = 2.0  # OctoPrint writes its record of a print from a thread of its own


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found."""

    job: Job
    attempt_id: str | None  # of the running print, when it is one of ours
    temperatures: Temperatures


class Watch:
    """Looks at one OctoPrint again and again from a thread of its own.

    `status` answers from the last look and never waits; `look` looks now, from any thread.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._looking = threading.Lock()  # guards the client and all memory below
        self._last: Look | None = None
        self._looked_at = time.monotonic()
        self._failure: PrinterError | None = None
        self._running: Look | None = None  # the print that was running when last seen
        self._ended: EndedPrint | None = None
        self._again: str | None = None  # an ended print of ours that someone prints once more
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.firmware = ""
        self.cancelling: str | None = None  # the attempt that we were asked to cancel

    def start(self) -> None:
        """Look once, then keep looking; raises what the first look raises."""
        look = self.look()
        attempt_id = attempt_of(look.job.path)
        if attempt_id is not None:
            self.recall(attempt_id)
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="octoprint", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop looking; returns at once."""
        self._stopped.set()

    def status(self) -> Status:
        """The last look, as `Printer.status`."""
        look, failure = self._last, self._failure
        age_s = time.monotonic() - self._looked_at
        if failure is not None:
            offline = isinstance(failure, PrinterOffline)
            activity = Activity.OFFLINE if offline else Activity.ATTENTION
            return Status(activity, str(failure), ended=self._ended, firmware=self.firmware)
        if look is None or age_s > _STALE_S:
            silence = f"has not answered for {age_s:.0f} s" if look else "has not been reached yet"
            reason = f"OctoPrint at {self._client.where} {silence}."
            return Status(Activity.OFFLINE, reason, ended=self._ended, firmware=self.firmware)
        job = look.job
        running = RunningPrint(
            attempt_id=look.attempt_id,
            file_name=job.name,
            progress=job.progress,
            remaining_s=job.remaining_s,
        )
        return Status(
            activity=job.activity,
            reason=job.reason,
            temperatures=look.temperatures,
            print=running if job.active else None,
            ended=None if job.active else self._ended,
            firmware=self.firmware,
        )

    def look(self) -> Look:
        """Look now; raises PrinterOffline or PrinterError."""
        with self._looking:
            try:
                job = self._client.job()
                temperatures = self._client.temperatures()
                look = Look(job, self._whose(job), temperatures)
                self._remember(look)
            except PrinterError as error:
                self._failure = error
                raise
            finally:
                self._looked_at = time.monotonic()
            self._last, self._failure = look, None
            return look

    def recall(self, attempt_id: str) -> None:
        """Learn from OctoPrint's record how a print ended that nobody saw run."""
        look = self.look()
        with self._looking:
            unseen = not look.job.active and self._ended is None
            if unseen and attempt_of(look.job.path) == attempt_id:
                before = Look(look.job, attempt_id, look.temperatures)
                self._ended = self._how_ended(before, look.job)

    def outcome_of(self, attempt_id: str) -> Outcome | None:
        """How this attempt's print ended, if we saw it end."""
        ended = self._ended
        return ended.outcome if ended and ended.attempt_id == attempt_id else None

    def _watch(self) -> None:
        pause_s = _PRINTING_S
        while not self._stopped.wait(pause_s):
            try:
                pause_s = _PRINTING_S if self.look().job.active else _IDLE_S
            except PrinterError:  # kept for `status`
                pause_s = _UNREACHABLE_S

    def _whose(self, job: Job) -> str | None:
        """The attempt that is printing; None when the print is not of our making.

        A file of ours that has a record of a print behind it and runs again was started by hand.
        """
        attempt_id = attempt_of(job.path)
        if not job.active or attempt_id is None:
            self._again = None
            return None
        before = self._running if self._failure is None else None
        if before is not None and before.job.path == job.path:
            return before.attempt_id
        if job.path == self._again:
            return None
        file = self._client.file(job.path or "")
        if file is None or not file.printed:
            return attempt_id
        # The record may be that of this very print, if it ended while we asked.
        now = self._client.job()
        if now.active and not now.ending and now.path == job.path:
            self._again = job.path
            return None
        return attempt_id

    def _remember(self, look: Look) -> None:
        before = self._running
        if look.job.active:
            self._running, self._ended = look, None
        elif before is not None:
            ended = self._how_ended(before, look.job)
            if before.attempt_id is not None and before.attempt_id == self.cancelling:
                self._cool_down(look.job)
            self._running, self._ended = None, ended

    def _cool_down(self, now: Job) -> None:
        if now.activity is not Activity.IDLE:
            return
        with suppress(Refused):  # it lost its printer just now
            self._client.cool_down()

    def _how_ended(self, before: Look, now: Job) -> EndedPrint | None:
        """How the print of an earlier look ended; None when nobody can tell."""
        same = (now.path, now.name) == (before.job.path, before.job.name)
        outcome = self._recorded(before.job.path or "") if before.attempt_id else None
        if outcome is Outcome.FAILED and same and now.activity is Activity.IDLE:
            # After an error OctoPrint lets go of the file; after a cancellation it keeps it.
            outcome = Outcome.CANCELLED
        if outcome is None:
            outcome = _outcome_by_state(now, same, before.attempt_id is not None)
        if outcome is None:
            return None
        reason = now.reason
        if outcome is Outcome.CANCELLED and before.attempt_id != self.cancelling:
            reason = "Cancelled in OctoPrint, by a person or after an error of the printer."
        return EndedPrint(before.attempt_id, before.job.name, outcome, reason)

    def _recorded(self, path: str) -> Outcome | None:
        deadline = time.monotonic() + _RECORD_S
        while True:
            file = self._client.file(path)
            if file is None or file.printed or time.monotonic() > deadline:
                return file.outcome if file else None
            self._stopped.wait(0.1)


def _outcome_by_state(now: Job, same_file: bool, ours: bool) -> Outcome | None:
    """How a print ended, from what OctoPrint shows afterwards.

    A print of ours without a record that is not complete stays open: OctoPrint may have been
    restarted, and a person has to look.
    """
    if now.activity is Activity.ATTENTION:
        return Outcome.FAILED
    if same_file and now.activity is Activity.IDLE:
        if now.progress == 1.0:
            return Outcome.FINISHED
        return None if ours else Outcome.CANCELLED
    return None
