"""A conversation with one printer: greets it, learns what it is, carries lines both ways."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress

from fabcoord.printers import profiles
from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.ahead import Heard, hear_taken, stream
from fabcoord.printers.serial.binary import Kind, Leaving, packet
from fabcoord.printers.serial.flow import Flow
from fabcoord.printers.serial.framing import Form
from fabcoord.printers.serial.heat import cooling_all
from fabcoord.printers.serial.link import LinkLost, SerialLink
from fabcoord.printers.serial.meatpack import RESET, Packed
from fabcoord.printers.serial.options import WireOptions
from fabcoord.printers.serial.parser import (
    Busy,
    Capability,
    Firmware,
    Heat,
    LineSplitter,
    Message,
    Ok,
    Other,
    Position,
    Report,
    Started,
    parse,
)
from fabcoord.printers.serial.source import Source

GREET_AGAIN_S = 1.0  # a board that resets when the port is opened is deaf at first
REPORT_TEMPERATURES_S = 2
STOP_AGAIN_S = 1.0  # an emergency stop that found the receive buffer full is lost
_STOPS = 5


class Connection:
    """An open port with a printer behind it. Used by one thread only.

    Args:
        closes_file: end an upload to the card that was cut off, or the printer would write down
            all that we say instead of doing it.
        options: how lines travel, once the printer is known.

    Raises PrinterOffline when the port cannot be opened.
    """

    def __init__(
        self,
        port: str,
        baud: int,
        profile: FirmwareProfile | None,
        *,
        options: WireOptions | None = None,
        closes_file: bool = False,
    ) -> None:
        self._fixed_profile = profile
        self._options = options or WireOptions()
        self._link = SerialLink(port, baud)
        self._lines = LineSplitter()
        self.flow = Flow(profile or profiles.default())
        self.firmware = ""
        self.capabilities: dict[str, bool] = {}
        self.heat = Heat()
        self.position: Position | None = None
        self.heard_anything = False  # at least one line that makes sense
        self.answers = False  # it has taken a command of ours
        self.heard_busy = False
        self.heard_noise = False
        self.booting = False  # it was heard to start since we are here
        self.ready = False  # greeted and known
        self.halted = False  # it has killed itself and hears nothing
        self.alarm_at: float | None = None  # when the caller wants to look at the clock again
        self._stops_left = 0
        self._stop_at: float | None = None
        self._closes_file = closes_file
        self._leaving = Leaving()
        self._free_running = False  # the lines that are out need not be waited for
        self._greeted_before = False
        self._once_more = False  # greet again unless the printer answers more than the first word
        self._greeting: deque[str] = deque()
        self._greet_at: float | None = 0.0  # when to say M110 (again); None once it was taken

    @property
    def profile(self) -> FirmwareProfile:
        return self.flow.profile

    def can(self, capability: str) -> bool:
        """Did M115 promise this capability?"""
        return self.capabilities.get(capability, False)

    def step(self, source: Source, until: float, wake_fd: int) -> list[Heard]:
        """Send what may be sent now, then wait until something was said.

        Args:
            source: gives the commands for a greeted printer.
            until: when to ask for a command again, in `time.monotonic` seconds.
            wake_fd: a pipe; what comes out of it is read and ends the wait.

        Raises:
            LinkLost: the port went away, or the printer does not answer any more.
        """
        now = time.monotonic()
        self._stop_again(now)
        if not self.halted:
            self._send(source, now)
            if self.flow.failure:
                raise LinkLost(self.flow.failure)
        heard: list[Heard] = []
        while self._exchange(heard, until, wake_fd):
            pass
        return heard

    def _exchange(self, heard: list[Heard], until: float, wake_fd: int) -> bool:
        """Wait until something was said, and answer what has an answer ready.

        True when that was all: oks for lines of a print, and there are more lines to go out.
        Nobody else is asked then, which spares time at each line.
        """
        link, flow = self._link, self.flow
        data, woken = stream(
            *(link, flow, self._lines, heard),
            may_send=self.ready and not self.halted,
            wake_fd=wake_fd,
            wait_s=self._wait_s(until, time.monotonic()),
        )
        oks = self._lines.only_oks(data) if data and self.ready else 0
        if oks:
            hear_taken(heard, flow.hear_oks(oks, time.monotonic()))
        elif data:
            self._hear_lines(heard, self._lines.feed(data))
        else:
            return False
        if not self.ready or self.halted:
            return False
        if (out := flow.due(time.monotonic())) is not None:
            link.write(out)  # before all that is not as urgent as the next line
        return bool(oks) and not woken and not flow.room and not flow.failure

    def _wait_s(self, until: float, now: float) -> float | None:
        """How long nothing has to be done if nothing is heard; None for ever."""
        if self.halted:
            return None if self._stop_at is None else max(0.0, self._stop_at - now)
        # Before all is taken a new command could not go out anyway.
        ask_at = until if self.ready and self.flow.drained else None
        soonest = self.flow.deadline
        for at in (self._greet_at, self.alarm_at, ask_at):
            if at is not None and (soonest is None or at < soonest):
                soonest = at
        return None if soonest is None else max(0.0, soonest - now)

    def _send(self, source: Source, now: float) -> None:
        flow = self.flow
        if self._greet_at is not None and now >= self._greet_at:
            self._greet(now)
            return
        data = flow.due(now) or b""
        if not self.ready:
            if flow.drained and self._greeting:
                data += flow.send(self._greeting.popleft(), now)
        elif flow.drained and (raw := source.next_bytes(now)) is not None:
            data += raw
        elif flow.drained or self._free_running:
            lines = source.next_lines(now, room) if (room := flow.room) else []
            self._free_running = bool(lines) or not flow.drained
            if lines:
                flow.add(lines)
                data += flow.due(now) or b""
            elif flow.drained and (command := source.next_command(now)) is not None:
                data += flow.send(command, now)
        if data:
            self._link.write(data)

    def _greet(self, now: float) -> None:
        # Left packed by one who was killed, it would understand nothing; others pass over this.
        unpack = RESET if self._options.meatpack or self._greeted_before else b""
        # The empty line ends whatever was left half said on the wire.
        if self._closes_file and self._greeted_before:
            self._link.write(packet(0, Kind.SYNC))  # it may be deep in a binary transfer
        self._link.write(unpack + (b"\nM29\n" if self._closes_file else b"\n"))
        self.flow.use(Form())
        self._link.write(self.flow.restart(now))
        self._greeting.clear()
        self._greeted_before, self._once_more = True, not self._greeted_before
        self._greet_at = None if self.heard_busy else now + GREET_AGAIN_S

    def _hear_lines(self, heard: list[Heard], lines: list[bytes]) -> None:
        """Take in lines; plain oks in one go, as most lines are such."""
        oks = 0
        for line in lines:
            if self.ready and line == b"ok":
                oks += 1
                continue
            if oks:
                hear_taken(heard, self.flow.hear_oks(oks, time.monotonic()))
                oks = 0
            heard.append(self._hear(parse(line)))
        if oks:
            hear_taken(heard, self.flow.hear_oks(oks, time.monotonic()))

    def _hear(self, message: Message) -> Heard:
        now = time.monotonic()
        taken = self.flow.hear(message, now)
        if isinstance(message, Other):
            if not self.ready:
                self._hear_transfer(message.text, now)
            self.heard_noise = self.heard_noise or "\ufffd" in message.text
        else:
            self.heard_anything = True
        if isinstance(message, Ok):
            if message.heat is not None:
                self._learn_heat(message.heat)
        elif isinstance(message, Report):
            self._learn_heat(message.heat)
        elif isinstance(message, Busy):
            self.heard_busy = True
        elif isinstance(message, Position):
            self.position = message
        elif isinstance(message, Capability):
            self.capabilities[message.name] = message.there
        elif isinstance(message, Firmware):
            self.firmware = message.name
        elif isinstance(message, Started):
            self._greet_anew()
        for command in taken:
            self.answers = True
            self._greeted(command)
        return Heard(message, taken)

    def _hear_transfer(self, text: str, now: float) -> None:
        """End a binary transfer that was cut off, or it would understand no G-code."""
        if answer := self._leaving.hear(text):
            self._link.write(answer)
        elif self._leaving.left:
            self._leaving, self._greet_at = Leaving(), now

    def _learn_heat(self, heat: Heat) -> None:
        """What a report leaves out stays as it was: some tell targets in lines of their own."""
        before = self.heat
        self.heat = Heat(
            _known(heat.hotend_c, before.hotend_c),
            _known(heat.hotend_target_c, before.hotend_target_c),
            _known(heat.bed_c, before.bed_c),
            _known(heat.bed_target_c, before.bed_target_c),
            heat.others or before.others,
        )

    def _greet_anew(self) -> None:
        self.booting = True
        self.ready = self.halted = self.heard_busy = False
        self._greeting.clear()
        self._stop_at = None
        self._greet_at = 0.0

    def _greeted(self, command: str) -> None:
        """Go on with the greeting: numbering, a first look, who are you, what to report."""
        if self.ready:
            return
        if command == "M110 N0":
            # The ok may have been for somebody before us, and the printer still be packed.
            if not self._once_more:
                self._greet_at = None
            self._greeting.extend(("M105", "M115"))
        elif command == "M115":
            if self._fixed_profile is None:
                self.flow.profile = profiles.detect(self.firmware)
            self.flow.profile = cooling_all(self.profile, self.heat)
            if self.profile.keepalive_s:
                self._greeting.append(f"M113 S{self.profile.keepalive_s}")
            if self.can("AUTOREPORT_TEMP"):
                self._greeting.append(f"M155 S{REPORT_TEMPERATURES_S}")
            self._greeting.append("M27" if self.has_sd else "M105")
        elif not self._greeting:
            self._choose_form()
            self.ready = True
        if command == "M105":
            self._greet_at = None

    def _choose_form(self) -> None:
        """How lines travel from now on, as far as the lab wants it and the firmware can."""
        options, profile = self._options, self.profile
        window_bytes = options.window_bytes(profile, motion_modes=self.can("MOTION_MODES"))
        if window_bytes:
            self.flow.allow_window(window_bytes)
        if options.meatpack and self.can("MEATPACK"):
            self.flow.use(Packed(shorten=options.shrink))
        else:
            self.flow.use(Form(shorten=options.shrink))

    @property
    def has_sd(self) -> bool:
        """Could a print run from a card in the printer? Unless it says no, it could."""
        return self.capabilities.get("SDCARD", True)

    @property
    def acts_at_once(self) -> bool:
        """Does it act on emergency commands whatever it is doing?"""
        return self.can("EMERGENCY_PARSER")

    def interrupt(self) -> None:
        """Stop waiting for heat and drop planned moves at once, where the firmware can."""
        if self.acts_at_once:
            # Without numbers: these are read before the numbering is looked at.
            self.flow.withdraw()
            self.interject("M108\nM410")

    def interject(self, command: str) -> None:
        """Say a command now, beside the numbering, whatever waits for an answer.

        As all here, from the thread that calls `step`, between two calls of it.
        """
        unsent = self.flow.withdraw()
        self._link.write(self.flow.form.closing + command.encode("ascii") + b"\n")
        self.flow.resync(time.monotonic())
        self.flow.add(unsent)

    def cut_in(self, data: bytes) -> None:
        """Send bytes before all that waits."""
        if data:
            self._link.cut_in(data)

    def emergency_stop(self) -> bool:
        """Stop everything, at once, by the best way that this printer offers.

        Without an emergency parser the stop waits in the receive buffer for its turn; a board
        that resets when the port is opened is reset instead, which ends all heating as well.
        Returns whether it was.
        """
        self.halted = True
        self._stops_left, self._stop_at = _STOPS, 0.0
        self._stop_again(time.monotonic())
        hears = self.acts_at_once or self.profile.emergency_at_once
        if self.profile.resets_on_open and not hears:
            self._link.pulse_dtr()
            return True
        return False

    def _stop_again(self, now: float) -> None:
        """Say the stop until the printer says that it has halted, or often enough."""
        if self._stop_at is None or now < self._stop_at:
            return
        self._stops_left -= 1
        self._stop_at = now + STOP_AGAIN_S if self._stops_left > 0 else None
        stop = self.profile.emergency_stop.encode("ascii")
        self._link.cut_in(b"%s\n%s\n" % (self.flow.form.closing, stop))

    def heard_halt(self) -> None:
        """It says itself that it has halted."""
        self.halted, self._stop_at = True, None

    def blurt(self, commands: list[str]) -> None:
        """Say commands without numbers and without waiting for answers, as a last word."""
        self._link.write(self._plain())
        for command in commands:
            self._link.write(command.encode("ascii") + b"\n")

    def _plain(self) -> bytes:
        """What has to be said before plain lines are understood."""
        closing = self.flow.form.closing
        self.flow.use(Form())
        return closing

    def close(self) -> None:
        with suppress(LinkLost):
            self._link.write(self._plain())
        self._link.close()


def _known(now: float | None, before: float | None) -> float | None:
    return before if now is None else now
