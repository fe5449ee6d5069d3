"""Keeps the driver of one printer: makes it, reaches the printer again when it was away."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from fabcoord.agent.client import Backoff
from fabcoord.errors import FabcoordError, PrinterOffline
from fabcoord.printers.base import Activity, Printer, Status

_LOG = logging.getLogger(__name__)


class Reach:
    """One printer's driver, for the runner's thread.

    Args:
        name: the printer's name, for the log.
        make: makes the driver; tried again while it raises FabcoordError.
    """

    def __init__(self, name: str, make: Callable[[], Printer], clock: Callable[[], float]) -> None:
        self._name, self._make, self._clock = name, make, clock
        self._printer: Printer | None = None
        self._problem = "Connecting."
        self._again_at = 0.0
        self._present = True
        self._backoff = Backoff(cap_s=30.0)

    def driver(self) -> Printer:
        """The driver; raises PrinterOffline while there is none."""
        if self._printer is None:
            raise PrinterOffline(self._problem)
        return self._printer

    def status(self) -> Status:
        """What the printer is doing; OFFLINE, with the reason, when it cannot be asked."""
        if self._printer is None and not self._make_driver():
            return Status(Activity.OFFLINE, self._problem)
        try:
            status = self.driver().status()
        except (FabcoordError, OSError) as error:
            return Status(Activity.OFFLINE, str(error))
        if status.activity is Activity.OFFLINE and not status.reason:
            return replace(status, reason=self._problem)
        return status

    def connect(self) -> bool:
        """Try to reach the printer, less often the longer it is away; whether it worked."""
        if self._printer is None:
            return False
        # Plugged in again: at once. Otherwise patience, as opening the port resets many boards.
        was_present, self._present = self._present, getattr(self._printer, "present", True)
        plugged_in = self._present and not was_present
        if self._clock() < self._again_at and not plugged_in:
            return False
        try:
            self._printer.connect()
        except (FabcoordError, OSError) as error:
            self._fail(error)
            return False
        self._backoff.reset()
        return True

    def close(self) -> None:
        """Let go of the printer; a print that runs on it goes on."""
        if self._printer is None:
            return
        try:
            self._printer.close()
        except (FabcoordError, OSError) as error:
            _LOG.warning("%s: closing: %s", self._name, error)

    def end_simulator(self) -> None:
        """End the simulator of a virtual printer; a no-op for others."""
        stop = getattr(self._printer, "stop_simulator", None)
        if stop is not None:
            stop()

    def _make_driver(self) -> bool:
        if self._clock() < self._again_at:
            return False
        try:
            self._printer = self._make()
        except FabcoordError as error:
            self._fail(error)
            return False
        return True

    def _fail(self, error: Exception) -> None:
        self._problem = str(error)
        self._again_at = self._clock() + max(1.0, self._backoff.next_s())
        _LOG.info("%s: %s", self._name, error)
