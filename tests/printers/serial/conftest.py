"""Printers behind a pty, for the tests of this directory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fabcoord.printers import profiles
from fabcoord.printers.serial.driver import SerialPrinter
from tests.printers.serial.line import moves
from tests.printers.serial.modes import Lab
from tests.printers.simulated import Simulated

Reach = Callable[..., tuple[Simulated, SerialPrinter]]


@pytest.fixture
def reach() -> Iterator[Reach]:
    """Starts a simulator and a connected printer; both are gone when the test is over.

    Takes options of the simulator, ``speed``, and keywords of `SerialPrinter`.
    """
    running: list[tuple[Simulated, SerialPrinter]] = []

    def reach(
        *options: str, speed: float = 1000.0, **settings: Any
    ) -> tuple[Simulated, SerialPrinter]:
        simulated = Simulated(*options, speed=speed)
        impatient = replace(profiles.default(), probe_after_s=0.2)
        printer = SerialPrinter(str(simulated.link), profile=impatient, **settings)
        running.append((simulated, printer))
        printer.connect()
        return simulated, printer

    yield reach
    for simulated, printer in running:
        printer.close()
        simulated.stop()


@pytest.fixture
def lab() -> Iterator[Lab]:
    running = Lab()
    yield running
    running.close()


@pytest.fixture
def gcode(tmp_path: Path) -> Path:
    path = tmp_path / "print.gcode"
    short = [re.sub(r"X\S+ Y\S+", f"X{n % 9}.5 Y{n % 7}.25", m) for n, m in enumerate(moves(300))]
    path.write_text("\n".join(["G28", "G90", "M82", "M302 P1", *short]) + "\n")
    return path
