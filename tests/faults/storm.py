"""The fault run: jobs over printers while everything that can fail does, by a plan made beforehand.

The plan follows from the seed alone. What a fault meets depends on the machine, so two runs of one
seed are alike, not equal; how they are judged is the same: by what the printers wrote down.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.lab import Json
from tests.faults import disk
from tests.faults.bad_link import BadLink
from tests.faults.persons import Persons
from tests.faults.plant import STOPPED, Plant, Site, environment_of, full

_KILLED = ("web", "worker", "serve", "own agent", "everything")
_FULL_S = (1.0, 4.0)
_TROUBLE_S = (1.0, 6.0)
_OVER = ("awaiting_pickup", "collected")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: at ``at_s`` of the run, for ``lasts_s`` where it lasts."""

    at_s: float
    kind: str  # ``kill``, ``disk full`` or one of `BadLink.TROUBLES`
    where: str = ""  # what is killed, or the number of the agent's link
    lasts_s: float = 0.0


def plan(seed: int, count: int, agents: int, every_s: float) -> tuple[Fault, ...]:
    """``count`` faults, each some seconds after the one before; the same for the same seed."""
    chance = random.Random(seed)
    made, at_s = [], 2.0
    for _ in range(count):
        kind = chance.choice(("kill", "kill", "kill", "disk full", *BadLink.TROUBLES))
        if kind == "kill":
            killed = (*_KILLED, *(f"agent {number}" for number in range(agents)))
            made.append(Fault(at_s, kind, chance.choice(killed)))
        elif kind == "disk full":
            made.append(Fault(at_s, kind, "", chance.uniform(*_FULL_S)))
        else:
            where = str(chance.randrange(agents))
            made.append(Fault(at_s, kind, where, chance.uniform(*_TROUBLE_S)))
        at_s += chance.expovariate(1 / every_s)
    return tuple(made)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run."""

    faults: Counter[str]  # injected, by kind and place
    struck: Counter[str]  # requests that met with trouble on a link
    persons: Counter[str]
    jobs: Counter[str]  # how many ended how
    printed: int  # prints that the printers carried out to the end
    begun: int  # prints that the printers began
    problems: tuple[str, ...]
    wall_s: float = field(compare=False, default=0.0)


def storm(
    root: Path,
    library: Path | None,
    *,
    seed: int,
    jobs: int,
    printers: int,
    agents: int,
    faults: int,
    every_s: float,
    within_s: float,
) -> Outcome:
    """Run it below ``root``, and judge it. Without ``library`` the disk does not get full."""
    began = time.monotonic()
    planned = plan(seed, faults, agents, every_s)
    if library is None:
        planned = tuple(one for one in planned if one.kind != "disk full")
    environment = environment_of(root, library)
    plant = Plant(
        root, agent_count=agents, printer_count=printers, seed=seed, environment=environment
    )
    with plant, Persons(plant) as persons:
        asked: dict[str, str] = {}

        def ask() -> None:
            for number in range(jobs):
                asked[str(number)] = plant.ask(number)

        asking = threading.Thread(target=ask)
        asking.start()
        _inject(plant, planned)
        asking.join(within_s)
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and not _all_over(plant):
            time.sleep(0.5)
        for printer in plant.lab.until(plant.lab.printers, "the web answers"):
            plant.lab.until(
                lambda one=printer["id"]: not persons.sees_moving(one), "it stands still"
            )
        ended = plant.lab.rows(
            "SELECT jobs.id, jobs.state, jobs.reason, replace(title, 'Part ', '') AS number"
            " FROM jobs JOIN designs ON designs.id = design_id"
        )
        attempts = plant.lab.rows("SELECT job_id, state, was_taken FROM attempts")
        struck = sum((Counter(link.struck) for link in plant.links), Counter())
    record = read_records(plant.site)
    found = judge(jobs, asked, ended, attempts, persons.retried, record)
    injected = Counter(f"{one.kind} {one.where}".strip() if one.kind == "kill" else one.kind
                       for one in planned)  # fmt: skip
    return Outcome(
        injected, struck, persons.did, Counter(job["state"] for job in ended),
        record.printed.total(), record.begun.total(), (*record.problems, *found),
        time.monotonic() - began,
    )  # fmt: skip


def _inject(plant: Plant, planned: Sequence[Fault]) -> None:
    began = time.monotonic()
    ends: list[tuple[float, Fault]] = []
    for fault in planned:
        while (now := time.monotonic() - began) < fault.at_s:
            ends = _end(plant, ends, now)
            time.sleep(min(0.05, fault.at_s - now))
        if fault.kind == "kill":
            plant.kill(fault.where)
            continue
        ends.append((fault.at_s + fault.lasts_s, fault))
        if fault.kind == "disk full":
            full(plant.site.root).touch()
        else:
            plant.links[int(fault.where)].trouble(fault.kind)
    while ends:
        time.sleep(0.05)
        ends = _end(plant, ends, time.monotonic() - began)


def _end(plant: Plant, ends: list[tuple[float, Fault]], now: float) -> list[tuple[float, Fault]]:
    """Mend what has lasted long enough, unless the same lasts on; returns what lasts."""
    left = [one for one in ends if one[0] > now]
    for _, fault in (one for one in ends if one[0] <= now):
        if any((fault.kind, fault.where) == (other.kind, other.where) for _, other in left):
            continue
        if fault.kind == "disk full":
            full(plant.site.root).unlink(missing_ok=True)
        elif not any(fault.where == other.where for _, other in left):
            plant.links[int(fault.where)].trouble("")
    return left


def _all_over(plant: Plant) -> bool:
    open_jobs = plant.lab.rows(
        "SELECT 1 FROM jobs WHERE state NOT IN ('awaiting_pickup', 'collected', 'cancelled',"
        " 'rejected')"
    )
    return not open_jobs


@dataclass
class Record:
    """What the printers wrote down themselves."""

    begun: Counter[str] = field(default_factory=Counter)
    printed: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def read_records(site: Site) -> Record:
    """Count what was begun and printed to the end; nothing may begin on a plate in use."""
    record = Record()
    for path in site.machines.glob("*.txt"):
        lies_there, running = "", ""
        for line in path.read_text().splitlines():
            word, _, number = line.removeprefix("M117 ").partition(" ")
            if line == "taken off":
                lies_there = ""
            elif word == "begin":
                if lies_there:
                    record.problems.append(f"{path.stem}: {number} began on top of {lies_there}")
                lies_there = running = number
                record.begun[number] += 1
            elif word == "end":
                if running != number:
                    record.problems.append(f"{path.stem}: {number} ended, {running!r} had begun")
                running = ""
                record.printed[number] += 1
    return record


def judge(
    jobs: int,
    asked: dict[str, str],
    ended: list[Json],
    attempts: list[Json],
    retried: Counter[str],
    record: Record,
) -> list[str]:
    """Each job was printed exactly once, or stopped for a person with a reason."""
    found = []
    if len(asked) != jobs:
        found.append(f"{jobs - len(asked)} jobs were not taken in the time")
    per_number = Counter(job["number"] for job in ended)
    found += [f"print {number} is {n} jobs" for number, n in per_number.items() if n != 1]
    found += [f"job of print {n} is lost" for n in asked if n not in per_number]
    for job in ended:
        number, state = job["number"], job["state"]
        tried = [one for one in attempts if one["job_id"] == job["id"]]
        taken = sum(one["was_taken"] for one in tried)
        printed, begun = record.printed[number], record.begun[number]
        if printed > 1:
            found.append(f"print {number} was printed {printed} times")
        if state in _OVER and printed != 1:
            found.append(f"print {number} is {state}, but was printed {printed} times")
        if state not in _OVER and (state not in STOPPED or not job["reason"]):
            found.append(f"print {number} is {state} ({job['reason']})")
        if begun > taken:
            found.append(f"print {number} began {begun} times in {taken} attempts")
        if taken > 1 + retried[job["id"]]:
            found.append(
                f"print {number}: {taken} attempts, asked again {retried[job['id']]} times"
            )
    return found


def build(directory: Path) -> Path | None:
    """The disk that gets full, where it can be built."""
    return None if disk.why_not() else disk.build(directory)
