"""A conversation with one printer: greets it, learns what it is, carries lines both ways."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from fabcoord.printers import profiles
from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.flow import Flow
from fabcoord.printers.serial.link import LinkLost, SerialLink
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

GREET_AGAIN_S = 1.0  # a board that resets when the port is opened is deaf at first
REPORT_TEMPERATURES_S = 2


@dataclass(frozen=True, slots=True)
class Heard:
    """One message, and the commands that are known to be taken since the one before."""

    message: Message
    taken: tuple[str, ...] = ()


class Connection:
    """An open port with a printer behind it. Used by one thread only.

    Raises PrinterOffline when the port cannot be opened.
    """

    def __init__(self, port: str, baud: int, profile: FirmwareProfile | None) -> None:
        self._fixed_profile = profile
        self._link = SerialLink(port, baud)
        self._lines = LineSplitter()
        self.flow = Flow(profile or profiles.default())
        self.firmware = ""
        self.capabilities: dict[str, bool] = {}
        self.heat = Heat()
        self.position: Position | None = None
        self.heard_anything = False  # at least one line that makes sense
        self.heard_busy = False
        self.heard_noise = False
        self.booting = False  # it was heard to start since we are here
        self.ready = False  # greeted and known
        self.halted = False  # it has killed itself and hears nothing
        self._greeting: deque[str] = deque()
        self._greet_at: float | None = 0.0  # when to say M110 (again); None once it was taken

    @property
    def profile(self) -> FirmwareProfile:
        return self.flow.profile

    def can(self, capability: str) -> bool:
        """Did M115 promise this capability?"""
        return self.capabilities.get(capability, False)

    def step(
        self, next_command: Callable[[float], str | None], until: float, wake_fd: int
    ) -> list[Heard]:
        """Send what may be sent now, then wait until something was said.

        Args:
            next_command: gives the next command for a greeted printer, None for none.
            until: when to ask for a command again, in `time.monotonic` seconds.
            wake_fd: a pipe; what comes out of it is read and ends the wait.

        Raises:
            LinkLost: the port went away, or the printer does not answer any more.
        """
        now = time.monotonic()
        link, flow = self._link, self.flow
        if not self.halted:
            self._send(next_command, now)
            if flow.failure:
                raise LinkLost(flow.failure)
        readable, writable, _ = select.select(
            [link.fd, wake_fd], [link.fd] if link.waits else [], [], self._wait_s(until, now)
        )
        if wake_fd in readable:
            os.read(wake_fd, 4096)
        if writable:
            link.flush()
        if link.fd not in readable:
            return []
        return [self._hear(parse(line)) for line in self._lines.feed(link.read())]

    def _wait_s(self, until: float, now: float) -> float | None:
        """How long nothing has to be done if nothing is heard; None for ever."""
        if self.halted:
            return None
        times = [self.flow.deadline, self._greet_at]
        if self.ready and self.flow.ready:  # before that a new command could not go out anyway
            times.append(until)
        soonest = min((at for at in times if at is not None), default=None)
        return None if soonest is None else max(0.0, soonest - now)

    def _send(self, next_command: Callable[[float], str | None], now: float) -> None:
        if self._greet_at is not None and now >= self._greet_at:
            # The empty line ends whatever was left half said on the wire.
            self._link.write(b"\n" + self.flow.restart(now))
            self._greet_at = None if self.heard_busy else now + GREET_AGAIN_S
            return
        data = self.flow.due(now)
        if data is None and self.flow.ready:
            if self._greeting:
                data = self.flow.send(self._greeting.popleft(), now)
            elif self.ready and (command := next_command(now)) is not None:
                data = self.flow.send(command, now)
        if data is not None:
            self._link.write(data)

    def _hear(self, message: Message) -> Heard:
        now = time.monotonic()
        taken = self.flow.hear(message, now)
        if isinstance(message, Other):
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
            self._greeted(command)
        return Heard(message, tuple(taken))

    def _learn_heat(self, heat: Heat) -> None:
        if heat.bed_c is None:
            heat = replace(heat, bed_c=self.heat.bed_c, bed_target_c=self.heat.bed_target_c)
        self.heat = heat

    def _greet_anew(self) -> None:
        self.booting = True
        self.ready = self.halted = self.heard_busy = False
        self._greeting.clear()
        self._greet_at = 0.0

    def _greeted(self, command: str) -> None:
        """Go on with the greeting: numbering, a first look, who are you, what to report."""
        if self.ready:
            return
        if command == "M110 N0":
            self._greet_at = None
            self._greeting.extend(("M105", "M115"))
        elif command == "M115":
            if self._fixed_profile is None:
                self.flow.profile = profiles.detect(self.firmware)
            if self.profile.keepalive_s:
                self._greeting.append(f"M113 S{self.profile.keepalive_s}")
            if self.can("AUTOREPORT_TEMP"):
                self._greeting.append(f"M155 S{REPORT_TEMPERATURES_S}")
            self._greeting.append("M27" if self.has_sd else "M105")
        elif not self._greeting:
            self.ready = True

    @property
    def has_sd(self) -> bool:
        """Could a print run from a card in the printer? Unless it says no, it could."""
        return self.capabilities.get("SDCARD", True)

    def interrupt(self) -> None:
        """Stop waiting for heat and drop planned moves at once, where the firmware can."""
        if self.can("EMERGENCY_PARSER"):
            # Without numbers: these are read before the numbering is looked at.
            self._link.write(b"M108\nM410\n")
            self.flow.resync(time.monotonic())

    def blurt(self, commands: list[str]) -> None:
        """Say commands without numbers and without waiting for answers, as a last word."""
        for command in commands:
            self._link.write(command.encode("ascii") + b"\n")

    def close(self) -> None:
        self._link.close()
