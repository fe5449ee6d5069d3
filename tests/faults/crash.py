"""Copies of a lab's files at moments at which every process that writes stands still."""

from __future__ import annotations

import contextlib
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.faults.consistency import problems
from tests.faults.plant import Plant, Site

_PAUSE_S = (0.05, 0.7)


@dataclass(frozen=True, slots=True)
class Look:
    """What one copy told; ``told`` is how much had been confirmed to somebody by then."""

    told: int
    problems: tuple[str, ...]


def copies(plant: Plant, count: int, chance: random.Random, to: Path) -> Iterator[Look]:
    """Stop all that writes at random moments, copy the files, let it go on, and look at them."""
    for _ in range(count):
        time.sleep(chance.uniform(*_PAUSE_S))
        told, begun = plant.told.so_far(), begun_so_far(plant.site)
        with _standing_still(plant):
            shutil.copytree(plant.site.root, to, ignore=shutil.ignore_patterns("virtual", "*-shm"))
        yield Look(len(told), tuple(problems(Site(to), told, begun)))
        shutil.rmtree(to)


def begun_so_far(site: Site) -> Counter[tuple[str, str]]:
    """How often each printer began each print, by its own record."""
    begun: Counter[tuple[str, str]] = Counter()
    for record in site.machines.glob("*.txt"):
        for line in record.read_text().splitlines():
            if line.startswith("M117 begin "):
                begun[record.stem, line.removeprefix("M117 begin ")] += 1
    return begun


@contextlib.contextmanager
def _standing_still(plant: Plant) -> Iterator[None]:
    """While the block runs, no process of the lab and of its agents does anything."""
    held = plant.processes()
    try:
        for process in held:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        deadline = time.monotonic() + 5
        while not all(map(_stands_still, held)):
            assert time.monotonic() < deadline, "a process does not stop"
            time.sleep(0.002)
        yield
    finally:
        for process in held:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


def _stands_still(process: psutil.Process) -> bool:
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
