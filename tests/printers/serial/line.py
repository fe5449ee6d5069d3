"""A flow and the simulator's firmware on a bad line at 115200 baud, with a clock of its own."""

from __future__ import annotations

import random
from collections.abc import Callable

from fabcoord.printers import profiles
from fabcoord.printers.serial.flow import Flow
from fabcoord.printers.serial.framing import Form
from fabcoord.printers.serial.meatpack import Packed
from fabcoord.printers.serial.parser import LineSplitter, parse
from fabcoord.printers.simulator.firmware import Firmware, Waiting
from fabcoord.printers.simulator.wire import Faults, Inbound, Outbound

BAUD = 115200
COUNT_AFTER_S = 0.1
LOOKS_EVERY_S = 0.001
# A byte that the line makes up fills the receive buffer, and an answer that it makes up says that
# a line has left it.
MAY_OVERRUN = {"duplicate_in", "noise_in", "extra_ok"}
MODES = ("ping-pong", "window", "window, advanced ok", "window, MeatPack")


def moves(count: int, seed: int = 0) -> list[str]:
    """Commands as a slicer writes them; each is another one."""
    dice = random.Random(seed)
    return [
        f"G1 X{dice.uniform(80, 120):.3f} Y{dice.uniform(80, 120):.3f} E{number / 100:.5f}"
        for number in range(count)
    ]


class BadLine:
    """What happens between a flow and a firmware, event by event."""

    def __init__(self, mode: str, seed: int = 0, *, each_s: float = 0.0, **rates: float) -> None:
        self.now = 0.0
        self.struck = 0  # faults that happened
        self.executed: list[str] = []
        self.foretold = 0  # oks that were answered at once and counted later
        self._ready: list[bytes] = []  # what goes out with the next oks
        self._oks: list[float] = []  # when those came that are not counted yet
        self.unchecked: list[str] = []  # executed without a number: ends of lines, or noise
        self.flow = Flow(profiles.default())
        self.faults = Faults(seed)
        self._inbound, self._outbound = Inbound(BAUD), Outbound(BAUD)
        self._lines = LineSplitter()
        self._each_s = each_s
        self._dice = random.Random(seed)
        self.firmware = Firmware(
            self._say, None, self._execute,
            advanced_ok=mode.endswith("advanced ok"), executed=self._executed,
        )  # fmt: skip
        self.mode, self.packed = mode, mode.endswith("MeatPack")
        self._put(self.flow.restart(0.0))
        self._run(lambda: self.flow.drained)
        if self.packed:
            self.flow.use(Packed())
        else:
            self.flow.use(Form())
        if mode != "ping-pong":
            self.flow.allow_window(128)
        for kind, rate in rates.items():
            self.faults.set(kind, rate, None)

    def stream(self, commands: list[str]) -> float:
        """Send them all, then what only its own answer can follow; how long it took, in s."""
        waiting = [*commands][::-1]
        begun = self.now

        def more() -> bool:
            room = self.flow.room
            self.flow.add([waiting.pop() for _ in range(min(room, len(waiting)))])
            return not waiting and self.flow.drained

        self._run(more)
        took = self.now - begun
        self.struck = sum(self.faults.struck.values())
        for kind in Faults.KINDS:
            self.faults.set(kind, None, None)
        self._put(self.flow.send("M105", self.now))
        self._run(lambda: self.flow.drained)
        return took

    def _run(self, done: Callable[[], bool]) -> None:
        for _ in range(400_000):
            if self._oks and self.now >= self._oks[-1] + COUNT_AFTER_S:
                self._count()
            if not self._oks:
                if self.flow.failure or done():
                    return
                if (data := self.flow.due(self.now)) is not None:
                    self._put(data)
                    continue
            count_at = self._oks[-1] + COUNT_AFTER_S if self._oks else None
            firmware = self.firmware
            arrival = self._inbound.next_at()
            if arrival is not None:
                # The firmware looks only now and then: a new line has begun to arrive meanwhile.
                arrival += self._dice.uniform(0.0, LOOKS_EVERY_S)
            events = (
                arrival, self._outbound.next_at(), firmware.next_at(),
                count_at or self.flow.deadline,
            )  # fmt: skip
            self.now = max(self.now, min(at for at in events if at is not None))
            firmware.now = self.now
            if arrived := self._inbound.take(self.now):
                firmware.receive(arrived)
            firmware.step(self.now)
            for line in self._lines.feed(self._outbound.take(self.now)):
                self._hear(line)
        raise AssertionError("it never comes to an end")

    def _hear(self, line: bytes) -> None:
        """As a connection does: what a plain ok lets go out goes at once, and is counted later."""
        if line == b"ok" and not self._oks:
            self._ready = self.flow.after_oks()
        if line == b"ok" and len(self._oks) < len(self._ready):
            self._put(self._ready[len(self._oks)])
            self._oks.append(self.now)
            if len(self._oks) == len(self._ready):
                self._count()
            return
        self._count()
        self.flow.hear(parse(line), self.now)

    def _count(self) -> None:
        more = b""
        for sent, at in zip(self._ready, self._oks, strict=False):
            assert not more, "only the last may be given more"
            self.flow.hear_oks(1, at)
            out = self.flow.due(at) or b""
            assert out.startswith(sent)
            more = out[len(sent) :]
        self.foretold += len(self._oks)
        self._oks.clear()
        self._put(more)

    def _put(self, data: bytes) -> None:
        if data:
            self._inbound.put(self.faults.inbound(data), self.now)

    def _say(self, text: str) -> None:
        line = self.faults.outbound(text.encode("latin-1") + b"\n")
        self._outbound.put(line, self.now + self.faults.delay_s())

    def _executed(self, command: str) -> None:
        # Pieces of broken lines, which firmware answers as unknown, do nothing.
        if command.startswith(("G", "M")) and not command.startswith(("M105", "M110")):
            (self.unchecked if self.firmware.unchecked else self.executed).append(command)

    def _execute(self, firmware: Firmware, command: str) -> Waiting | None:
        if command.startswith("M105"):
            firmware.answer = firmware.temperatures()
            return None
        return self._wait(firmware) if self._each_s and command.startswith("G1") else None

    def _wait(self, firmware: Firmware) -> Waiting:
        until = firmware.now + self._each_s
        while firmware.now < until:
            yield until
