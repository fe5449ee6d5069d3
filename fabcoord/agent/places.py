"""Keeps in the journal how far streamed prints have come, sparing the SD card it lies on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from fabcoord.agent.held import Place
from fabcoord.agent.journal import Journal
from fabcoord.printers.serial.modal import ModalScan

_LOG = logging.getLogger(__name__)
WRITE_EVERY_S = 1.0


class Places:
    """Notes places and writes them at most once a second, whatever the number of printers."""

    def __init__(self, journal: Journal, clock: Callable[[], float] = time.monotonic) -> None:
        self._journal, self._clock = journal, clock
        self._lock = threading.Lock()
        self._scans: dict[str, ModalScan] = {}
        self._noted_at: dict[str, float] = {}
        self._waiting: dict[str, Place] = {}
        self._written_at = -WRITE_EVERY_S

    def note(self, attempt_id: str, gcode: Path, line: int) -> None:
        """This attempt's print has come to ``line``. Raises JournalError when it cannot be kept.

        Called by the attempt's own runner only; the others go on meanwhile.
        """
        now = self._clock()
        if now - self._noted_at.get(attempt_id, -WRITE_EVERY_S) < WRITE_EVERY_S:
            return
        self._noted_at[attempt_id] = now
        try:
            scan = self._scans.get(attempt_id) or ModalScan(gcode)
            self._scans[attempt_id] = scan
            place = Place(line, scan.advance(line).as_json())
        except OSError as error:
            _LOG.warning("how far %s is cannot be noted: %s", attempt_id, error)
            return
        with self._lock:
            self._waiting[attempt_id] = place
            if now - self._written_at >= WRITE_EVERY_S:
                self._written_at, waiting, self._waiting = now, self._waiting, {}
                self._journal.note_places(waiting)

    def way_on(self, attempt_id: str) -> str:
        """How a person can go on with a print that was cut off, in one sentence; or nothing."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            if waiting:
                self._journal.note_places(waiting)
        place = self._journal.places().get(attempt_id)
        if place is None or place.state.get("z") is None or not place.state.get("hotend_c"):
            return ""
        return (
            f"It had come to line {place.line}. A person can go on from there: "
            f"fabcoord agent resume-point {attempt_id} (heats, homes X and Y, primes)."
        )

    def forget(self, attempt_id: str) -> None:
        """The attempt has ended; what was written stays, for a person who wants to go on."""
        self._scans.pop(attempt_id, None)
        self._noted_at.pop(attempt_id, None)
        with self._lock:
            self._waiting.pop(attempt_id, None)
