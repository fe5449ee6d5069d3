"""Reads OctoPrint's answers: what its words mean for us, with nothing taken on trust."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from fabcoord.errors import PrinterError
from fabcoord.printers.base import Activity, Outcome, Temperatures

FOLDER = "fabcoord"  # in OctoPrint's uploads: what we print or have printed
WAITING = f"{FOLDER}/waiting"  # uploaded and verified, never started

_FILE_NAME = re.compile(r"fc-([A-Za-z0-9_-]{1,100})\.gcode")

# OctoPrint's state texts (MachineCom.getStateString in octoprint/util/comm.py).
_PRINTING = frozenset(("Starting", "Printing", "Pausing", "Resuming"))
_ENDING = frozenset(("Cancelling", "Finishing"))
_CONNECTING = ("Opening serial", "Detecting serial", "Connecting")
_TEXT_CHARS = 200


@dataclass(frozen=True, slots=True)
class Job:
    """What GET /api/job says."""

    state: str  # OctoPrint's own word
    activity: Activity
    reason: str
    ending: bool  # it is finishing or cancelling
    path: str | None  # the selected file, below OctoPrint's uploads; None for an SD card's
    name: str
    progress: float  # 0 to 1
    remaining_s: float | None

    @property
    def active(self) -> bool:
        return self.activity in (Activity.PRINTING, Activity.PAUSED)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What OctoPrint remembers of an uploaded file."""

    size: int | None
    sha1: str | None
    successes: int
    failures: int

    @property
    def printed(self) -> bool:
        return self.successes + self.failures > 0

    @property
    def outcome(self) -> Outcome | None:
        """How its print ended; None when there was none, or several that disagree.

        OctoPrint does not tell a cancelled print from a failed one here.
        """
        if self.printed and not self.failures:
            return Outcome.FINISHED
        if self.printed and not self.successes:
            return Outcome.FAILED
        return None


def file_name(attempt_id: str) -> str:
    """The name that an attempt's file has everywhere, as `PrintOrder.file_name` says."""
    return f"fc-{attempt_id}.gcode"


def attempt_of(path: str | None) -> str | None:
    """The attempt that a path in OctoPrint's uploads belongs to; None for files of others."""
    folder, _, name = (path or "").rpartition("/")
    match = _FILE_NAME.fullmatch(name)
    return match[1] if match and folder == FOLDER else None


def read_job(answer: object) -> Job:
    """Read GET /api/job; raises PrinterError for what is no such answer."""
    state = _member(answer, "state")
    if not isinstance(state, str):
        raise PrinterError(
            "The answer is not one of OctoPrint's.", hint="Check the address of the printer."
        )
    file = _member(_member(answer, "job"), "file")
    progress = _member(answer, "progress")
    path, origin = _member(file, "path"), _member(file, "origin")
    activity, reason = _meaning(state, _text(_member(answer, "error")))
    return Job(
        state=_text(state),
        activity=activity,
        reason=reason,
        ending=state in _ENDING,
        path=path if isinstance(path, str) and origin == "local" else None,
        name=_text(_member(file, "name")) or "(no name)",
        progress=min(1.0, max(0.0, (_number(_member(progress, "completion")) or 0.0) / 100)),
        remaining_s=_number(_member(progress, "printTimeLeft")),
    )


def read_file(answer: object) -> StoredFile:
    """Read GET /api/files/local/PATH."""
    size, sha1, prints = (_member(answer, key) for key in ("size", "hash", "prints"))
    return StoredFile(
        size=size if isinstance(size, int) else None,
        sha1=sha1 if isinstance(sha1, str) else None,
        successes=int(_number(_member(prints, "success")) or 0),
        failures=int(_number(_member(prints, "failure")) or 0),
    )


def surplus(answer: object, keep: int, spare: str) -> list[str]:
    """Paths of our files in a folder's answer, all but the ``keep`` newest and ``spare``.

    Only names that we give are ours; folders and whatever people put beside them are not. The
    dates are those of a clock that may be wrong: a Pi without network has none.
    """
    children = _member(answer, "children")
    dated = [
        (_number(_member(child, "date")) or 0.0, path)
        for child in (children if isinstance(children, list) else [])
        if isinstance(path := _member(child, "path"), str)
        and _FILE_NAME.fullmatch(path.rpartition("/")[2])
        and path.rpartition("/")[0] in (FOLDER, WAITING)
        and path != spare
    ]
    return [path for _, path in sorted(dated, reverse=True)[keep:]]


def read_temperatures(answer: object) -> Temperatures:
    """Read GET /api/printer."""
    temperature = _member(answer, "temperature")
    tool, bed = _member(temperature, "tool0"), _member(temperature, "bed")
    return Temperatures(
        hotend_c=_number(_member(tool, "actual")),
        hotend_target_c=_number(_member(tool, "target")),
        bed_c=_number(_member(bed, "actual")),
        bed_target_c=_number(_member(bed, "target")),
    )


def heated_tools(answer: object) -> dict[str, int]:
    """The tools in GET /api/printer that have a target, each with the new target 0."""
    temperature = _member(answer, "temperature")
    tools = temperature if isinstance(temperature, dict) else {}
    return {
        name: 0
        for name, values in tools.items()
        if re.fullmatch(r"tool\d+", str(name)) and _number(_member(values, "target"))
    }


def read_version(answer: object) -> str:
    """Read GET /api/version: the words that name the program, for example ``OctoPrint 1.11.8``."""
    text = _text(_member(answer, "text"))
    if not text or _member(answer, "api") is None:
        raise PrinterError(
            "What answers there is not OctoPrint.", hint="Check the address of the printer."
        )
    return text


def missing_permissions(answer: object) -> list[str]:
    """What the key in use may not do, of what we need, from GET /api/currentuser."""
    granted = _member(answer, "permissions")
    files = ("FILES_LIST", "FILES_UPLOAD", "FILES_SELECT", "FILES_DELETE")
    needed = ("STATUS", *files, "PRINT", "CONTROL")
    return [name for name in needed if not isinstance(granted, list) or name not in granted]


def _meaning(state: str, error: str) -> tuple[Activity, str]:
    if state == "Operational":
        return Activity.IDLE, ""
    if state == "Paused":
        return Activity.PAUSED, ""
    # "Printing from SD", "Sending file to SD" and their like keep the printer just as busy.
    if state.startswith(("Printing", "Starting", "Sending file")) or state in _PRINTING | _ENDING:
        return Activity.PRINTING, ""
    if state == "Offline":
        return Activity.OFFLINE, "OctoPrint is not connected to its printer; connect it there."
    if state.startswith(_CONNECTING):
        return Activity.OFFLINE, "OctoPrint is connecting to its printer."
    said = f": {error.rstrip('.')}" if error else ""
    if state.startswith(("Offline", "Error", "Closed")):
        reason = f"OctoPrint lost its printer after an error{said}. Look, then connect it there."
        return Activity.ATTENTION, reason
    return Activity.ATTENTION, f"OctoPrint is in the state {_text(state)!r}{said}."


def _member(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # The bound keeps whole numbers out that are too long to become a float.
    return float(value) if abs(value) < 1e15 and math.isfinite(value) else None


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(char for char in value if char.isprintable())[:_TEXT_CHARS]
