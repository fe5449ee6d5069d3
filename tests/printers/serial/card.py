"""Files for the card in a printer, and ways to bring them there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabcoord.printers.base import PrintOrder
from fabcoord.printers.serial.driver import SerialPrinter


def written(tmp_path: Path, moves: int = 300) -> Path:
    path = tmp_path / "card.gcode"
    lines = [f"G1 X{n % 90}.{n % 7} Y{n % 50} F600 ; comment" for n in range(moves)]
    path.write_text("\n".join(["M140 S60", "G28", *lines, "M104 S0", "M140 S0"]))
    return path


def bare(path: Path) -> list[str]:
    return [line.partition(";")[0].strip() for line in path.read_text().splitlines()]


def upload(printer: SerialPrinter, what: PrintOrder) -> list[float]:
    seen: list[float] = []
    printer.transfer(what, seen.append)
    return seen


BY_LINES = ("--without", "BINARY_FILE_TRANSFER")
either_way = pytest.mark.parametrize("options", [(), BY_LINES], ids=["packets", "lines"])
