"""What a printer says, line by line, as typed messages. Takes any bytes and never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_LINE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Heater:
    """A further heater: ``T1`` and up for hot ends, ``C`` for the chamber; °C."""

    name: str
    temperature_c: float
    target_c: float | None = None


@dataclass(frozen=True, slots=True)
class Heat:
    """Temperatures in °C as reported; None where the report has none."""

    hotend_c: float | None = None  # of the first hot end
    hotend_target_c: float | None = None
    bed_c: float | None = None
    bed_target_c: float | None = None
    others: tuple[Heater, ...] = ()


@dataclass(frozen=True, slots=True)
class Ok:
    """A command was taken. ``number`` only where the firmware names the line."""

    number: int | None = None
    heat: Heat | None = None  # the answer to M105
    planner_free: int | None = None  # blocks, with ADVANCED_OK
    queue_free: int | None = None  # commands, with ADVANCED_OK


@dataclass(frozen=True, slots=True)
class Resend:
    """The firmware wants the line ``number``, and all behind it, again."""

    number: int


@dataclass(frozen=True, slots=True)
class Busy:
    """It is alive and works on a command; ``what`` is for example ``paused for user``."""

    what: str


@dataclass(frozen=True, slots=True)
class Wait:
    """It has nothing to do and waits for us (Repetier)."""


@dataclass(frozen=True, slots=True)
class Started:
    """It has just started or was reset."""


@dataclass(frozen=True, slots=True)
class Report:
    """Temperatures that come without an ok."""

    heat: Heat


@dataclass(frozen=True, slots=True)
class SdProgress:
    """A print from the SD card is under way."""

    byte: int
    size: int


@dataclass(frozen=True, slots=True)
class SdIdle:
    """No print from the SD card; ``finished`` when one has just come to its end."""

    finished: bool


@dataclass(frozen=True, slots=True)
class SdPaused:
    """A print from the SD card is paused (Prusa says so; Marlin is silent about it)."""


@dataclass(frozen=True, slots=True)
class SdFile:
    """A file on the SD card: just opened, or the current one, whose name is empty for none."""

    name: str
    size: int | None = None
    opened: bool = False


@dataclass(frozen=True, slots=True)
class SdWriting:
    """A file on the SD card is being written, or (``saved``) has been."""

    saved: bool


@dataclass(frozen=True, slots=True)
class SdRefused:
    """The card does not do what was asked of it."""

    text: str


@dataclass(frozen=True, slots=True)
class Firmware:
    """What M115 says the firmware is."""

    name: str


@dataclass(frozen=True, slots=True)
class Capability:
    """One ``Cap:`` line of M115."""

    name: str
    there: bool


@dataclass(frozen=True, slots=True)
class Position:
    """Where the head is, mm (M114)."""

    x: float
    y: float
    z: float
    e: float


@dataclass(frozen=True, slots=True)
class Action:
    """``//action:…``: what the printer asks of its host, or tells it."""

    name: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class LineFault:
    """The firmware did not understand a line; a `Resend` should follow."""

    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The firmware reports an error. After a fatal one it hears nothing until it is reset."""

    text: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else."""

    text: str


Message = (
    Ok | Resend | Busy | Wait | Started | Report | SdProgress | SdIdle | SdPaused | SdFile
    | SdWriting | SdRefused | Firmware | Capability | Position | Action | LineFault | Failure
    | Other
)  # fmt: skip

_PLAIN_OK = Ok()
_NUMBER = r"(-?\d{1,4}(?:\.\d{1,6})?)"
_HEAT = re.compile(rf"(?:^|\s)(T\d?|B|C):\s*{_NUMBER}(?:\s*/\s*{_NUMBER})?")
_OK_NUMBER = re.compile(r"ok\s+N?:?(\d{1,10})(?:\s|$)")
_OK_FREE = re.compile(r"\sP(\d{1,4})\s+B(\d{1,4})(?:\s|$)")
_RESEND = re.compile(r"(?:resend|rs)\b[:\s]*N?:?\s*(\d{1,10})", re.IGNORECASE)
_SD = re.compile(r"SD printing byte (\d{1,12})\s*/\s*(\d{1,12})")
_SD_FILE = re.compile(r"(File opened|Current file):\s*(\S.*?)(?:\s+Size:\s*(\d{1,12}).*)?$")
_SD_REFUSED = re.compile(
    r"open failed|error writing|no (?:sd|media) card|sd init fail", re.IGNORECASE
)
_BUSY = re.compile(r"(?:echo:\s*|//\s*)?busy:\s*(.*)", re.IGNORECASE)
_TARGET = re.compile(rf"Target(Extr0|Bed):\s*{_NUMBER}")
# Garbage may stick to the first word after a reset.
_START = re.compile(
    r"[^ -~]*start|echo: ?(?:PowerUp|(?:External|Brown out|Watchdog|Software) Reset)"
)
_FIRMWARE = re.compile(r"FIRMWARE_NAME:\s*(.+?)(?=\s+[A-Z][A-Z0-9_]*:|$)")
_CAPABILITY = re.compile(r"Cap:([A-Z0-9_]+):([01])$")
_POSITION = re.compile(rf"X:\s*{_NUMBER}\s+Y:\s*{_NUMBER}\s+Z:\s*{_NUMBER}\s+E:\s*{_NUMBER}")
_ERROR = re.compile(r"(?:error:|!!|fatal:)\s*(.*)", re.IGNORECASE)
_FATAL = re.compile(
    r"kill\(\) called|^fatal:|printer halted|printer stopped|heating failed|thermal runaway"
    r"|maxtemp|mintemp|watchdog|kill caused|temp(?:erature)? sensor"
    r"|klipper state: shutdown|shutdown due to|lost communication with mcu",
    re.IGNORECASE,
)
_HALF_ERROR = re.compile(rb"Error:\s*\d\s*")
_LINE_FAULT = re.compile(r"line ?number|checksum|format error|expected line", re.IGNORECASE)


def parse(raw: bytes) -> Message:
    """The message in one line, given with or without its end."""
    if raw == b"ok":
        return _PLAIN_OK
    text = raw.decode("ascii", "replace").strip("\0 \t\r\n")
    if text.startswith("ok") and (len(text) == 2 or not text[2].isalnum()):
        return _ok(text)
    return _report(text) or _about_lines(text) or _other(text)


def _ok(text: str) -> Message:
    number = _OK_NUMBER.match(text)
    heat = _heat(text)
    if number is None and heat is None:
        return _PLAIN_OK
    free = _OK_FREE.search(text, number.end() - 1) if number else None
    planner, queue = (int(free[1]), int(free[2])) if free else (None, None)
    return Ok(int(number[1]) if number else None, heat, planner, queue)


def _heat(text: str) -> Heat | None:
    """Temperatures from ``T:… /… B:… /… T0:… /… T1:… /… C:… /…``.

    With several hot ends the bare ``T`` is whichever prints now, and ``T0`` is the first.
    """
    if "T" not in text and "B:" not in text:
        return None
    found: dict[str, tuple[float | None, float | None]] = {}
    for name, now, target in _HEAT.findall(text):
        found.setdefault(name, (_degrees(now), _degrees(target)))
    if not found:
        return None
    active, bed = found.pop("T", (None, None)), found.pop("B", (None, None))
    first = found.pop("T0", active)
    others = tuple(Heater(n, c, target) for n, (c, target) in found.items() if c is not None)
    return Heat(*first, *bed, others)


def _degrees(text: str) -> float | None:
    """A temperature that a sensor can mean; what a broken line makes of it is not."""
    if not text:
        return None
    value = float(text)
    return value if -60.0 <= value <= 1200.0 else None


def _report(text: str) -> Message | None:
    if text.startswith(("T:", "T0:", "B:")):
        heat = _heat(text)
        return Report(heat) if heat is not None else None
    busy = _BUSY.match(text)
    if busy is not None:
        return Busy(busy[1].strip())
    target = _TARGET.match(text)
    if target is None:
        return None
    degrees = _degrees(target[2])
    is_bed = target[1] == "Bed"
    return Report(Heat(bed_target_c=degrees) if is_bed else Heat(hotend_target_c=degrees))


def _about_lines(text: str) -> Message | None:
    if text == "wait":
        return Wait()
    if _START.fullmatch(text):
        return Started()
    resend = _RESEND.match(text)
    if resend is not None:
        return Resend(int(resend[1]))
    error = _ERROR.match(text)
    if error is None:
        return None
    if _LINE_FAULT.search(text):
        return LineFault(error[1])
    return Failure(error[1], _FATAL.search(text) is not None)


def _other(text: str) -> Message:
    if text.startswith("//"):
        what = text[2:].strip()
        if what.startswith("action:"):
            name, _, argument = what[len("action:") :].strip().partition(" ")
            return Action(name, argument.strip())
    if (about_card := _about_card(text)) is not None:
        return about_card
    if (firmware := _FIRMWARE.search(text)) is not None:
        return Firmware(firmware[1].strip())
    if (capability := _CAPABILITY.match(text)) is not None:
        return Capability(capability[1], capability[2] == "1")
    if (position := _POSITION.search(text)) is not None:
        return Position(*(float(value) for value in position.groups()))
    return Other(text)


def _about_card(text: str) -> Message | None:
    if (sd := _SD.search(text)) is not None:
        return SdProgress(int(sd[1]), int(sd[2]))
    if "Not SD printing" in text:
        return SdIdle(finished=False)
    if "Done printing file" in text:
        return SdIdle(finished=True)
    if text in ("SD print paused", "Print saved"):
        return SdPaused()
    if text.startswith("Writing to file") or "Done saving file" in text:
        return SdWriting(saved=text.startswith("Done"))
    if (sd_file := _SD_FILE.search(text)) is not None:
        name = "" if sd_file[2] == "(no file)" else sd_file[2]
        size = int(sd_file[3]) if sd_file[3] else None
        return SdFile(name, size, opened=sd_file[1] == "File opened")
    if _SD_REFUSED.search(text):
        return SdRefused(text)
    return None


class LineSplitter:
    """Cuts what arrives into lines; holds at most two, of bounded length."""

    def __init__(self) -> None:
        self._rest = b""
        self._half_error = b""

    def only_oks(self, data: bytes) -> int:
        """How many plain oks this is, and nothing else; 0 when it has to be fed."""
        if self._rest or not data.startswith(b"ok"):
            return 0
        if data == b"ok\n":
            return 1
        end = b"ok\r\n" if data.endswith(b"\r\n") else b"ok\n"
        count = len(data) // len(end)
        return count if data == end * count else 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends; empty ones left out."""
        *lines, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        if len(rest) > LONGEST_LINE_BYTES:
            lines.append(rest)
            rest = b""
        self._rest = rest
        if self._half_error or b"Error:" in data or any(map(_HALF_ERROR.match, lines[:1])):
            lines = self._joined(lines)
        return [line[:LONGEST_LINE_BYTES] for line in lines if line]

    def _joined(self, lines: list[bytes]) -> list[bytes]:
        """Old Marlin says ``Error:0`` and in a line of its own ``: Extruder switched off…``."""
        joined = []
        for line in lines:
            if self._half_error and line:
                half, self._half_error = self._half_error, b""
                if line.startswith(b":"):
                    line = half + line  # noqa: PLW2901 - the two are one
                else:
                    joined.append(half)
            if _HALF_ERROR.fullmatch(line):
                self._half_error = line
            else:
                joined.append(line)
        return joined
