"""The gate: what G-code must pass before it may reach a machine, whoever made it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from fabcoord.errors import GateRefused
from fabcoord.printers.machines import MachineModel
from fabcoord.slicing.denied import DENIED, KLIPPER_ALLOWED
from fabcoord.slicing.motion import AXES, Position, Words, arc_reach

CHUNK_BYTES = 1 << 20
MAX_COMMENT_BYTES = 256 * 1024
# Marlin keeps 96 bytes of a line with its number and checksum (`N1234567 `, `*255`) and cuts the
# rest off, checksum included, which ends in resends without end.
MAX_COMMAND_BYTES = 96 - 1 - len("N1234567 *255")
MAX_REFUSALS = 20
_SLACK_MM = 0.05

_LAYER_MARKS = (b"\n;LAYER_CHANGE", b"\n;LAYER:", b"\n; CHANGE_LAYER")
_COMMENT = re.compile(rb";[^\n]*")
_FOREIGN = re.compile(rb"[^\n\t -~]")
# A run of lines with nothing but plain moves or nothing at all: nearly all of every file.
_PLAIN_RUN = re.compile(rb"(?>(?:G[01](?> [XYZEF]-?\d*\.?\d+)*+)?+ *+\n)++")
_AXIS = {axis: re.compile(axis.encode() + rb"(-?\d*\.?\d+)") for axis in AXES}

_COMMAND = re.compile(r"([GMT])\s*0*(\d+)(\.\d+)?(.*)", re.S)
_WORD = re.compile(r"\s*([A-Z])\s*([-+]?(?:\d+\.?\d*|\.\d+))")
_EXTENDED = re.compile(r"([A-Z_][A-Z0-9_]*)(.*)", re.S)
_EXTENDED_WORD = re.compile(r"(\w+)\s*=\s*(\S+)")

_MOTION = {"G0", "G1", "G2", "G3", "G92"}
_HOTEND_COMMANDS = {"M104", "M109", "M568"}
_BED_COMMANDS = {"M140", "M190"}
_CHAMBER_COMMANDS = {"M141", "M191"}
_KEEPS_POSITION = {"G4", "G10", "G11", "G17", "G21"}
_MOVES_BY_ITSELF = {"M125", "M600", "M601", "M701", "M702"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason to keep a file from a machine."""

    line: int  # 1 is the first
    code: str  # denied, temperature, outside, too_long, characters, unreadable, …
    text: str  # one sentence for a person


@dataclass(frozen=True, slots=True)
class GateReport:
    """What the gate saw; it has let the file pass when ``refusals`` is empty."""

    refusals: tuple[Refusal, ...]
    max_hotend_c: float
    max_bed_c: float
    bounds_mm: tuple[tuple[float, float], ...] | None  # least and most of X, Y, Z; None: no moves
    layers: int
    lines: int

    @property
    def ok(self) -> bool:
        return not self.refusals

    def require(self, machine: MachineModel) -> GateReport:
        """The report itself; raises GateRefused with the reasons when there are any."""
        if self.ok:
            return self
        first = self.refusals[0]
        more = f" There are {len(self.refusals) - 1} more reasons." if self.refusals[1:] else ""
        raise GateRefused(
            f"This G-code must not run on {machine.name}. Line {first.line}: {first.text}{more}",
            hint="Slice it again for this machine.",
            extra={
                "refusals": [
                    {"line": one.line, "code": one.code, "text": one.text} for one in self.refusals
                ]
            },
        )


def vet(path: Path, machine: MachineModel) -> GateReport:
    """Read a whole G-code file once and judge it against one machine.

    Memory does not grow with the file; about a million lines a second. Never raises on what the
    file holds. It follows absolute positions, G92, relative moves from a known place and arcs;
    what homing and probing do is the printer's own affair.
    """
    gate = _Gate(machine)
    with path.open("rb") as file:
        rest = b""
        while chunk := file.read(CHUNK_BYTES):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            gate.read(whole + newline)
            if len(rest) > MAX_COMMENT_BYTES:
                gate.at, gate.commands = 0, b""
                gate.refuse("too_long", "the line never ends.")
                return gate.report()
        if rest:
            gate.read(rest + b"\n")
    return gate.report()


@dataclass(slots=True)
class _Gate:
    """What is known while a file is read."""

    machine: MachineModel
    lines: int = 0  # in the chunks before this one
    commands: bytes = b""  # this chunk without its comments
    at: int = 0  # how far into it
    layers: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    position: Position = field(default_factory=Position)
    homed: bool = False
    max_hotend_c: float = 0.0
    max_bed_c: float = 0.0
    least: list[float] = field(default_factory=lambda: [float("inf")] * 3)
    most: list[float] = field(default_factory=lambda: [float("-inf")] * 3)

    def report(self) -> GateReport:
        moved = any(low <= high for low, high in zip(self.least, self.most, strict=True))
        bounds = tuple(
            (low, high) if low <= high else (0.0, 0.0)
            for low, high in zip(self.least, self.most, strict=True)
        )
        return GateReport(
            refusals=tuple(self.refusals),
            max_hotend_c=self.max_hotend_c,
            max_bed_c=self.max_bed_c,
            bounds_mm=bounds if moved else None,
            layers=self.layers,
            lines=self.lines,
        )

    def refuse(self, code: str, text: str, *, at: int | None = None) -> None:
        """Note a reason, at an offset of the chunk, by default that of the present command."""
        if len(self.refusals) < MAX_REFUSALS:
            end = self.at if at is None else at
            line = self.lines + self.commands.count(b"\n", 0, end) + 1
            self.refusals.append(Refusal(line, code, text))

    def read(self, chunk: bytes) -> None:
        """Judge some whole lines."""
        if b"\r" in chunk:
            # Firmware takes a lone CR for the end of a line, so a command may hide behind it.
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self.layers += sum((b"\n" + chunk).count(mark) for mark in _LAYER_MARKS)
        self.commands = _COMMENT.sub(b"", chunk) if b";" in chunk else chunk
        self.at = 0
        self._check_characters(chunk)
        self._check_lengths()
        while self.at < len(self.commands):
            if run := _PLAIN_RUN.match(self.commands, self.at):
                self._plain_run(run.end())
                self.at = run.end()
            else:
                self._line()
        self.lines += chunk.count(b"\n")

    def _line(self) -> None:
        end = self.commands.index(b"\n", self.at)
        if text := self.commands[self.at : end].decode("ascii", "replace").strip():
            self._command(text.upper())
        self.at = end + 1

    def _check_characters(self, chunk: bytes) -> None:
        if b"\0" in chunk:
            self.refuse("characters", "it holds a NUL byte, here or below.")
        if found := _FOREIGN.search(self.commands):
            text = "it holds a character that is not plain ASCII."
            self.refuse("characters", text, at=found.start())

    def _check_lengths(self) -> None:
        lines = self.commands.split(b"\n")
        if self.machine.speaks_klipper or max(map(len, lines)) <= MAX_COMMAND_BYTES:
            return
        at = 0
        for line in lines:
            if len(line.strip()) > MAX_COMMAND_BYTES:
                text = f"the command is longer than {MAX_COMMAND_BYTES} characters."
                self.refuse("too_long", text, at=at)
                return
            at += len(line) + 1

    def _plain_run(self, end: int) -> None:
        if not (self.position.plain and self.homed):
            while self.at < end:
                self._line()
            return
        block = self.commands[self.at : end]
        for index, axis in enumerate(AXES):
            if not (found := _AXIS[axis].findall(block)):
                continue
            values = list(map(float, found))
            low, high = min(values), max(values)
            self.position.at[index] = values[-1]
            self.least[index] = min(self.least[index], low)
            self.most[index] = max(self.most[index], high)
            if worst := self._beyond(index, low) or self._beyond(index, high):
                number = found[values.index(low if self._beyond(index, low) else high)]
                offset = block.index(axis.encode() + number)
                self.refuse("outside", worst, at=self.at + offset)

    def _command(self, text: str) -> None:
        if found := _COMMAND.match(text):
            name, rest = f"{found[1]}{found[2]}", found[4]
            if (why := DENIED.get(name)) and name not in self.machine.allow_commands:
                self.refuse("denied", f"{name} {why}.")
            if found[3] and name in _MOTION:
                self.refuse("unreadable", f"{name}{found[3]} is not a plain move.")
            self._known(name, rest)
        else:
            self._extended(text)

    def _known(self, name: str, rest: str) -> None:
        kind = name[0]
        if name in _MOTION:
            self._motion(name, rest)
        elif name == "G28":
            self._home(rest)
        elif name in ("G90", "G91"):
            self.position.absolute = name == "G90"
        elif kind == "G" and name not in _KEEPS_POSITION:
            self.position.forget()
        elif kind == "T" and name != "T0":
            self.refuse("tool", f"it asks for tool {name[1:]}; this machine has one.")
        elif name in _HOTEND_COMMANDS | _BED_COMMANDS | _CHAMBER_COMMANDS:
            self._heat(name, rest)
        elif name in _MOVES_BY_ITSELF:
            self.position.forget()
        elif name in ("M117", "M118") and ("M110" in rest or "ACTION:" in rest):
            # Marlin finds M110 anywhere in a numbered line; hosts obey `//action:`.
            self.refuse("denied", f"{name} carries a command in its text.")

    def _home(self, rest: str) -> None:
        # W, R, O and the like change how, not what.
        axes = "".join(axis for axis in AXES if re.search(rf"\b{axis}", rest))
        self.position.home(axes or AXES)
        self.homed = True

    def _heat(self, name: str, rest: str) -> None:
        words = self._words(name, rest)
        if words is None:
            return
        if words.get("T", 0) != 0:
            self.refuse("tool", f"{name} heats a tool that this machine does not have.")
        target = max([0.0, *(words[letter] for letter in "SRB" if letter in words)])
        if name in _HOTEND_COMMANDS:
            self.max_hotend_c = max(self.max_hotend_c, target)
            self._hot("hot end", target, self.machine.max_hotend_c)
        elif name in _BED_COMMANDS:
            self.max_bed_c = max(self.max_bed_c, target)
            self._hot("bed", target, self.machine.max_bed_c)
        else:
            self._hot("chamber", target, self.machine.max_chamber_c)

    def _hot(self, what: str, target: float, most: float) -> None:
        if not target <= most:  # refuses NaN too
            text = f"it heats the {what} to {target:g} °C; this machine's limit is {most:g} °C."
            self.refuse("temperature", text)

    def _motion(self, name: str, rest: str) -> None:
        words = self._words(name, rest)
        if words is None:
            return
        if name == "G92":
            declared = words or dict.fromkeys(AXES, 0.0)
            if not self.position.declare(declared):
                self.refuse("motion", "G92 shifts the coordinates at an unknown position.")
            return
        if words.get("E", 0) > 0 and ("X" in words or "Y" in words) and not self.homed:
            self.refuse("motion", "it prints before homing (G28).")
            self.homed = True  # said once
        start, end = self.position.at, self.position.target(words)
        if name in ("G2", "G3"):
            self._arc(name, words, start, end)
        self.position.at = end
        for index, axis in enumerate(AXES):
            if axis in words and (value := end[index]) is not None:
                self._reach(index, value)

    def _arc(
        self,
        name: str,
        words: Words,
        start: list[float | None],
        end: list[float | None],
    ) -> None:
        (x0, y0, _), (x1, y1, _) = start, end
        if "R" in words or x0 is None or y0 is None or x1 is None or y1 is None:
            self.refuse("motion", f"the arc {name} cannot be followed.")
            return
        centre = (x0 + words.get("I", 0.0), y0 + words.get("J", 0.0))
        for x, y in arc_reach((x0, y0), (x1, y1), centre, clockwise=name == "G2"):
            self._reach(0, x)
            self._reach(1, y)

    def _reach(self, index: int, value: float) -> None:
        self.least[index] = min(self.least[index], value)
        self.most[index] = max(self.most[index], value)
        if reason := self._beyond(index, value):
            self.refuse("outside", reason)

    def _beyond(self, index: int, value: float) -> str:
        """Why this coordinate is out of reach; empty when it is not."""
        low, high = self.machine.travel_mm[index]
        if low - _SLACK_MM <= value <= high + _SLACK_MM:
            return ""
        return f"{AXES[index]} goes to {value:g} mm; this machine reaches {low:g} to {high:g} mm."

    def _words(self, name: str, rest: str) -> Words | None:
        """The letters and numbers of a command; None, and a refusal, when they cannot be read."""
        words: Words = {}
        at = 0
        rest = rest.rstrip()
        while at < len(rest):
            word = _WORD.match(rest, at)
            # A second command in the line would be one that nobody looked at.
            if word is None or word[1] in words or word[1] in "GMN":
                self.refuse("unreadable", f"{name} cannot be read: {rest.strip()[:60]!r}.")
                return None
            words[word[1]] = float(word[2])
            at = word.end()
        return words

    def _extended(self, upper: str) -> None:
        found = _EXTENDED.match(upper)
        name = found[1] if found else upper[:20]
        known = KLIPPER_ALLOWED if self.machine.speaks_klipper else frozenset()
        allowed = self.machine.allow_commands
        if not found or name not in known | allowed:
            text = f"{name!r} is not a command that may be sent to this machine."
            self.refuse("unknown", text)
            return
        # A macro homes and moves as the lab wrote it, but heats to what the file says.
        self.homed = True
        self.position.forget()
        for key, value in _EXTENDED_WORD.findall(found[2]):
            self._macro_word(key, value)

    def _macro_word(self, key: str, value: str) -> None:
        if not any(part in key for part in ("TEMP", "EXTRUDER", "HOTEND", "NOZZLE", "BED")):
            return
        try:
            target = float(value)
        except ValueError:
            return
        if "BED" in key:
            self.max_bed_c = max(self.max_bed_c, target)
            self._hot("bed", target, self.machine.max_bed_c)
        else:
            self.max_hotend_c = max(self.max_hotend_c, target)
            self._hot("hot end", target, self.machine.max_hotend_c)
