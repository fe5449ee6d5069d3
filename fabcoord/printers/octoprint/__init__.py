"""Reaches a printer through OctoPrint's REST API."""

from __future__ import annotations

from fabcoord.printers.octoprint.driver import OctoPrintPrinter

__all__ = ["OctoPrintPrinter"]
