"""A very large G-code file through the reader and the flow: memory, time until the first line.

``.venv/bin/python bench/large_file.py [MB]`` (500 unless told). The file is made on the spot; every
line of it is read, numbered and answered, as fast as it goes, without a line in between.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import psutil

from fabcoord.printers import profiles
from fabcoord.printers.base import PrintOrder
from fabcoord.printers.serial.flow import Flow
from fabcoord.printers.serial.job import Job
from fabcoord.printers.serial.parser import Ok

LOOK_EVERY = 200_000


def main() -> None:
    size_mb = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "large.gcode")
        block = "".join(
            f"G1 X{n % 180}.{n % 997:03} Y{n % 170}.{n % 991:03} E.0{n % 89:02}\n"
            for n in range(20_000)
        )
        with file.open("w") as out:
            for _ in range(size_mb * 1_000_000 // len(block) + 1):
                out.write(block)
        run(file, size_mb)


def run(file: Path, size_mb: int) -> None:
    me = psutil.Process()
    profile = profiles.default()
    begun = time.monotonic()
    job = Job(PrintOrder("a1", file, "", "large.gcode"), profile, 0.0)
    flow = Flow(profile)
    flow.restart(0.0)
    flow.hear(Ok(), 0.0)
    flow.allow_window(128)
    first_s, lines, before, most = 0.0, 0, me.memory_info().rss, 0
    now = 0.0
    while found := job.next_lines(max(1, flow.room)):
        flow.add(found)
        while not flow.drained:
            now += 0.001
            flow.due(now)
            for command in flow.hear_oks(1, now):
                job.took(command)
        first_s = first_s or time.monotonic() - begun
        lines += len(found)
        if lines % LOOK_EVERY < len(found):
            most = max(most, me.memory_info().rss - before)
    took_s = time.monotonic() - begun
    print(f"| {size_mb} MB of G-code, {lines:,} lines | |")
    print("|---|---:|")
    print(f"| first line after | {first_s * 1000:.0f} ms |")
    print(f"| memory grew by at most | {most / 1e6:.1f} MB |")
    print(f"| lines per second | {lines / took_s:,.0f} |")


if __name__ == "__main__":
    main()
