"""The ways of sending, and printers to try them on."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.driver import SerialPrinter
from fabcoord.printers.serial.options import FlowMode, WireOptions
from tests.printers.simulated import Simulated

MODES = {
    "ping-pong": WireOptions(FlowMode.PING_PONG),
    "window": WireOptions(FlowMode.WINDOW),
    "MeatPack": WireOptions(FlowMode.WINDOW, meatpack=True),
}


class Lab:
    """Printers behind ptys, each with a driver."""

    def __init__(self) -> None:
        self._running: list[tuple[Simulated, SerialPrinter]] = []

    def printer(
        self, options: WireOptions, *more: str, profile: FirmwareProfile | None = None
    ) -> tuple[Simulated, SerialPrinter]:
        simulated = Simulated(*more)
        printer = SerialPrinter(str(simulated.link), profile=profile, options=options)
        self._running.append((simulated, printer))
        printer.connect()
        return simulated, printer

    def close(self) -> None:
        for simulated, printer in self._running:
            printer.close()
            simulated.stop()


def log_of(path: Path, options: WireOptions) -> str:
    lines = [*path.read_text().splitlines(), "M400"]
    if options.meatpack:
        lines = [line.replace(" ", "") for line in lines]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
