"""How long a decision of the queue takes, from 1,000 to 100,000 waiting jobs.

    .venv/bin/python bench/queue_decision.py [--printers 1000] [--rounds 300] [--plot FILE]

Builds a lab in a temporary directory: real database, real rows, 1,000 printers that all print. Then
printers finish one after the other and their plates are cleared; each time it is measured how long
it takes until the copy is chosen (the board takes in the news and looks at its lines; `decision`),
and until it is offered and on disk (`offered`). Beside it stands what other coordinators do: read
the queue in its order and take the first job that fits (`scan`).
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fabcoord.designs import library
from fabcoord.designs.library import NewFile
from fabcoord.members import accounts
from fabcoord.members.roles import Member, Role
from fabcoord.printers import machines
from fabcoord.queue import agents, attempts, dispatch, printers
from fabcoord.queue.board import Board, offering_of
from fabcoord.queue.match import why_not
from fabcoord.queue.plots import Axis, Line, plot
from fabcoord.queue.policy import Policy
from fabcoord.queue.preparation import Preparation
from fabcoord.queue.states import AttemptEvent
from fabcoord.slicing import cache
from fabcoord.slicing.cache import Slices
from fabcoord.slicing.gate import GateReport
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Row, Store, row, rows
from fabcoord.store.migrations import migrate
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, new_id, now

GCODE = "b" * 64
MATERIALS = ("PLA", "PETG", None)
COLOURS = (None, None, None, "black", "white", "red")
PASSED = GateReport((), 215.0, 60.0, ((0.0, 1.0),) * 3, 5, 100)


class NoSlicer:
    """Plans can be made for it; its slices are written by `Lab`."""

    name = "none"

    def version(self) -> str:
        return "1"


class Lab:
    """A lab whose printers all print and whose queue is long."""

    def __init__(
        self, directory: Path, members: int, printer_count: int, jobs: int, slicer: Any = None
    ) -> None:
        self.chance = random.Random(jobs)
        self.store = Store(directory / "lab.db")
        migrate(self.store)
        engine = slicer or NoSlicer()
        slices = Slices(self.store, engine, BlobStore(directory / "blobs"), directory)
        self.tokens: dict[str, str] = {}  # agent -> its token
        self.preparation = Preparation(slices)
        self.board = Board(Policy())
        self.models = sorted(machines.all_machines())[:3]
        with self.store.writing() as db:
            self._people(db, members)
            self._printers(db, printer_count)
            self._queue(db, jobs)
        with self.store.reading() as db:
            plans = [self.preparation.plan_for(job, self.preparation.meshes_of(db, job), one, None)
                     for job in rows(db, "SELECT * FROM jobs GROUP BY material, quality")
                     for one in self.models]  # fmt: skip
        with self.store.writing() as db:
            for plan in plans:
                self._slice(db, plan.key)
            for name in self.models:
                cache.record_vetting(db, GCODE, machines.machine(name), PASSED)

    def _people(self, db: Database, count: int) -> None:
        self.staff = accounts.create(db, "Ada", Role.STAFF)
        self.members = []
        for number in range(count):
            member = Member(new_id(), f"Member {number}", Role.MEMBER)
            db.conn.execute(
                "INSERT INTO members (id, name, role, created_at) VALUES (?, ?, 'member', ?)",
                (member.id, member.name, now()),
            )
            self.members.append(member.id)
        self.design_id = library.create(
            db, self.staff, title="Cube", licence="CC0-1.0",
            files=[NewFile("cube.stl", "a" * 64, 684, "stl")],
        )  # fmt: skip
        report = {"verdict": "printable", "size_mm": [20, 20, 20], "findings": []}
        db.conn.execute(
            "UPDATE checks SET state = 'done', report = ?, mesh_sha256 = sha256",
            (json.dumps(report),),
        )

    def _printers(self, db: Database, count: int) -> None:
        for number in range(count):
            if number % 20 == 0:
                agent, token = agents.register(db, f"Agent {number // 20}")
                self.tokens[agent.id] = token
            db.conn.execute(
                "INSERT INTO printers (id, name, machine, driver, agent_id, material, colour,"
                " nozzle_mm, state, plate_clear, telemetry, last_seen_at, created_at)"
                " VALUES (?, ?, ?, 'virtual', ?, ?, ?, 0.4, 'busy', 0, ?, ?, ?)",
                (
                    *(new_id(), f"Printer {number}", self.chance.choice(self.models), agent.id),
                    *(self.chance.choice(("PLA", "PLA", "PETG")), self.chance.choice(COLOURS)),
                    *('{"activity": "ready"}', in_seconds(1e6), now()),
                ),
            )

    def _queue(self, db: Database, count: int) -> None:
        file_id = row(db, "SELECT id FROM files")["id"]
        fits = json.dumps(self.models)
        for _ in range(count):
            copy_s = min(max(self.chance.lognormvariate(8.5, 1.0), 300.0), 90_000.0)
            copies = self.chance.choice((1, 1, 1, 2, 5))
            asked = in_seconds(-self.chance.random() * 1e6)
            pinned = None
            db.conn.execute(
                "INSERT INTO jobs (id, member_id, design_id, revision, file_id, state, copies,"
                " machine, material, colour, printer_id, machines, estimate, created_at,"
                " queued_at, updated_at)"
                " VALUES (?, ?, ?, 1, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(new_id(), self.chance.choice(self.members), self.design_id, file_id, copies),
                    *(self.chance.choice((None, None, self.models[0])),),
                    *(self.chance.choice(MATERIALS), self.chance.choice(COLOURS), pinned, fits),
                    *(json.dumps({"duration_s": copy_s * copies}), asked, asked, asked),
                ),
            )

    def _slice(self, db: Database, key: str) -> None:
        db.conn.execute(
            "INSERT OR IGNORE INTO slices (key, request, state, gcode_sha256, gcode_size,"
            " estimate, created_at) VALUES (?, '{}', 'done', ?, 100, ?, ?)",
            (key, GCODE, json.dumps({"duration_s": 600, "layers": 5}), now()),
        )

    def free_one(self) -> None:
        """A print ends, and somebody clears the plate."""
        with self.store.writing() as db:
            found = rows(db, "SELECT id FROM printers WHERE state = 'busy'")
            printer_id = self.chance.choice(found)["id"]
            for attempt in rows(
                db, "SELECT * FROM attempts WHERE printer_id = ? AND state = 'offered'",
                (printer_id,),
            ):  # fmt: skip
                attempts.apply(db, attempt["id"], AttemptEvent.ACCEPT)
                attempts.apply(db, attempt["id"], AttemptEvent.PRINT)
                attempts.apply(db, attempt["id"], AttemptEvent.FINISH)
            db.conn.execute(
                "UPDATE printers SET plate_clear = 1, plate_attempt_id = NULL WHERE id = ?",
                (printer_id,),
            )
            printers.refresh(db, printer_id)

    def decide(self) -> None:
        """What the queue does before it writes."""
        at = datetime.now(UTC)
        with self.store.reading() as db:
            self.board.follow(db, at)
            found, _ = dispatch.pair(db, self.preparation, self.board, at)
        assert len(found) == 1, f"{len(found)} copies were chosen for one printer"

    def offer(self) -> None:
        given = dispatch.dispatch(self.store, self.preparation, self.board)
        assert given == 1, f"{given} copies were offered to one printer"

    def scan(self) -> None:
        """First come first served, as by reading the queue in its order."""
        with self.store.reading() as db:
            printer = row(db, "SELECT * FROM printers WHERE state = 'idle'")
            assert printer is not None
            offering = offering_of(printer)
            for job in rows(db, "SELECT * FROM jobs WHERE state = 'queued' ORDER BY queued_at"):
                if why_not(self.board.wish_of(job), offering) is None:
                    return


def timed(call: Callable[[], None]) -> float:
    """How long a call takes, in milliseconds."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000.0


def quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def measure(jobs: int, options: argparse.Namespace) -> Row:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as directory:
        lab = Lab(Path(directory), options.members, options.printers, jobs)
        with lab.store.reading() as db:
            read_s = timed(lambda: lab.board.follow(db, datetime.now(UTC))) / 1000.0
        gc.collect()
        gc.freeze()  # as the server does when it has read the queue
        for _ in range(20):
            lab.free_one()
            lab.offer()
        decided, offered, scanned = [], [], []
        for number in range(options.rounds):
            lab.free_one()
            decided.append(timed(lab.decide))
            if number < 10:
                scanned.append(timed(lab.scan))
            offered.append(timed(lab.offer))
        lab.store.close()
        gc.unfreeze()
    return {
        "jobs": jobs,
        "read_s": read_s,
        "decision_p50": statistics.median(decided),
        "decision_p99": quantile(decided, 0.99),
        "offered_p99": quantile(offered, 0.99),
        "scan_p50": statistics.median(scanned),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--printers", type=int, default=1000)
    parser.add_argument("--members", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument(
        "--jobs", type=int, nargs="*", default=[1000, 3000, 10_000, 30_000, 100_000]
    )
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    print(f"{options.printers} printers, {options.members} members; milliseconds")
    print("     jobs  read all  decision p50    p99   offered p99   scan p50   scan/decision")
    found = []
    for jobs in options.jobs:
        one = measure(jobs, options)
        found.append(one)
        print(
            f"{jobs:9,}  {one['read_s']:6.1f} s  {one['decision_p50']:12.2f} "
            f"{one['decision_p99']:6.2f}  {one['offered_p99']:12.2f}  {one['scan_p50']:9.1f}"
            f"  {one['scan_p50'] / one['decision_p50']:13.0f} x",
            flush=True,
        )
    if options.plot:
        lines = [
            Line(name, [(one["jobs"], one[key]) for one in found])
            for name, key in (("decision, 99th percentile", "decision_p99"),
                              ("decision, median", "decision_p50"),
                              ("reading the queue in its order", "scan_p50"))
        ]  # fmt: skip
        options.plot.write_text(
            plot("A scheduling decision", Axis("waiting jobs", True), Axis("ms", True), lines)
        )


if __name__ == "__main__":
    main()
