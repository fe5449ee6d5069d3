"""The simulator's main loop: one thread, one select, no waiting that is not for something."""

from __future__ import annotations

import select
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fabcoord.printers.simulator.commands import execute
from fabcoord.printers.simulator.firmware import Firmware
from fabcoord.printers.simulator.port import Port
from fabcoord.printers.simulator.sdcard import SdCard
from fabcoord.printers.simulator.thermal import Heaters
from fabcoord.printers.simulator.wire import Faults, Inbound, Outbound

if TYPE_CHECKING:
    from fabcoord.printers.simulator.control import Control, Record

_LOOK_FOR_CLIENT_S = 0.2  # real seconds between looks while nobody has the port open
_READ_AT_MOST = 4096
_EVENTS_AT_ONCE = 200  # before looking at the port again


class Simulator:
    """A printer on a pty. ``speed`` is firmware seconds per real second."""

    def __init__(
        self,
        link: Path,
        *,
        speed: float = 1.0,
        baud: int = 115200,
        seed: int = 0,
        sd: Path | None = None,
        control: Path | None = None,
        record: Path | None = None,
        without: frozenset[str] = frozenset(),
        advanced_ok: bool = False,
        reset_on_open: bool = False,
        extruders: int = 1,
        promises: frozenset[str] = frozenset(),
        exit_when_alone_s: float | None = None,
    ) -> None:
        self._speed = speed
        self._reset_on_open = reset_on_open
        self._exit_when_alone_s = exit_when_alone_s
        self._alone_since = time.monotonic()
        self._inbound, self._outbound = Inbound(baud), Outbound(baud)
        self._faults = Faults(seed)
        self._control = self._listen(control) if control is not None else None
        self._record = self._open_record(record) if record is not None else None
        card = None if "SDCARD" in without else SdCard(sd)
        self.firmware = Firmware(
            self._say,
            card,
            execute,
            real_second=speed,
            emergency_parser="EMERGENCY_PARSER" not in without,
            advanced_ok=advanced_ok,
            meatpack="MEATPACK" not in without,
            binary="BINARY_FILE_TRANSFER" not in without | promises,
            promises=promises,
            heaters=Heaters(extruders, heats_chamber="CHAMBER" not in without),
            executed=self._note if self._control or self._record else None,
        )
        self._replug_at: float | None = None
        self._stopped = False
        self._port = Port(link)

    def _listen(self, path: Path) -> Control:
        # Imported only here: it brings sockets, JSON and hashing, megabytes that a printer
        # nobody looks into does not need.
        from fabcoord.printers.simulator.control import Control

        return Control(path, self._answer)

    def _open_record(self, path: Path) -> Record:
        from fabcoord.printers.simulator.control import Record

        return Record(path)

    def _note(self, command: str) -> None:
        if self._control is not None:
            self._control.log.add(command)
        if self._record is not None:
            self._record.add(command)

    def _now(self) -> float:
        return time.monotonic() * self._speed

    def run(self) -> None:
        """Serve until asked to quit, or until nobody has had the port open for too long."""
        try:
            while not self._stopped and not self._too_long_alone():
                self._serve()
        finally:
            self._port.unplug()
            if self._control is not None:
                self._control.close()

    def _serve(self) -> None:
        """Wait for the next event, and let it happen."""
        self._wait()
        now = self._now()
        if not self._port.present:
            self._look_for_client(now)
        self._catch_up(now)
        if not self._port.present:
            self._outbound.clear()
        elif out := self._outbound.take(now):
            self._port.write(out)

    def _catch_up(self, now: float) -> None:
        """Let happen what was due by now, each at its own time.

        However late this process was woken, the printer's time goes on without a jolt.
        """
        for _ in range(_EVENTS_AT_ONCE):
            at = self._next_at()
            if at is None or at > now:
                break
            self._happen(max(at, self.firmware.now))
        self._happen(now)

    def _happen(self, at: float) -> None:
        firmware = self.firmware
        firmware.now = at
        arrived = self._inbound.take(at)
        if arrived:
            firmware.receive(arrived)
        firmware.step(at)

    def _next_at(self) -> float | None:
        """When a line has arrived, or the firmware has something to do."""
        arrival, deed = self._inbound.next_at(), self.firmware.next_at()
        if arrival is None or deed is None:
            return deed if arrival is None else arrival
        return min(arrival, deed)

    def _wait(self) -> None:
        """Sleep until a byte, a request or the next event in time; take in what came."""
        fds = list(self._control.filenos()) if self._control is not None else []
        port = self._port
        if port.present and len(self._inbound) < _READ_AT_MOST:
            fds.append(port.fd)
        ready, _, _ = select.select(fds, [], [], self._timeout_s())
        if port.fd in ready:  # before the control channel, which may unplug it
            ready.remove(port.fd)
            data = port.read(_READ_AT_MOST)
            if data:
                self._inbound.put(self._faults.inbound(data), self._now())
            elif not port.present:
                self._alone_since = time.monotonic()
        for fd in ready:
            if self._control is not None:
                self._control.ready(fd)

    def _timeout_s(self) -> float | None:
        events = (self._next_at(), self._outbound.next_at())
        soonest = min((at for at in events if at is not None), default=None)
        timeout_s = None if soonest is None else max(0.0, (soonest - self._now()) / self._speed)
        if self._port.present:
            return timeout_s
        return _LOOK_FOR_CLIENT_S if timeout_s is None else min(timeout_s, _LOOK_FOR_CLIENT_S)

    def _look_for_client(self, now: float) -> None:
        if self._replug_at is not None and time.monotonic() >= self._replug_at:
            self._replug_at = None
            self._port.plug_in()
        if self._port.look():
            self._inbound.clear()
            if self._reset_on_open:
                self.firmware.now = now
                self.firmware.reset()

    def _too_long_alone(self) -> bool:
        if self._exit_when_alone_s is None or self._port.present:
            return False
        return time.monotonic() - self._alone_since > self._exit_when_alone_s

    def _say(self, text: str) -> None:
        if self._port.present:
            line = self._faults.outbound(text.encode("latin-1", "replace") + b"\n")
            held_up = self._faults.delay_s() * self._speed
            self._outbound.put(line, self.firmware.now + held_up)

    def _answer(self, request: dict[str, object]) -> dict[str, object]:
        """One request of the control channel; raises KeyError or ValueError on nonsense."""
        firmware = self.firmware
        firmware.now = self._now()
        verb = request["do"]
        seconds = _number(request, "seconds", 0.0)
        if verb == "state":
            firmware.step(firmware.now)
            return firmware.state() | {"struck": self._faults.struck, "open": self._port.present}
        if verb == "log" and self._control is not None:
            return self._control.log.report()
        if verb == "clear_log" and self._control is not None:
            self._control.log.clear()
        elif verb == "fault":
            count = int(_number(request, "count", 0))
            self._faults.set(str(request["kind"]), _number(request, "rate", 0.0), count)
        elif verb == "garbage":
            length = min(10_000, int(_number(request, "length", 100)))
            self._outbound.put(self._faults.garbage(length), firmware.now)
        elif verb == "say":
            self._say(str(request["text"]))
        elif verb == "hang":
            firmware.hang(seconds * self._speed)
        elif verb == "unplug":
            self._port.unplug()
            self._alone_since = time.monotonic()
            self._replug_at = time.monotonic() + seconds
        elif verb == "reset":
            firmware.reset()
        elif verb == "kill":
            firmware.kill(str(request.get("reason", "")))
        elif verb == "press":
            firmware.stop_waiting = True
        elif verb == "heater":
            heater = firmware.heaters.named(str(request["name"]))
            heater.stuck_on = bool(request["stuck"])
        elif verb == "silence":
            firmware.silent = bool(request["on"])
        elif verb == "panel" and request["what"] == "preheat":
            firmware.hotend.target_c, firmware.heaters.bed.target_c = 200.0, 60.0
        elif verb == "file" and firmware.card is not None:
            return {"text": firmware.card.text(str(request["name"]))}
        elif verb == "quit":
            self._stopped = True
        else:
            self._card_request(verb, request)
        return {}

    def _card_request(self, verb: object, request: dict[str, object]) -> None:
        card = self.firmware.card
        if card is None:
            raise ValueError("this printer has no SD card")
        if verb == "panel":
            self._press_panel(card, str(request["what"]))
            return
        if verb == "card_room":
            card.room_bytes = int(_number(request, "bytes", 0))
            return
        if verb not in ("put", "print"):
            raise ValueError(f"no such verb: {verb}")
        name = str(request["name"])
        if verb == "put":
            card.put(name, str(request["text"]).encode("ascii", "replace"))
        else:
            if not card.select(name):
                raise ValueError(f"no file {name} on the card")
            self._say(f"File opened: {card.name} Size: {card.size}")
            self._say("File selected")
            card.start()

    def _press_panel(self, card: SdCard, what: str) -> None:
        if what == "pause":
            card.pause()
            self._say("//action:paused")
        elif what == "resume":
            card.start()
            self._say("//action:resumed")
        elif what == "abort":
            card.stop()
            self._say("//action:cancel")
        else:
            raise ValueError(f"the panel has nothing to {what}")


def _number(request: dict[str, object], name: str, default: float) -> float:
    value = request.get(name, default)
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a number")
    return float(value)
