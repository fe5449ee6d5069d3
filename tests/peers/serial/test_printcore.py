"""Printrun's printcore prints on our simulator: somebody else's idea of a host."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.octoprint.server import CHECKOUT
from tests.printers.serial.line import moves
from tests.printers.simulated import Simulated

PYTHON = CHECKOUT / ".venv-printrun/bin/python"


@pytest.fixture
def simulated() -> Iterator[Simulated]:
    if not PYTHON.exists():
        pytest.skip("Printrun is not installed; run script/install-printrun")
    running = Simulated("--seed", "3")
    yield running
    running.stop()


@pytest.mark.parametrize("trouble", [{}, {"flip_in": 0.02}, {"lose_in": 0.02}], ids=str)
def test_printcore_prints_to_the_end(
    simulated: Simulated, tmp_path: Path, trouble: dict[str, float]
) -> None:
    for kind, rate in trouble.items():
        simulated.ask("fault", kind=kind, rate=rate)
    path = tmp_path / "print.gcode"
    commands = ["G90", "M82", *moves(150), "M400"]  # whose ok comes when all is made
    path.write_text("\n".join(commands) + "\n")
    script = Path(__file__).with_name("run_printcore.py")
    subprocess.run([PYTHON, script, simulated.link, path], check=True, timeout=180)
    expected = hashlib.sha256("".join(f"{c}\n" for c in commands).encode()).hexdigest()
    assert simulated.ask("log")["sha256"] == expected
    state = simulated.ask("state")
    assert bool(state["resends"]) == bool(trouble)
