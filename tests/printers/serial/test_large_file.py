"""A large file is printed in the memory that a small one needs."""

from __future__ import annotations

from pathlib import Path

import psutil

from fabcoord.printers import profiles
from fabcoord.printers.serial.flow import Flow
from fabcoord.printers.serial.job import Job
from tests.printers.simulated import order

SIZE_BYTES = 30_000_000
LOOK_EVERY_LINES = 1000
MOST_GROWTH_BYTES = 8_000_000


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.gcode"
    line = f"G1 X101.234 Y98.765 E.05123 ; {'a long comment, ' * 10}\n"
    path.write_text(line * (SIZE_BYTES // len(line)))
    process, profile, now = psutil.Process(), profiles.default(), 0.0
    before = most = process.memory_info().rss
    job, flow = Job(order(path), profile, now), Flow(profile)
    flow.restart(now)
    flow.hear_oks(1, now)
    flow.allow_window(128)
    printed = 0
    while lines := job.next_lines(flow.room):
        flow.add(lines)
        while not flow.drained:
            now += 0.001
            flow.due(now)
            for command in flow.hear_oks(1, now):
                job.took(command)
                printed += 1
                if printed % LOOK_EVERY_LINES == 0:
                    most = max(most, process.memory_info().rss)
    job.close()
    assert printed == SIZE_BYTES // len(line) == job.line
    assert most - before < MOST_GROWTH_BYTES
