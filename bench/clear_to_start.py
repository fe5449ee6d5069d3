"""From "the plate is clear" to the first command of the next print at the printer, on an idle lab.

Run it with the lab's own interpreter: ``.venv/bin/python bench/clear_to_start.py [--rounds N]``.
The next job waits, its G-code is vetted; then a person says that the plate is clear. Measured to
the moment at which the printer has carried out the first command, for a printer of the server's
own agent and for one of another agent.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.faults.plant import Plant

GOAL_S = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print("| agent | median s | slowest s | goal s |\n|---|---:|---:|---:|")
    with (
        tempfile.TemporaryDirectory(prefix="fabcoord-bench-") as name,
        Plant(Path(name) / "site", agent_count=1, printer_count=3) as plant,
    ):
        for printer, agent in (("Left", "the server's own"), ("Printer 0", "another")):
            taken = [
                seconds(plant, printer, number)
                for number in range(options.rounds + 1)
            ][1:]  # the first also loads what is needed  # fmt: skip
            print(f"| {agent} | {statistics.median(taken):.2f} | {max(taken):.2f} | {GOAL_S} |")


def seconds(plant: Plant, name: str, number: int) -> float:
    """One print on a printer whose plate is cleared when the print already waits for it."""
    lab = plant.lab
    printer = lab.printer(name)
    if printer["state"] == "idle":  # the demo's begin clear: something prints there first
        print_one(plant, printer["id"], f"{name} first")
        printer = lab.until_printer(name, "awaiting_clearance")
    record = plant.site.machines / f"{printer['id']}.txt"
    job_id = queue_one(plant, printer["id"], f"{name} {number}")
    lab.until_job(job_id, "queued")
    time.sleep(2.0)  # the lab is idle: all that the job set off is done
    before = record.stat().st_size if record.exists() else 0
    began = time.monotonic()
    lab.post(f"/printers/{printer['id']}/clear", {"attempt_id": printer["plate_attempt_id"]})
    while not record.exists() or record.stat().st_size == before:
        assert time.monotonic() - began < 30, "it does not start"
        time.sleep(0.002)
    took_s = time.monotonic() - began
    lab.until_job(job_id, "awaiting_pickup")
    lab.until_printer(name, "awaiting_clearance")
    return took_s


def queue_one(plant: Plant, printer_id: str, title: str) -> str:
    design = plant.lab.upload(plant.gcode(abs(hash(title)) % 10**6), f"{title}.gcode")
    job_id = plant.lab.ask(design, machine="demo", printer_id=printer_id)
    plant.lab.until_job(job_id, "awaiting_approval")
    plant.lab.post(f"/jobs/{job_id}/approve")
    return job_id


def print_one(plant: Plant, printer_id: str, title: str) -> None:
    plant.lab.until_job(queue_one(plant, printer_id, title), "awaiting_pickup")


if __name__ == "__main__":
    main()
