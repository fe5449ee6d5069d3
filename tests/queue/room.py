"""A lab without slicer, agent or machine: its rows are real, what would fill them is told."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fabcoord.agent.messages import (
    AgentEvent,
    CommandResult,
    LiveAttempt,
    PrinterTelemetry,
    PrintTelemetry,
    SyncAnswer,
    SyncRequest,
)
from fabcoord.designs import library
from fabcoord.designs.library import NewFile
from fabcoord.designs.licences import AS_SHIPPED, PrintRules
from fabcoord.errors import Conflict
from fabcoord.members import accounts
from fabcoord.members.roles import Member, Role
from fabcoord.printers import machines
from fabcoord.queue import agents, attempts, batches, jobs, printers, spool_use, upkeep
from fabcoord.queue.agents import Agent
from fabcoord.queue.board import Board
from fabcoord.queue.dispatch import dispatch
from fabcoord.queue.policy import Policy
from fabcoord.queue.preparation import Preparation
from fabcoord.queue.record import Recorder
from fabcoord.slicing import cache
from fabcoord.slicing.cache import Slices
from fabcoord.slicing.engine import SliceRequest, SliceResult
from fabcoord.slicing.gate import GateReport
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Row, Store, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.migrations import migrate
from fabcoord.store.values import now

MESH_SHA256 = "a" * 64
GCODE_SHA256 = "b" * 64
ENDED = ("finished", "failed", "cancelled")
PASSED = GateReport((), 215.0, 60.0, ((0.0, 1.0),) * 3, 5, 100)


class NoSlicer:
    """A slicer that plans can be made for; `Room.slices_end` says how its work ends."""

    name = "none"

    def version(self) -> str:
        return "1"

    def slice(self, request: SliceRequest, cwd: Path, **_options: Any) -> SliceResult:
        raise AssertionError("nothing slices in these tests")


@dataclass
class Room:
    """One lab in one directory: a member of staff, two members, an agent with two printers."""

    directory: Path
    approval: str = "none"
    release: str = "automatic"
    machine: str = "demo"
    count: int = 2
    print_rules: PrintRules = AS_SHIPPED
    store: Store = field(init=False)
    agent: Agent = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.directory / "lab.db")
        migrate(self.store)
        slices = Slices(
            self.store, NoSlicer(), BlobStore(self.directory / "blobs"), self.directory / "work"
        )
        self.preparation = Preparation(
            slices, Policy(self.approval, self.release), self.print_rules
        )
        self.board = Board(self.preparation.default)
        Recorder(self.preparation.default).register(self.store)
        self.store.subscribe("file.checked", self.preparation.on_file_checked)
        self.store.subscribe("slice.done", self.preparation.on_slice_ended)
        self.store.subscribe("slice.failed", self.preparation.on_slice_ended)
        spool_use.subscribe(self.store)
        self.store.subscribe("job.queued", batches.on_job_queued)
        for ended in ENDED:
            self.store.subscribe(f"attempt.{ended}", upkeep.on_attempt_ended)
        with self.store.writing() as db:
            self.staff = accounts.create(db, "Ada", Role.STAFF)
            self.ben = accounts.create(db, "Ben", Role.MEMBER)
            self.eve = accounts.create(db, "Eve", Role.MEMBER)
            self.agent, self.agent_token = agents.register(db, "Pi")
            self.printers = [
                printers.create(db, self.staff, self.settings(name), plate_clear=True)
                for name in ("Left", "Right", "Third")[: self.count]
            ]
            self.design_id = library.create(
                db, self.ben, title="Cube", licence="CC0-1.0",
                files=[NewFile("cube.stl", MESH_SHA256, 684, "stl")],
            )  # fmt: skip
        self.check_ends()

    def settings(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "machine": self.machine,
            "driver": "virtual",
            "agent_id": self.agent.id,
            "material": "PLA",
        }

    # What background work would do:

    def check_ends(
        self, verdict: str = "printable", size_mm: tuple[float, ...] = (20, 20, 20)
    ) -> None:
        """Every file's check ends with this verdict."""
        report = {"verdict": verdict, "size_mm": size_mm, "findings": []}
        with self.store.writing() as db:
            waiting = rows(db, "SELECT sha256, format FROM checks WHERE state = 'pending'")
            db.conn.execute(
                "UPDATE checks SET state = 'done', report = ?, mesh_sha256 = sha256",
                (json.dumps(report),),
            )
            for item in waiting:
                emit(db, "file.checked", **item)

    def slices_end(self, *, error: str = "") -> None:
        """Every slice that was asked for is made and vetted, or fails."""
        with self.store.writing() as db:
            for item in rows(db, "SELECT key FROM slices WHERE state = 'pending'"):
                if error:
                    cache._fail(db, item["key"], "slicing-failed", error)
                    continue
                estimate = {"duration_s": 600, "mass_g": 2.5, "layers": 5}
                db.conn.execute(
                    "UPDATE slices SET state = 'done', gcode_sha256 = ?, gcode_size = 100,"
                    " estimate = ?, ended_at = ? WHERE key = ?",
                    (GCODE_SHA256, json.dumps(estimate), now(), item["key"]),
                )
                model = machines.machine(self.machine)
                cache.record_vetting(db, GCODE_SHA256, model, PASSED)
                emit(db, "slice.done", key=item["key"])
            db.conn.execute("UPDATE runs SET state = 'done'")

    def dispatch(self) -> int:
        return dispatch(self.store, self.preparation, self.board)

    # What people do:

    def ask(self, copies: int = 1, member: Member | None = None, **asked: Any) -> str:
        """Ask for a print; returns the job's id."""
        with self.store.writing() as db:
            return jobs.create(
                db, self.preparation, member or self.ben,
                {"design_id": self.design_id, "copies": copies, **asked},
            )  # fmt: skip

    def queued(self, copies: int = 1, **asked: Any) -> str:
        """A job that waits for a printer."""
        job_id = self.ask(copies, **asked)
        self.slices_end()
        return job_id

    def do(self, verb: str, job_id: str, member: Member | None = None, reason: str = "") -> None:
        with self.store.writing() as db:
            jobs.act(db, self.preparation, member or self.staff, job_id, verb, reason)

    def clear(self, printer_id: str, attempt_id: str | None = None) -> None:
        with self.store.writing() as db:
            printers.clear(db, self.ben, printer_id, attempt_id)

    def resolve(self, attempt_id: str, outcome: str, *, plate_clear: bool = False) -> None:
        with self.store.writing() as db:
            attempts.resolve(db, self.ben, attempt_id, outcome, plate_clear=plate_clear)

    def maintenance(self, printer_id: str, on: bool = True) -> None:
        with self.store.writing() as db:
            printers.set_maintenance(db, self.staff, printer_id, on)

    # What the clock does:

    def leases_run_out(self) -> None:
        """Nothing was heard of any live attempt for longer than its lease."""
        with self.store.writing() as db:
            db.conn.execute("UPDATE attempts SET lease_until = '2000' WHERE lease_until NOT NULL")
            attempts.expire(db, 1e6)

    def offers_run_out(self) -> None:
        with self.store.writing() as db:
            attempts.expire(db, -1.0)

    # What one may look at:

    def job(self, job_id: str) -> dict[str, Any]:
        with self.store.reading() as db:
            return jobs.get(db, job_id)

    def printer(self, printer_id: str) -> dict[str, Any]:
        with self.store.reading() as db:
            return printers.get(db, printer_id)

    def attempt(self, attempt_id: str) -> Row:
        with self.store.reading() as db:
            return attempts.get_row(db, attempt_id)

    def open_attempt(self, printer_id: str) -> Row:
        with self.store.reading() as db:
            found = printers.open_attempt(db, printer_id)
        assert found is not None, "nothing is with that printer"
        return found

    def table(self, sql: str, *values: Any) -> list[Row]:
        with self.store.reading() as db:
            return rows(db, sql, values)

    def count_of(self, sql: str, *values: Any) -> int:
        with self.store.reading() as db:
            return int(value(db, sql, values))

    def row(self, sql: str, *values: Any) -> Row:
        with self.store.reading() as db:
            found = row(db, sql, values)
        assert found is not None
        return found

    def close(self) -> None:
        self.store.close()


class Pi:
    """The agent's side of the talk: numbers its events and keeps them until they are acked.

    What its printers do is set with `shows`; it reports and follows, and decides nothing.
    """

    def __init__(self, room: Room, instance: str = "i1", started_at: str = "2026-01-01") -> None:
        self.room, self.instance, self.started_at = room, instance, started_at
        self.epoch, self.seq = "e1", 0
        self.outbox: list[AgentEvent] = []
        self.held: dict[str, str] = {}
        self.results: list[CommandResult] = []
        self.machines: dict[str, PrinterTelemetry] = {
            printer_id: PrinterTelemetry(printer_id, "ready") for printer_id in room.printers
        }
        self.heard: SyncAnswer | None = None

    def shows(
        self, printer_id: str, activity: str, attempt_id: str | None = None, file: str = ""
    ) -> None:
        """What a printer does from now on; a ``file`` makes it a print."""
        running = PrintTelemetry(attempt_id, file, 0.5) if file else None
        self.machines[printer_id] = PrinterTelemetry(printer_id, activity, print=running)

    def says(self, kind: str, attempt_id: str, token: str | None = None, reason: str = "") -> None:
        """Note an event, to be sent with the next sync."""
        self.seq += 1
        token = self.held.get(attempt_id, "") if token is None else token
        self.outbox.append(AgentEvent(self.seq, kind, attempt_id, token, now(), reason))

    def request(self, **changes: Any) -> SyncRequest:
        said = {
            "instance": self.instance,
            "instance_started_at": self.started_at,
            "epoch": self.epoch,
            "version": "1",
            "printers": tuple(self.machines.values()),
            "events": tuple(self.outbox),
            "live": tuple(LiveAttempt(*item) for item in self.held.items()),
            "commands_done": tuple(self.results),
        } | changes
        return SyncRequest(**said)

    def send(self, said: SyncRequest) -> SyncAnswer:
        """What the server answers, which may be lost on the way."""
        with self.room.store.writing() as db:
            return agents.sync(db, self.room.agent, said, interval_s=2.0, lease_s=60.0)

    def sync(self, **changes: Any) -> SyncAnswer:
        """Speak, hear the answer and act on it as an agent does."""
        answer = self.send(self.request(**changes))
        self.outbox = [event for event in self.outbox if event.seq > answer.acked]
        self.results = []
        for state in answer.attempts:
            if state.state in (*ENDED, "gone"):
                self.held.pop(state.attempt_id, None)
        self.heard = answer
        return answer

    def take(self, attempt_id: str, token: str) -> None:
        self.held[attempt_id] = token
        self.says("accepted", attempt_id)

    def prints(self, *kinds: str) -> str:
        """Take the one offer there is and report these events of it; returns the attempt's id."""
        (offer,) = self.sync().offers
        self.take(offer.attempt_id, offer.token)
        self.sync()
        for kind in kinds:
            self.says(kind, offer.attempt_id)
            self.sync()
        return offer.attempt_id


@contextlib.contextmanager
def refused() -> Any:
    """What the table of states may refuse; everything else is a defect."""
    with contextlib.suppress(Conflict):
        yield
