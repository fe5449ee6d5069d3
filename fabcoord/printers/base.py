"""The Printer protocol that every way to reach a printer implements, and its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Activity(StrEnum):
    """What a printer is doing, as its driver sees it."""

    OFFLINE = "offline"  # it cannot be reached
    IDLE = "idle"  # reachable, nothing running
    PRINTING = "printing"  # a print runs; Status.print names it, ours or not
    PAUSED = "paused"  # a print is paused, by us or at the printer
    ATTENTION = "attention"  # reachable, but an error needs a person


class Outcome(StrEnum):
    """How a print ended."""

    FINISHED = "finished"  # the last command of the file was executed
    FAILED = "failed"  # stopped by an error
    CANCELLED = "cancelled"  # stopped by a person, through us or at the printer


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Temperatures in °C; None where the printer does not report one."""

    hotend_c: float | None = None
    hotend_target_c: float | None = None
    bed_c: float | None = None
    bed_target_c: float | None = None


@dataclass(frozen=True, slots=True)
class PrintOrder:
    """One attempt to be printed.

    ``file_name`` holds the attempt id (``fc-<attempt id>.gcode``), so that the print can be
    recognised on OctoPrint, an SD card, or any other place that shows names.
    """

    attempt_id: str
    path: Path  # the G-code on the agent's disk, hash already verified
    sha256: str
    file_name: str
    layers: int | None = None
    duration_s: float | None = None  # the slicer's estimate


@dataclass(frozen=True, slots=True)
class RunningPrint:
    """The print that a printer is working on.

    ``attempt_id`` is None when the print was not started by fabcoord.
    """

    attempt_id: str | None
    file_name: str
    progress: float  # 0 to 1
    layer: int | None = None
    layers: int | None = None
    remaining_s: float | None = None
    line: int | None = None  # of the file, the last that the printer has acknowledged


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question that the printer asks of whoever stands there; answered by a choice's index."""

    text: str
    choices: tuple[str, ...] = ()  # labels, in the order of their numbers


@dataclass(frozen=True, slots=True)
class EndedPrint:
    """How the last print on this printer ended, as far as the printer remembers."""

    attempt_id: str | None
    file_name: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """One look at a printer. Cheap: drivers answer from what they already know."""

    activity: Activity
    reason: str = ""  # one sentence when offline, paused by the printer, or in attention
    temperatures: Temperatures = field(default_factory=Temperatures)
    print: RunningPrint | None = None  # set while PRINTING or PAUSED
    ended: EndedPrint | None = None  # the last print that ended, until the next one starts
    firmware: str = ""
    prompt: Prompt | None = None  # while the printer asks something
    metrics: dict[str, float] = field(default_factory=dict)  # lines_per_s, resends, …
    details: dict[str, str] = field(default_factory=dict)  # in words, for who looks after it
    stopped_by_us: bool = False  # in an emergency; until a person has reset it


class Found(StrEnum):
    """What a look at the printer says about an attempt after a crash of the agent."""

    RUNNING = "running"  # it is printing or paused there now
    FINISHED = "finished"  # the printer says that it completed
    FAILED = "failed"  # the printer says that it failed or was cancelled
    NOT_STARTED = "not_started"  # certain: this attempt never began there
    UNKNOWN = "unknown"  # the printer cannot tell; a person must look


class Printer(Protocol):
    """One way to reach one printer.

    All methods may be called from one thread only, that of the printer's runner, but `status`
    never blocks longer than a second. Drivers with a reader thread of their own keep it inside.
    Drivers that speak with the printer itself may also have ``answer(choice)``, for its questions,
    and ``emergency_stop()``.
    Errors are `PrinterOffline`, `PrinterBusy` and `PrinterError` of `fabcoord.errors`.
    """

    def connect(self) -> None:
        """Reach the printer; raise PrinterOffline with the reason when that fails."""

    def status(self) -> Status:
        """What the printer is doing now; OFFLINE instead of an exception when unreachable."""

    def transfer(self, order: PrintOrder, progress: Callable[[float], None]) -> None:
        """Bring the file to where it is printed from; a no-op where we stream. Idempotent.

        Calls ``progress`` with 0 to 1. Never starts the print.
        """

    def start(self, order: PrintOrder) -> None:
        """Start the print; return as soon as the printer has taken the start.

        Raises PrinterBusy when the printer is doing anything else: a running print is never
        replaced.
        """

    def pause(self) -> None:
        """Pause the running print of ours."""

    def resume(self) -> None:
        """Resume the paused print of ours."""

    def cancel(self, attempt_id: str) -> None:
        """Cancel this attempt's print, cool down and release; a no-op if it is not running.

        Never cancels a print that is not this attempt's.
        """

    def find(self, attempt_id: str) -> Found:
        """Look at the printer and say what became of the attempt (after a crash)."""

    def close(self) -> None:
        """Let go of the port or session; leaves a print that runs on the printer alone."""
