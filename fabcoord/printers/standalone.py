"""Printing a file, and looking for printers, without any server."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType

from fabcoord.errors import PrinterError, PrinterOffline
from fabcoord.printers.base import Activity, Outcome, PrintOrder, Status
from fabcoord.printers.serial.driver import SerialPrinter
from fabcoord.printers.serial.options import WireOptions

ATTEMPT = "standalone"
LOOK_EVERY_S = 0.25
BY_PATH = Path("/dev/serial/by-path")
# Of a cancelled print: the others of the command line leave 10 to 19 free.
CANCELLED_EXIT, FAILED_EXIT = 10, 11


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a print is."""

    state: str  # printing, paused, …; at the end finished, cancelled or failed
    progress: float  # 0 to 1
    lines_per_s: float
    resends: int
    window_bytes: int  # 0: one line at a time
    remaining_s: float | None
    reason: str
    firmware: str

    def as_json(self) -> dict[str, object]:
        return asdict(self)


class Streaming:
    """The print of one file on one port, cancelled by the first Ctrl-C, dropped by the second."""

    def __init__(self, file: Path, printer: SerialPrinter) -> None:
        self._order = PrintOrder(ATTEMPT, file, "", file.name)
        self._printer = printer
        self._interrupts = 0

    def run(self, show: Callable[[Progress], None]) -> int:
        """Print to the end; ``show`` is told every quarter of a second. Returns the exit code.

        Raises PrinterOffline, PrinterBusy or PrinterError when the print cannot start.
        """
        with self._catching():
            self._printer.connect()
            try:
                self._printer.start(self._order)
                return self._follow(show)
            finally:
                self._printer.close()

    def _follow(self, show: Callable[[Progress], None]) -> int:
        cancelled, rate = False, 0.0
        while True:
            status = self._printer.status()
            rate = status.metrics.get("lines_per_s", rate)
            if status.ended is not None or status.activity is Activity.ATTENTION:
                show(replace(_progress(status), lines_per_s=rate))
                return _exit_code(status)
            if status.activity is Activity.OFFLINE:
                raise PrinterOffline(status.reason)
            if self._interrupts and not cancelled:
                self._printer.cancel(ATTEMPT)
                cancelled = True
            if self._interrupts > 1:
                raise PrinterError(
                    "Left before the printer had cooled and parked.", hint="Look at it."
                )
            show(_progress(status))
            time.sleep(LOOK_EVERY_S)

    @contextmanager
    def _catching(self) -> Iterator[None]:
        def count(number: int, frame: FrameType | None) -> None:
            self._interrupts += 1

        before = {n: signal.signal(n, count) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _progress(status: Status) -> Progress:
    running, ended, metrics = status.print, status.ended, status.metrics
    finished = ended is not None and ended.outcome is Outcome.FINISHED
    return Progress(
        state=ended.outcome.value if ended is not None else status.activity.value,
        progress=1.0 if finished else (running.progress if running is not None else 0.0),
        lines_per_s=metrics.get("lines_per_s", 0.0),
        resends=int(metrics.get("resends", 0)),
        window_bytes=int(metrics.get("window_bytes", 0)),
        remaining_s=running.remaining_s if running is not None else None,
        reason=ended.reason if ended is not None else status.reason,
        firmware=status.firmware,
    )


def _exit_code(status: Status) -> int:
    outcome = status.ended.outcome if status.ended is not None else Outcome.FAILED
    return {Outcome.FINISHED: 0, Outcome.CANCELLED: CANCELLED_EXIT}.get(outcome, FAILED_EXIT)


def stream(
    file: Path, port: str, baud: int, options: WireOptions, show: Callable[[Progress], None]
) -> int:
    """Print a file; see `Streaming.run`."""
    return Streaming(file, SerialPrinter(port, baud, options=options)).run(show)


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port, and the printer behind it where one has answered."""

    name: str  # a stable one where there is one
    device: str
    firmware: str = ""
    problem: str = ""


def ports() -> list[Port]:
    """The serial ports of this machine, by the names that stay the same."""
    from serial.tools import list_ports

    stable = {str(link.resolve()): str(link) for link in sorted(BY_PATH.glob("*"))}
    found = (port.device for port in list_ports.comports())
    return [Port(stable.get(device, device), device) for device in sorted(found)]


def ask(port: Port, baud: int) -> Port:
    """Say hello on a port. Opening it restarts some boards: never while one prints."""
    printer = SerialPrinter(port.name, baud)
    try:
        printer.connect()
        status = printer.status()
        return Port(port.name, port.device, firmware=status.firmware, problem=status.reason)
    except PrinterError as error:
        return Port(port.name, port.device, problem=error.detail)
    finally:
        printer.close()
