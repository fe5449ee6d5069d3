"""How states, times and measures read on a page: words, an icon and a tone for each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fabcoord.errors import BadInput
from fabcoord.queue import causes
from fabcoord.queue.states import AttemptState, JobState, PrinterState
from fabcoord.store.values import parse_timestamp, timestamp


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is told. ``tone`` colours it; words and icon say the same without colour."""

    words: str
    icon: str
    tone: str  # need | work | wait | good | bad | off


PRINTERS: dict[str, Look] = {
    PrinterState.IDLE: Look("Ready", "check", "good"),
    PrinterState.BUSY: Look("Busy", "play", "work"),
    PrinterState.AWAITING_CLEARANCE: Look("Plate to clear", "hand", "need"),
    PrinterState.ATTENTION: Look("Needs a look", "alert", "bad"),
    PrinterState.MAINTENANCE: Look("In maintenance", "wrench", "off"),
    PrinterState.OFFLINE: Look("Offline", "unplugged", "off"),
}

CAUSES = {cause.value: told for cause, told in causes.WORDS.items()}
cause = causes.words

ASKS = Look("Asks something", "hand", "need")

JOBS: dict[str, Look] = {
    JobState.CHECKING: Look("Being checked", "eye", "wait"),
    JobState.SLICING: Look("Being sliced", "layers", "wait"),
    JobState.NEEDS_ATTENTION: Look("Needs a decision", "alert", "need"),
    JobState.AWAITING_APPROVAL: Look("Waits for approval", "eye", "need"),
    JobState.QUEUED: Look("In the queue", "clock", "wait"),
    JobState.PRINTING: Look("Printing", "play", "work"),
    JobState.AWAITING_PICKUP: Look("Ready to collect", "box", "good"),
    JobState.COLLECTED: Look("Collected", "check", "off"),
    JobState.HELD: Look("On hold", "pause", "need"),
    JobState.CANCELLED: Look("Cancelled", "cross", "off"),
    JobState.REJECTED: Look("Rejected", "cross", "off"),
    JobState.FAILED: Look("Cannot be printed", "alert", "bad"),
}

ATTEMPTS: dict[str, Look] = {
    AttemptState.OFFERED: Look("About to start", "clock", "wait"),
    AttemptState.ACCEPTED: Look("Getting ready", "clock", "work"),
    AttemptState.TRANSFERRING: Look("Receiving the file", "upload", "work"),
    AttemptState.STARTING: Look("Starting", "play", "work"),
    AttemptState.PRINTING: Look("Printing", "play", "work"),
    AttemptState.PAUSED: Look("Paused", "pause", "need"),
    AttemptState.FINISHED: Look("Finished", "check", "good"),
    AttemptState.FAILED: Look("Failed", "alert", "bad"),
    AttemptState.CANCELLED: Look("Stopped", "cross", "off"),
    AttemptState.UNKNOWN: Look("Nobody knows", "alert", "bad"),
}

VERDICTS: dict[str, Look] = {
    "printable": Look("Can be printed", "check", "good"),
    "repairable": Look("Has flaws that repair may mend", "alert", "need"),
    "unprintable": Look("Cannot be printed", "alert", "bad"),
    "pending": Look("Waits for its check", "clock", "wait"),
    "running": Look("Is being checked", "eye", "wait"),
}

_SLICED_ELSEWHERE = Look("Sliced elsewhere", "layers", "wait")
SEVERITIES: dict[str, Look] = {
    "info": Look("Good to know", "eye", "wait"),
    "warning": Look("Look at this", "alert", "need"),
    "error": Look("In the way", "cross", "bad"),
}


def verdict(file: dict[str, Any]) -> Look:
    """What the check says of a file, or how far it is. G-code holds no mesh to judge."""
    if file["format"] == "gcode":
        return _SLICED_ELSEWHERE
    check = file["check"]
    return VERDICTS.get(check["verdict"] or check["state"], VERDICTS["unprintable"])


def when(text: str | None) -> str:
    """A time as the room reads it: ``14:05`` today, ``Tue 14:05`` this week, else the date."""
    if not text:
        return ""
    moment = parse_timestamp(text).astimezone()
    days = (moment.date() - datetime.now().astimezone().date()).days
    if days == 0:
        return f"{moment:%H:%M}"
    return f"{moment:%a %H:%M}" if 0 < days < 7 else f"{moment:%-d %b %Y, %H:%M}"


def ago(text: str) -> str:
    """How long ago a time was: ``5 s ago``, ``3 min ago``."""
    seconds = max(0, round((datetime.now(UTC) - parse_timestamp(text)).total_seconds()))
    return f"{seconds} s ago" if seconds < 120 else f"{duration(seconds)} ago"


def local_time(text: str, name: str) -> str | None:
    """What somebody typed into a field for date and time, as the API takes it; None for nothing.

    By the clock of the server, as pages show times. Raises BadInput that names the field.
    """
    if not text:
        return None
    try:
        return timestamp(datetime.fromisoformat(text).astimezone())
    except (ValueError, OverflowError) as error:
        raise BadInput("That is not a date and time.", fields={name: "a date and time"}) from error


def duration(seconds: float | None) -> str:
    """``1 h 20 min``, ``12 min`` or ``less than a minute``."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{rest} min"
    return f"{hours} h {rest} min" if rest and hours < 10 else f"{hours} h"


def size(millimetres: list[float] | None) -> str:
    """``20 × 20 × 20 mm``."""
    return " × ".join(f"{one:.4g}" for one in millimetres) + " mm" if millimetres else ""


def volume(mm3: float | None) -> str:
    """``8.0 cm³``."""
    return "" if mm3 is None else f"{mm3 / 1000:.3g} cm³"


def kwh(energy_kwh: float) -> str:
    """Energy: ``350 Wh``, ``1.25 kWh``."""
    if energy_kwh < 0.0005:
        return "under 1 Wh"
    return f"{energy_kwh * 1000:.0f} Wh" if energy_kwh < 1 else f"{energy_kwh:.2f} kWh"


def percent(progress: float) -> str:
    """``42 %``; never 100 before the end."""
    return f"{int(progress * 100)} %"


_METRICS = (
    ("lines_per_s", "lines per second", "{:.0f}"),
    ("resends", "lines sent again", "{:.0f}"),
    ("lost_answers", "answers lost", "{:.0f}"),
    ("latency_ms", "answer takes", "{:.0f} ms"),
    ("planner_free", "free in its planner", "{:.0f}"),
)


def line_of(printer: dict[str, Any]) -> list[tuple[str, str]]:
    """What is known of the line to a printer and of its firmware: names and words."""
    metrics, told = printer["metrics"], printer["details"]
    found = [("firmware", printer["firmware"])] if printer["firmware"] else []
    found += [
        (name, told[name]) for name in ("firmware profile", "flow", "capabilities") if name in told
    ]
    for key, name, form in _METRICS:
        if key in metrics:
            found.append((name, form.format(metrics[key])))
    for key, value in metrics.items():
        if key.startswith("temperature_"):
            name = key.removeprefix("temperature_").removesuffix("_c")
            heater = "chamber" if name == "c" else f"nozzle {int(name[1:]) + 1}"
            found.append((heater, f"{value:.0f} °C"))
    return found


def degrees(temperatures: dict[str, float | None]) -> list[str]:
    """``Nozzle 208 of 210 °C`` and the like; nothing for what a printer does not report."""
    found = []
    for name, words in (("hotend", "Nozzle"), ("bed", "Bed")):
        now, target = temperatures.get(f"{name}_c"), temperatures.get(f"{name}_target_c")
        if now is not None:
            found.append(f"{words} {now:.0f}" + (f" of {target:.0f} °C" if target else " °C"))
    return found


def repair(said: dict[str, Any]) -> str:
    """How a repair stands, as a heading."""
    return {
        "pending": "Waits to be repaired",
        "running": "Is being repaired …",
        "added": f"Repaired: the result is in revision {said['revision']}",
        "refused": "Repaired, but look at it first",
        "no_better": "Repair makes nothing better",
    }.get(said["state"], "Could not be repaired")
