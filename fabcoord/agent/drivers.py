"""Makes the driver that a printer's settings ask for; imports only the drivers in use."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabcoord.agent.messages import PrinterConfig
from fabcoord.agent.plugged import plugged
from fabcoord.agent.plugs import PlugWatch, plug_of
from fabcoord.errors import FabcoordError, PrinterError
from fabcoord.printers.base import Printer

if TYPE_CHECKING:
    from fabcoord.printers.serial.heat import HeatRules

_LOG = logging.getLogger(__name__)

DriverFactory = Callable[[PrinterConfig, Path], Printer]


def make_printer(config: PrinterConfig, data_dir: Path) -> Printer:
    """The driver for ``config``; raises PrinterError when its settings cannot be used."""
    try:
        plug = plug_of(config.settings)
    except (TypeError, ValueError) as error:
        raise PrinterError(
            f"The plug of {config.name} cannot be used: {error}.",
            hint="Correct its settings on the printer's page.",
        ) from error
    driver = _driver(config, data_dir)
    if plug is None:
        return driver
    cuts_power = config.settings.get("plug_off_in_emergency", True) is not False
    return plugged(driver, PlugWatch(plug, config.name), cuts_power=cuts_power)


def _driver(config: PrinterConfig, data_dir: Path) -> Printer:
    settings = config.settings
    try:
        match config.driver:
            case "serial":
                return _serial(config)
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


def _serial(config: PrinterConfig) -> Printer:
    """Raises KeyError or ValueError for settings that cannot be used."""
    from fabcoord.printers import profiles
    from fabcoord.printers.serial.driver import SerialPrinter
    from fabcoord.printers.serial.options import FlowMode, WireOptions

    settings = config.settings
    buffer_bytes = settings.get("receive_buffer_bytes")
    mode = str(settings.get("mode") or "stream")
    if mode not in ("stream", "sd"):
        raise ValueError(f"mode {mode}")
    firmware = settings.get("firmware")
    return SerialPrinter(
        str(settings["port"]),
        int(settings.get("baud") or 115_200),
        profiles.load_all()[str(firmware)] if firmware else None,
        WireOptions(
            flow=FlowMode(str(settings.get("flow") or FlowMode.AUTO)),
            receive_buffer_bytes=int(buffer_bytes) if buffer_bytes else None,
            meatpack=bool(settings.get("meatpack", False)),
            shrink=bool(settings.get("shrink", False)),
        ),
        from_card=mode == "sd",
        rules=_heat_rules(config),
    )


def _heat_rules(config: PrinterConfig) -> HeatRules:
    """How hot it may be and for how long without a print: settings, machine model, firmware."""
    from fabcoord.printers.machines import machine
    from fabcoord.printers.serial.heat import HeatRules

    rules = HeatRules()
    try:
        model = machine(config.machine)
        rules = replace(rules, max_hotend_c=model.max_hotend_c, max_bed_c=model.max_bed_c)
    except FabcoordError as error:
        # A model of the lab's own, whose file only the server has.
        _LOG.info(
            "%s: %s Its heat is watched with the limits of most printers.", config.name, error
        )
    given = {
        name: float(config.settings[name])
        for name in ("max_hotend_c", "max_bed_c", "hotend_off_after_s", "bed_off_after_s")
        if config.settings.get(name)
    }
    return replace(rules, **given)


def _virtual(printer_id: str, settings: dict[str, Any], data_dir: Path) -> Printer:
    from fabcoord.printers.virtual import VirtualPrinter

    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", printer_id):
        raise ValueError(printer_id)
    links = data_dir / "virtual"
    links.mkdir(parents=True, exist_ok=True)
    return VirtualPrinter(links / printer_id, float(settings.get("speed") or 1.0))
