"""A simulator process for tests: started in a short temporary place, asked over its socket."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fabcoord.printers.base import Activity, PrintOrder, Status
from fabcoord.printers.serial.driver import SerialPrinter

PATIENCE_S = 20.0


class Simulated:
    """One simulator; ``link`` is its port."""

    def __init__(self, *options: str, speed: float = 1000.0) -> None:
        # Not pytest's own directories: the path of a Unix socket must be short.
        self.directory = Path(tempfile.mkdtemp(prefix="fc-sim-"))
        self.link = self.directory / "port"
        self._socket = self.directory / "control"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "fabcoord.printers.simulator"),
                *("--link", str(self.link), "--control", str(self._socket)),
                *("--speed", str(speed), "--exit-when-alone", "120", *options),
            ]
        )
        until(lambda: self.link.is_symlink() or self.process.poll() is not None)
        assert self.process.poll() is None, "the simulator did not start"

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """One request over the control socket; fails when the simulator refuses it."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE_S)
            client.connect(str(self._socket))
            client.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(client.makefile().readline())
        assert answer["ok"], answer
        return answer

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        shutil.rmtree(self.directory, ignore_errors=True)


def until(done: Callable[[], object], what: str = "it") -> None:
    """Wait for something that another process decides."""
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:.0f} s in vain for {what}"
        time.sleep(0.005)


def status_when(printer: SerialPrinter, condition: Callable[[Status], object]) -> Status:
    """The first status for which the condition holds."""
    status = printer.status()
    deadline = time.monotonic() + PATIENCE_S
    while not condition(status):
        assert time.monotonic() < deadline, f"never came, last seen: {status}"
        time.sleep(0.005)
        status = printer.status()
    return status


def ended(status: Status) -> bool:
    return status.ended is not None


def is_in(activity: Activity) -> Callable[[Status], bool]:
    return lambda status: status.activity is activity


def order(path: Path, attempt_id: str = "a1") -> PrintOrder:
    return PrintOrder(attempt_id, path, "", f"fc-{attempt_id}.gcode")
