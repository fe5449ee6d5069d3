"""Makes the driver that a printer's settings ask for; imports only the drivers in use."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fabcoord.agent.messages import PrinterConfig
from fabcoord.errors import PrinterError
from fabcoord.printers.base import Printer

DriverFactory = Callable[[PrinterConfig, Path], Printer]


def make_printer(config: PrinterConfig, data_dir: Path) -> Printer:
    """The driver for ``config``; raises PrinterError when its settings cannot be used."""
    settings = config.settings
    try:
        match config.driver:
            case "serial":
                from fabcoord.printers.serial.driver import SerialPrinter

                return SerialPrinter(str(settings["port"]), int(settings.get("baud") or 115_200))
            case "octoprint":
                from fabcoord.printers.octoprint import OctoPrintPrinter

                return OctoPrintPrinter(str(settings["url"]), str(settings["api_key"]))
            case "virtual":
                return _virtual(config.printer_id, settings, data_dir)
    except (KeyError, TypeError, ValueError) as error:
        raise PrinterError(
            f"The settings of {config.name} cannot be used: {error} is missing or wrong.",
            hint="Correct them on the printer's page.",
        ) from error
    except ImportError as error:
        raise PrinterError(
            f"The driver “{config.driver}” of {config.name} is not installed: {error}.",
            hint="Install the agent's requirements again.",
        ) from error
    raise PrinterError(
        f"This agent does not know the driver “{config.driver}” of {config.name}.",
        hint="Update the agent.",
    )


def _virtual(printer_id: str, settings: dict[str, Any], data_dir: Path) -> Printer:
    from fabcoord.printers.virtual import VirtualPrinter

    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", printer_id):
        raise ValueError(printer_id)
    links = data_dir / "virtual"
    links.mkdir(parents=True, exist_ok=True)
    return VirtualPrinter(links / printer_id, float(settings.get("speed") or 1.0))
