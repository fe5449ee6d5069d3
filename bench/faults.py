"""Kill, cut, fill and unplug a working lab, and count what became of its prints and its files.

Run it with the lab's own interpreter: ``.venv/bin/python bench/faults.py [storm|crash|power]``.
Needs a C compiler for full disks and power cuts. Prints tables; exits with 1 when anything was
printed twice, lost, or left without a reason.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.faults import disk
from tests.faults.crash import copies
from tests.faults.disk import Told
from tests.faults.persons import Persons
from tests.faults.plant import Plant, environment_of
from tests.faults.power_cut import replay
from tests.faults.storm import build, storm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", choices=("storm", "crash", "power"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--printers", type=int, default=10)
    parser.add_argument("--agents", type=int, default=3, help="besides the server's own")
    parser.add_argument("--faults", type=int, default=120)
    parser.add_argument("--looks", type=int, default=60, help="crashes looked at")
    parser.add_argument("--cuts", type=int, default=300, help="power cuts looked at")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fabcoord-faults-") as name:
        place = Path(name)
        problems: list[str] = []
        if options.part in (None, "storm"):
            problems += fault_run(place / "storm", options)
        if options.part in (None, "crash", "power"):
            problems += crashes(place / "crash", options)
    for problem in problems:
        print(f"PROBLEM: {problem}")
    sys.exit(1 if problems else 0)


def fault_run(place: Path, options: argparse.Namespace) -> list[str]:
    """The storm, as tables."""
    place.mkdir()
    outcome = storm(
        place / "site", build(place),
        seed=options.seed, jobs=options.jobs, printers=options.printers, agents=options.agents,
        faults=options.faults, every_s=1.5, within_s=900,
    )  # fmt: skip
    print(f"\nFault run, seed {options.seed}: {options.jobs} jobs, {options.printers} printers,"
          f" {options.agents + 1} agents, {outcome.wall_s:.0f} s")  # fmt: skip
    table("injected", outcome.faults)
    table("requests that met a bad link", outcome.struck)
    table("what persons did", outcome.persons)
    table("jobs ended", outcome.jobs)
    table("at the printers", {"begun": outcome.begun, "printed to the end": outcome.printed})
    print(f"\nprinted twice, lost, or left without a reason: {len(outcome.problems)}")
    return list(outcome.problems)


def crashes(place: Path, options: argparse.Namespace) -> list[str]:
    """Copies of a lab that stands still, and power cuts replayed from the log of its disk."""
    place.mkdir()
    root, log = place / "site", place / "log"
    if reason := disk.why_not():
        print(f"No power cuts: {reason}.")
    library = build(place)
    told = Told(log)
    environment = environment_of(root, library, log)
    plant = Plant(root, agent_count=2, printer_count=6, environment=environment, told=told)
    with plant, Persons(plant):
        work = threading.Thread(target=lambda: [_ask(plant, number) for number in range(60)])
        work.start()
        looks = list(copies(plant, options.looks, random.Random(options.seed), place / "copy"))
        work.join()
    problems = [problem for look in looks for problem in look.problems]
    print(f"\nCrashes: {len(looks)} copies of files at rest, {len(told.so_far())} things confirmed")
    table("confirmed", Counter(said["kind"] for said in told.so_far()))
    print(f"inconsistent or missing: {len(problems)}")
    if library is None:
        return problems
    began = time.monotonic()
    cuts = list(replay(root, log, options.cuts, options.seed, place))
    print(f"\nPower cuts: {len(cuts)} in {log.stat().st_size / 1e6:.0f} MB of changes,"
          f" {time.monotonic() - began:.0f} s")  # fmt: skip
    table("whose power", Counter(cut.whose for cut in cuts))
    lost = [problem for cut in cuts for problem in cut.problems]
    print(f"inconsistent or missing: {len(lost)}")
    return problems + lost


def _ask(plant: Plant, number: int) -> None:
    plant.ask(number)
    if number % 10 == 0:
        plant.make_token()
        plant.pay_in()
    time.sleep(0.3)


def table(title: str, counts: Mapping[str, int]) -> None:
    print(f"\n| {title} | |\n|---|---:|")
    for name, count in sorted(counts.items()):
        print(f"| {name} | {count} |")


if __name__ == "__main__":
    main()
