"""A virtual printer: the Marlin simulator as a process of its own, reached as a serial printer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fabcoord.errors import PrinterOffline
from fabcoord.printers.serial.driver import SerialPrinter
from fabcoord.printers.serial.heat import HeatRules
from fabcoord.printers.simulator.port import living_pid

_START_S = 10.0
_STOP_S = 5.0
_ALONE_S = 600.0  # a simulator that nobody has talked to for so long ends itself


class VirtualPrinter(SerialPrinter):
    """A `SerialPrinter` on a simulator behind ``link``.

    The simulator has a session of its own, as a real printer has its own power: it survives the
    agent, and is taken over when it is alive already.

    Args:
        link: where the simulator puts the symbolic link to its port.
        speed: how many times faster than a real printer it heats, moves and takes bytes.
    """

    def __init__(self, link: Path, speed: float = 1.0) -> None:
        # Between two reports it heats as much as a real one does in minutes.
        super().__init__(str(link), rules=HeatRules(rise_s=60.0 / speed))
        self._link = link
        self._speed = speed
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        """Start the simulator where none is alive, then greet it."""
        self._start_simulator()
        super().connect()

    def stop_simulator(self) -> None:
        """Close, and end the simulator: its printer is switched off."""
        self.close()
        pid = living_pid(self._link)
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        self._await(lambda: living_pid(self._link) is None, _STOP_S)
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_S)

    def _start_simulator(self) -> None:
        if self._process is not None:
            self._process.poll()  # so that one which has ended leaves no zombie
        if living_pid(self._link) is not None:
            return
        self._link.parent.mkdir(parents=True, exist_ok=True)
        self._link.unlink(missing_ok=True)  # left by one that was killed: may lead anywhere
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-m", "fabcoord.printers.simulator"),
                *("--link", str(self._link), "--speed", str(self._speed)),
                *("--exit-when-alone", str(_ALONE_S)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        process = self._process
        self._await(lambda: self._link.is_symlink() or process.poll() is not None, _START_S)
        if living_pid(self._link) is None:
            raise PrinterOffline(
                f"The simulator behind {self._link} did not start.",
                hint="Run python -m fabcoord.printers.simulator --link PATH to see why.",
            )

    @staticmethod
    def _await(done: Callable[[], bool], limit_s: float) -> None:
        """Look until it is done; a process that is not our child tells nobody when it ends."""
        deadline = time.monotonic() + limit_s
        while not done() and time.monotonic() < deadline:
            time.sleep(0.02)
