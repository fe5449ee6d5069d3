"""A file is printed from the command line, without any server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.printers.simulated import PATIENCE_S, Simulated, until


@pytest.fixture
def simulated() -> Iterator[Simulated]:
    running = Simulated()
    yield running
    running.stop()


@pytest.fixture
def gcode(tmp_path: Path) -> Path:
    path = tmp_path / "part.gcode"
    path.write_text("M140 S60\nG28\n" + "G1 X10 F6000\nG1 X20\n" * 100)
    return path


def command(*words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fabcoord", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_prints_to_the_end_and_tells_how_far_it_is(simulated: Simulated, gcode: Path) -> None:
    running = command("stream", gcode, "--port", simulated.link, "--json")
    out, _ = running.communicate(timeout=PATIENCE_S)
    last = json.loads(out.splitlines()[-1])
    assert running.returncode == 0
    assert (last["state"], last["progress"], last["window_bytes"]) == ("finished", 1.0, 127)
    assert simulated.ask("state")["position"]["X"] == 20


def test_the_options_of_the_line_are_obeyed(simulated: Simulated, gcode: Path) -> None:
    running = command(
        *("stream", gcode, "--port", simulated.link, "--json"),
        *("--flow", "ping-pong", "--meatpack", "--shrink"),
    )
    out, _ = running.communicate(timeout=PATIENCE_S)
    assert json.loads(out.splitlines()[-1])["window_bytes"] == 0
    assert "G1X20" in simulated.ask("log")["last"]


def test_ctrl_c_cancels_and_cools(simulated: Simulated, gcode: Path) -> None:
    gcode.write_text(gcode.read_text() + "G1 X10\nG1 X20\n" * 20_000)
    running = command("stream", gcode, "--port", simulated.link)
    until(lambda: simulated.ask("log")["count"] > 100)
    os.kill(running.pid, signal.SIGINT)
    out, _ = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 10
    assert "cancelled" in out.splitlines()[-1]
    state = simulated.ask("state")
    assert state["bed_target_c"] == 0
    assert simulated.ask("log")["last"][-1] == "M84"


def test_a_print_that_fails_says_why(simulated: Simulated, gcode: Path) -> None:
    gcode.write_text("G28\nM112\n")
    running = command("stream", gcode, "--port", simulated.link)
    out, _ = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 11
    assert "M112" in out.splitlines()[-1]


def test_a_port_that_is_not_there_says_what_to_do(tmp_path: Path, gcode: Path) -> None:
    running = command("stream", gcode, "--port", tmp_path / "nothing")
    _, errors = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 8
    assert "plugged in" in errors


def test_ports_tells_who_answers(simulated: Simulated) -> None:
    running = command("ports", simulated.link)
    out, _ = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0
    assert f"{simulated.link}  Marlin 2" in out
