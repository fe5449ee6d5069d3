"""A virtual printer lives its own life: it outlives the agent and is taken over again."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fabcoord.printers.base import Activity, Outcome
from fabcoord.printers.simulator.port import living_pid
from fabcoord.printers.virtual import VirtualPrinter
from tests.printers.simulated import ended, is_in, order, status_when, until


@pytest.fixture
def link() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fc-virtual-") as directory:
        path = Path(directory) / "new" / "port"
        yield path
        VirtualPrinter(path).stop_simulator()


def test_it_prints(link: Path, tmp_path: Path) -> None:
    gcode = tmp_path / "a.gcode"
    gcode.write_text("G28\nM109 S60\nG1 X50 F6000\nM104 S0\n")
    printer = VirtualPrinter(link, 1000.0)
    printer.connect()
    assert printer.status().activity is Activity.IDLE
    printer.start(order(gcode))
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED
    printer.close()


def test_it_outlives_its_agent_and_is_taken_over(link: Path) -> None:
    first = VirtualPrinter(link, 1000.0)
    first.connect()
    pid = living_pid(link)
    first.close()
    assert living_pid(link) == pid
    second = VirtualPrinter(link, 1000.0)
    second.connect()
    assert living_pid(link) == pid
    second.stop_simulator()
    assert living_pid(link) is None
    assert not psutil.pid_exists(pid or 0) or psutil.Process(pid).status() == "zombie"
    assert second.status().activity is Activity.OFFLINE


def test_one_that_was_killed_is_replaced(link: Path) -> None:
    printer = VirtualPrinter(link, 1000.0)
    printer.connect()
    pid = living_pid(link)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    status_when(printer, is_in(Activity.OFFLINE))
    until(lambda: living_pid(link) is None)
    assert link.is_symlink()  # leads to a pty that may be anybody's by now
    printer.connect()
    assert printer.status().activity is Activity.IDLE
    assert living_pid(link) not in (None, pid)
