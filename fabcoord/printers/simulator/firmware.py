"""The firmware's main loop: bytes in, numbered lines checked, four commands queued and executed.

Follows Marlin 2.1 (``queue.cpp``, ``e_parser``): what is checked in which order, what is
answered, and what is swallowed without a word.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator

from fabcoord.printers.simulator import thermal
from fabcoord.printers.simulator.binary import BinaryStream
from fabcoord.printers.simulator.board import (
    BANNER,
    BOOT_S,
    LINE_CHARS,
    QUEUE_SLOTS,
    RX_BUFFER_BYTES,
)
from fabcoord.printers.simulator.meatpack import Unpacker
from fabcoord.printers.simulator.planner import Planner
from fabcoord.printers.simulator.sdcard import SdCard

Waiting = Generator[float | None, None, None]  # yields when to look again, None for "when told"
_NUMBER = re.compile(r"N\s*(-?\d+)")
_EMERGENCY = re.compile(rb"^\s*(?:N\d+\s*)?(M108|M112|M410|M876)\b(?:\s*S(\d+))?")


class Firmware:
    """One printer's controller; time is firmware time, given from outside.

    ``real_second`` is how much firmware time passes in a real second: reports to the host keep
    real time whatever the speed. ``execute`` carries out one command, see `commands`; ``executed``
    is told of each before it is carried out.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        card: SdCard | None,
        execute: Callable[[Firmware, str], Waiting | None],
        *,
        real_second: float = 1.0,
        emergency_parser: bool = True,
        advanced_ok: bool = False,
        meatpack: bool = True,
        heaters: thermal.Heaters | None = None,
        binary: bool = True,
        promises: frozenset[str] = frozenset(),
        executed: Callable[[str], None] | None = None,
    ) -> None:
        self.say = say
        self.card = card
        self.real_second = real_second
        self.emergency_parser = emergency_parser
        self.advanced_ok = advanced_ok
        self.meatpack = meatpack
        self._execute = execute
        self._executed = executed
        self.promises = promises
        self.heaters = heaters or thermal.Heaters()
        self.binary = BinaryStream(say, card, real_second) if binary and card else None
        self.resends = 0
        self.overflowed_bytes = 0
        self.now = 0.0
        self._power_up()

    def _power_up(self) -> None:
        self.planner = Planner()
        self.fan = 0
        self.last_line = 0
        self.killed = ""
        self.stop_waiting = False  # M108 came
        self.keepalive_s = 2.0
        self.report_temperatures_s = 0.0
        self.report_sd_s = 0.0
        self.busy_with = "processing"
        self.prompt = ""  # the question that the host is asked
        self.answered: list[int] = []  # with these choices
        self.silent = False  # a fault: no temperatures are told
        self.answer = ""  # what the next ok carries
        self.hung_until = 0.0
        self._booting_until = 0.0
        self._rx = bytearray()
        self._unpacker = Unpacker()
        self._unpacked = bytearray()  # of the line that is being read
        self._recent = b""  # the line that is arriving, for the emergency parser
        # Command, and its line number: -1 without one, None when it is not from the serial port.
        self._queue: deque[tuple[str, int | None]] = deque()
        self._running: Waiting | None = None
        self._running_line: int | None = None
        self._look_at: float | None = None
        self._busy_at = self._temperatures_at = self._sd_at = 0.0

    @property
    def hotend(self) -> thermal.Heater:
        """The active one."""
        return self.heaters.hotends[self.heaters.tool]

    # Resets and faults ---------------------------------------------------------------------

    def reset(self) -> None:
        """Start anew as after the reset button; heat and SD card stay, all else is forgotten."""
        if self.card is not None:
            self.card.power_down()
        if self.binary is not None:
            self.binary.power_down()
        self._power_up()
        self.heaters.off()
        self.heaters.tool = 0
        self._booting_until = self.now + BOOT_S

    def kill(self, reason: str = "") -> None:
        """Switch everything off and hear nothing until reset."""
        if reason:
            self.say(f"Error:{reason}")
        self.say("Error:Printer halted. kill() called!")
        self.killed = reason or "M112"
        self.heaters.off()
        self.planner.quick_stop()
        self._queue.clear()
        self._running = None

    def hang(self, duration_s: float) -> None:
        self.hung_until = self.now + duration_s

    # Receiving -----------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes from the line; those that find the buffer full are lost."""
        if self.killed or self._booting_until:
            return
        if self.emergency_parser:
            self._emergency(data)
        if self.binary is not None and self.binary.active:
            data = self.binary.receive(data, self.now)
        self._rx += data
        self._read_lines()
        if len(self._queue) >= QUEUE_SLOTS and len(self._rx) > RX_BUFFER_BYTES:
            self.overflowed_bytes += len(self._rx) - RX_BUFFER_BYTES
            del self._rx[RX_BUFFER_BYTES:]

    def _emergency(self, data: bytes) -> None:
        """Act on the emergency commands as they arrive, whatever the queue does."""
        *lines, self._recent = (self._recent + data).split(b"\n")
        self._recent = self._recent[-200:]
        for line in lines:
            match = _EMERGENCY.match(line) if b"M" in line else None
            if match is None:
                continue
            if match[1] == b"M112":
                self.kill()
            elif match[1] == b"M108":
                self.stop_waiting = True
            elif match[1] == b"M876":
                self.answer_prompt(int(match[2] or 0))
            else:
                self.quick_stop()

    def ask(self, text: str, *choices: str) -> None:
        """Ask the host something; `answer_prompt` ends it."""
        self.prompt = text
        self.say(f"//action:prompt_begin {text}")
        for choice in choices:
            self.say(f"//action:prompt_button {choice}")
        self.say("//action:prompt_show")

    def answer_prompt(self, choice: int) -> None:
        """M876: what the host has chosen."""
        self.answered.append(choice)
        if self.prompt:
            self.prompt = ""
            self.say("//action:prompt_end")
            self.stop_waiting = True

    def quick_stop(self) -> None:
        """M410: drop all planned moves; a move that was under way ends where it is."""
        self.planner.quick_stop()
        self._look_at = self.now

    def _read_lines(self) -> None:
        if self.now < self.hung_until:
            return
        while len(self._queue) < QUEUE_SLOTS and not self.killed:
            raw = self._next_line()
            if raw is None:
                break
            self._take_line(raw)

    def _next_line(self) -> bytes | None:
        """Take a whole line out of the receive buffer, None while there is none."""
        if not self.meatpack or not (self._unpacker.active or 0xFF in self._rx or self._unpacked):
            end = self._rx.find(b"\n")
            if end < 0:
                return None
            raw = bytes(self._rx[:end])
            del self._rx[: end + 1]
            return raw
        line, taken = self._unpacked, 0
        for byte in self._rx:
            taken += 1
            if self._unpacker.feed(byte, line):
                self.say(self._unpacker.state)
            if line[-1:] == b"\n":
                break
        del self._rx[:taken]
        if line[-1:] != b"\n":
            return None
        raw = bytes(line[:-1])
        line.clear()
        return raw

    def _take_line(self, raw: bytes) -> None:
        """Check one line as Marlin does, and queue it."""
        line = raw.partition(b";")[0].replace(b"\\", b"").replace(b"\r", b"")[:LINE_CHARS]
        text = line.decode("latin-1").lstrip()
        if not text:
            return
        number = -1
        if text[0] == "N":
            checked = self._checked(text)
            if checked is None:
                return
            text, number = checked, self.last_line
        elif self.card is not None and self.card.writing and not text.startswith("M29"):
            self._line_error("No Checksum with line number")
            return
        text = text.strip()
        if self.card is not None and self.card.writing and not text.startswith("M29"):
            if not self.card.write_line(text):
                self.say("Error:error writing to file")
            self.say("ok")
            return
        self._queue.append((text, number))

    def _checked(self, text: str) -> str | None:
        """The command of a numbered line, None when it is not accepted."""
        renumbers = "M110" in text
        match = _NUMBER.search(text, text.index("M110") if renumbers else 0) or _NUMBER.match(text)
        number = int(match[1]) if match else 0
        if not renumbers and number != self.last_line + 1:
            if number in (self.last_line, self.last_line - 1):
                return None  # a duplicate is swallowed, and without an ok
            self._line_error("Line Number is not Last Line Number+1")
            return None
        body, star, checksum = text.rpartition("*")
        if not star:
            self._line_error("No Checksum with line number")
            return None
        expected = 0
        for char in body:
            expected ^= ord(char)
        if not checksum.strip().isdecimal() or int(checksum) != expected:
            self._line_error("checksum mismatch")
            return None
        self.last_line = number
        return body[1:].lstrip("0123456789- ")

    def _line_error(self, what: str) -> None:
        self.resends += 1
        self._rx.clear()
        self._unpacked.clear()
        self.say(f"Error:{what}, Last Line: {self.last_line}")
        self.say(f"Resend: {self.last_line + 1}")
        self.say("ok")

    # Executing -----------------------------------------------------------------------------

    @property
    def unchecked(self) -> bool:
        """Did the command being carried out come over the line without a number?"""
        return self._running_line == -1

    def step(self, now: float) -> None:
        """Do all that can be done at this time."""
        self.now = now
        self.heaters.advance(now)
        self.planner.advance(now)
        if self._booting_until:
            if now < self._booting_until:
                return
            self._booting_until = 0.0
            for line in BANNER:
                self.say(line)
        if self.killed or now < self.hung_until:
            return
        while self._advance():
            pass
        self._report()

    def _advance(self) -> bool:
        """Carry the running command on, or begin the next; False when there is nothing to do."""
        if self._running is not None:
            if not self.stop_waiting and (self._look_at is None or self.now < self._look_at):
                return False
            self._resume()
            return self._running is None
        self._read_lines()
        if len(self._queue) < QUEUE_SLOTS and self.card is not None and self.card.printing:
            self._read_card(self.card)
        if not self._queue:
            return False
        command, self._running_line = self._queue.popleft()
        if self._executed is not None:
            self._executed(command)
        self._busy_at = self.now + self.keepalive_s * self.real_second
        self._running = self._execute(self, command)
        if self._running is None:
            self._finished()
        else:
            self._resume()
        return not self.killed

    def _resume(self) -> None:
        assert self._running is not None  # noqa: S101 - for the type checker
        try:
            self._look_at = next(self._running)
        except StopIteration:
            self._running = None
            self._finished()

    def _finished(self) -> None:
        self.busy_with = "processing"
        answer, self.answer = self.answer, ""
        line = self._running_line
        if line is None or self.killed:
            return
        advanced = f" N{line}" if line >= 0 else ""
        # Its own slot in the queue is free only after it has answered.
        advanced += f" P{self.planner.free} B{QUEUE_SLOTS - 1 - len(self._queue)}"
        self.say(f"ok{advanced if self.advanced_ok else ''}{' ' * bool(answer)}{answer}")

    def _read_card(self, card: SdCard) -> None:
        line = card.next_line()
        if line is None:
            card.stop()
            self.say("Done printing file")
            return
        text = line.partition(";")[0].strip()
        if text:
            self._queue.append((text, None))

    # Reporting -----------------------------------------------------------------------------

    def temperatures(self) -> str:
        """The report of M105 and M155."""
        return self.heaters.report()

    def _report(self) -> None:
        now, second = self.now, self.real_second
        if self._running is not None and self.keepalive_s and now >= self._busy_at:
            self._busy_at = now + self.keepalive_s * second
            self.say(f"echo:busy: {self.busy_with}")
        if self.report_temperatures_s and not self.silent and now >= self._temperatures_at:
            self._temperatures_at = now + self.report_temperatures_s * second
            self.say(f" {self.temperatures()}")
        if self.report_sd_s and now >= self._sd_at:
            self._sd_at = now + self.report_sd_s * second
            self.say(self.card.status() if self.card is not None else "Not SD printing")

    def next_at(self) -> float | None:
        """When `step` has something to do again, if no bytes arrive; None for never."""
        if self.killed:
            return None
        if self._booting_until:
            return self._booting_until
        if self.now < self.hung_until:
            return self.hung_until
        times = [
            self._look_at if self._running is not None else None,
            self._busy_at if self._running is not None and self.keepalive_s else None,
            self._temperatures_at if self.report_temperatures_s and not self.silent else None,
            self._sd_at if self.report_sd_s else None,
        ]
        return min((at for at in times if at is not None), default=None)

    def state(self) -> dict[str, object]:
        """What a test or a person wants to know."""
        card = self.card
        return {
            "killed": self.killed,
            "busy": self._running is not None,
            "hotend_c": round(self.hotend.temperature_c, 1),
            "hotend_target_c": self.hotend.target_c,
            "targets_c": [heater.target_c for heater in self.heaters.all],
            "bed_c": round(self.heaters.bed.temperature_c, 1),
            "bed_target_c": self.heaters.bed.target_c,
            "fan": self.fan,
            "position": dict(self.planner.position),
            "answered": list(self.answered),
            "homed": self.planner.homed,
            "last_line": self.last_line,
            "resends": self.resends,
            "overflowed_bytes": self.overflowed_bytes,
            "sd_printing": card is not None and (card.printing or card.paused),
            "reports_sd_s": self.report_sd_s,
            "sd_files": {} if card is None else card.names(),
        }
