"""A printer that only takes lines: at a UART's pace, or as fast as it can at 0 baud.

``responder.py LINK BAUD MOVES [SPIN]``: says that it is there, and, when it has had so many moves,
what it saw. Bytes that are not ASCII are unpacked as MeatPack.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
import tty
from collections import deque
from functools import reduce
from operator import xor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPIN_S = 0.0003  # sleeping is not exact enough for the last moment

M115 = (
    b"FIRMWARE_NAME:Marlin 2.1.2 (benchmark) EXTRUDER_COUNT:1\n"
    b"Cap:AUTOREPORT_TEMP:1\nCap:EMERGENCY_PARSER:1\nCap:SDCARD:0\nCap:MEATPACK:1\nok\n"
)
M105 = b"ok T:20.0 /0.0 B:20.0 /0.0 @:0 B@:0\n"


class Responder:
    def __init__(self, link: Path, baud: int, moves: int, spin_s: float = SPIN_S) -> None:
        self.spin_s = spin_s
        sys.path.insert(0, str(ROOT))
        from fabcoord.printers.simulator.meatpack import Unpacker

        self.unpacker = Unpacker()
        self.fd, self.other = os.openpty()
        tty.setraw(self.other)
        link.symlink_to(os.ttyname(self.other))
        self.byte_s = 10.0 / baud if baud else 0.0
        self.moves_wanted = moves
        self.wire = bytearray()  # written by the host, not yet arrived
        self.arrived_at = 0.0  # when the byte before these had arrived
        self.line = bytearray()
        self.out: deque[tuple[float, bytes]] = deque()
        self.out_free_at = 0.0
        self.moves = self.faults = 0
        self.last_number = -1
        self.first_at = self.last_at = 0.0

    def serve(self) -> None:
        print("ready", flush=True)
        while True:
            if self.byte_s:
                self.wait()
            data = os.read(self.fd, 4096) if self.readable() else b""
            now = time.perf_counter()
            if self.byte_s:
                if not self.wire:
                    self.arrived_at = max(now, self.arrived_at)
                self.wire += data
                self.arrive(now)
                while self.out and self.out[0][0] <= now:
                    os.write(self.fd, self.out.popleft()[1])
            elif data:
                self.take_all(data, now)

    def readable(self) -> bool:
        timeout = 0.0 if self.byte_s else None
        return bool(select.select([self.fd], [], [], timeout)[0])

    def wait(self) -> None:
        """Until a byte comes from the host, a line has arrived, or an answer is due."""
        times = [self.out[0][0]] if self.out else []
        if self.wire:
            times.append(self.arrived_at + self.next_stop() * self.byte_s)
        left = min(times) - time.perf_counter() if times else None
        if left is None or left > self.spin_s:
            select.select([self.fd], [], [], None if left is None else left - self.spin_s)

    def next_stop(self) -> int:
        if self.unpacker.active:
            return 1
        end = self.wire.find(b"\n")
        return end + 1 if end >= 0 else len(self.wire)

    def arrive(self, now: float) -> None:
        while self.wire:
            count = self.next_stop()
            at = self.arrived_at + count * self.byte_s
            if at > now:
                return
            self.arrived_at = at
            for byte in self.wire[:count]:
                self.unpacker.feed(byte, self.line)
            del self.wire[:count]
            if self.line.endswith(b"\n"):
                answer = self.answer(bytes(self.line[:-1]), at)
                self.line.clear()
                self.out_free_at = max(at, self.out_free_at) + len(answer) * self.byte_s
                self.out.append((self.out_free_at, answer))

    def take_all(self, data: bytes, now: float) -> None:
        """Without a pace: all lines at once; moves are counted, nothing else is looked at."""
        *lines, rest = (bytes(self.line) + data).split(b"\n")
        self.line = bytearray(rest)
        if b" M1" not in data and self.last_number >= 0:
            count = len(lines)
            self.last_number += count
            self.count(count, now)
            answer = b"ok\n" * count
        else:
            answer = b"".join([self.answer(line, now) for line in lines])
        os.write(self.fd, answer)
        if self.moves >= self.moves_wanted:
            self.report()

    def answer(self, line: bytes, at: float) -> bytes:
        if not line.strip():
            return b""
        if line.startswith(b"N"):
            body, _, checksum = line.rpartition(b"*")
            number = int(body[1:].split(b" ")[0].split(b"G")[0].split(b"M")[0])
            command = body.lstrip(b"N-0123456789 ")
            expected = self.last_number + 1
            if command.startswith(b"M110"):
                self.last_number = number
                return b"ok\n"
            if int(checksum) != reduce(xor, body) or number != expected:
                self.faults += 1
            self.last_number = number
        else:
            command = line
        if command.startswith(b"M115"):
            return M115
        if command.startswith(b"M105"):
            return M105
        if command.startswith(b"G1"):
            self.count(1, at)
            if self.moves == self.moves_wanted and self.byte_s:
                self.report()
        return b"ok\n"

    def count(self, moves: int, at: float) -> None:
        if not self.moves:
            self.first_at = at
        self.moves += moves
        self.last_at = at

    def report(self) -> None:
        if not self.first_at:
            return
        rate = (self.moves - 1) / (self.last_at - self.first_at)
        seen = {"lines_per_s": rate, "faults": self.faults, "first_at": self.first_at}
        print(json.dumps(seen), flush=True)
        self.first_at = 0.0


if __name__ == "__main__":
    Responder(
        Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *map(float, sys.argv[4:])
    ).serve()
