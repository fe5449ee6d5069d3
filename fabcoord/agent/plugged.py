"""A printer with a plug: any driver, whose status also says what the plug measures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from fabcoord.agent.plugs import PlugWatch
from fabcoord.printers.base import Printer, Status


class PluggedPrinter:
    """Passes everything on to ``driver``, but looks after the plug.

    The power is taken in an emergency only: when a person asks for a stop, and when the driver
    itself has stopped the printer because of its heat.

    Args:
        cuts_power: whether it is taken at all.
    """

    def __init__(self, driver: Printer, plug: PlugWatch, *, cuts_power: bool = True) -> None:
        self._driver, self._plug, self._cuts_power = driver, plug, cuts_power
        self._was_stopped = False

    def __getattr__(self, name: str) -> Any:
        if name == "emergency_stop" and self._cuts_power:
            return self._emergency_stop
        return getattr(self._driver, name)

    def status(self) -> Status:
        status = self._driver.status()
        if status.stopped_by_us and not self._was_stopped and self._cuts_power:
            self._plug.off_soon()
        self._was_stopped = status.stopped_by_us
        details = {"Plug": self._plug.trouble} if self._plug.trouble else {}
        return replace(
            status,
            metrics={**status.metrics, **self._plug.metrics},
            details={**status.details, **details},
        )

    def close(self) -> None:
        self._plug.close()
        self._driver.close()

    def _emergency_stop(self) -> None:
        """Stop the firmware, where the driver speaks to it, and take the power.

        Raises PrinterOffline or PrinterError when the plug did not follow; it is told again.
        """
        stop = getattr(self._driver, "emergency_stop", None)
        if stop is not None:
            stop()
        self._was_stopped = True  # the power is taken once, so that a person can put it back
        self._plug.off()


def plugged(driver: Printer, plug: PlugWatch, *, cuts_power: bool = True) -> Printer:
    """`PluggedPrinter`, which has all that ``driver`` has."""
    return cast("Printer", PluggedPrinter(driver, plug, cuts_power=cuts_power))
