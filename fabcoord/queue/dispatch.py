"""Gives queued copies to idle printers, in the order of the board."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fabcoord.errors import FabcoordError
from fabcoord.queue import attempts, hours, printers, spools
from fabcoord.queue.attempts import GcodeFile
from fabcoord.queue.board import Board, offering_of
from fabcoord.queue.match import spool_objection
from fabcoord.queue.policy import Fuse
from fabcoord.queue.preparation import Preparation
from fabcoord.queue.schedule import Waiting
from fabcoord.queue.states import JobEvent, PrinterState
from fabcoord.queue.transitions import move_job
from fabcoord.slicing import cache
from fabcoord.slicing.cache import Plan
from fabcoord.store.database import Row, Store, row, rows, value
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, timestamp

_REST_AFTER_DECLINE_S = 20.0
_MOST_AT_ONCE = 32  # offers of one pass: a transaction stays short, the next pass follows at once
_MOST_MISFITS = 20  # jobs that a printer is tried with before the others get their turn
_AHEAD_S = 1200.0  # what a printer will print next is sliced when it has this long to go
_WARM_ENOUGH_C = 5.0


@dataclass(frozen=True, slots=True)
class Pairing:
    """A job, a printer that may take its next copy, and the slice that it needs there."""

    job_id: str
    printer_id: str
    plan: Plan


def dispatch(
    store: Store, preparation: Preparation, board: Board, at: datetime | None = None
) -> int:
    """Give what can be given now; returns how many copies were offered."""
    offered = 0
    while given := _one_pass(store, preparation, board, at or datetime.now(UTC)):
        offered += given
    return offered


def _one_pass(store: Store, preparation: Preparation, board: Board, at: datetime) -> int:
    """Each member gets at most one printer, so that shares and limits count from one to the next.

    Looks first, and opens a write transaction only when there is something to give.
    """
    with store.reading() as db:
        board.follow(db, at)
        pairings, refusals = pair(db, preparation, board, at)
    if not pairings and not refusals:
        return 0
    offered = 0
    with store.writing(durable=True) as db:
        for job_id, reason in refusals.items():
            if value(db, "SELECT state FROM jobs WHERE id = ?", (job_id,)) == "queued":
                move_job(db, job_id, JobEvent.NEEDS_PERSON, reason)
        for pairing in pairings:
            offered += _give(db, preparation, pairing)
    return offered


def pair(
    db: Database, preparation: Preparation, board: Board, at: datetime
) -> tuple[list[Pairing], dict[str, str]]:
    """Which copies could go where now; and jobs that only a person can help."""
    window = hours.window(board.policy.hours, at)
    most = 0 if window.quiet_until else min(_MOST_AT_ONCE, _fuse_allows(db, board.policy.fuse, at))
    if not most or not len(board.schedule):
        return [], {}
    pass_ = _Pass(db, preparation, board, window)
    for printer in _free(db):
        pass_.serve(printer)
        if len(pass_.pairings) >= most:
            break
    return pass_.pairings, pass_.refusals


def slice_ahead(store: Store, preparation: Preparation, board: Board) -> None:
    """Have made what printers that are busy for a little longer will most likely print next."""
    at = datetime.now(UTC)
    with store.reading() as db:
        board.follow(db, at)
        pass_ = _Pass(db, preparation, board, hours.window(board.policy.hours, at))
        for printer in _soon_free(db) if len(board.schedule) else []:
            pass_.serve(printer)
        known = {item["key"] for item in rows(
            db, "SELECT key FROM slices WHERE key IN (SELECT value FROM json_each(?))",
            (json.dumps([one.plan.key for one in pass_.pairings]),),
        )}  # fmt: skip
    missing = [one.plan for one in pass_.pairings if one.plan.key not in known]
    if missing:
        with store.writing() as db:
            for plan in missing:
                preparation.slices.ensure(db, plan)


class _Pass:
    """One look at the queue: printers come one after the other and each gets the best job."""

    def __init__(
        self, db: Database, preparation: Preparation, board: Board, window: hours.Window
    ) -> None:
        self._db, self._preparation, self._board = db, preparation, board
        self._window = window
        self._left_g = spools.left_in_printers(db)
        self._given: set[str] = set()  # members who got a printer in this pass
        self._gone: set[str] = set()  # jobs that changed since the board looked
        self.pairings: list[Pairing] = []
        self.refusals: dict[str, str] = {}

    def serve(self, printer: Row) -> None:
        """Find the job for one printer; its slice may still have to be made."""
        model = (printer["machine"], printer["nozzle_mm"])

        def refuses(job: Waiting) -> bool:
            seen = job.member in self._given or job.id in self._gone
            misfit = (job.id, *model) in self._board.misfits
            return seen or misfit or (job.id, printer["id"]) in self._board.short

        for _ in range(_MOST_MISFITS):
            choice = self._board.schedule.best(
                offering_of(printer), window_s=self._window.left_s, night=self._window.night,
                marked=self._window.marked, refuses=refuses,
            )  # fmt: skip
            if choice is None:
                return
            job = row(self._db, "SELECT * FROM jobs WHERE id = ?", (choice.id,))
            if job is None or job["state"] not in ("queued", "printing"):
                self._gone.add(choice.id)
                continue
            left_g = self._left_g.get(printer["id"])
            if short := spool_objection(
                job, printer["name"], left_g, self._board.policy.spool_margin
            ):
                self._board.short[choice.id, printer["id"]] = short
                continue
            reason = self._plan(job, printer)
            if reason is None:
                self._given.add(choice.member)
                return
            self._board.misfits[choice.id, *model] = reason
            if job["state"] == "queued" and _is_only_choice(self._db, job):
                self.refusals[choice.id] = reason

    def _plan(self, job: Row, printer: Row) -> str | None:
        """Pair the two; returns why that cannot be. A slice that is being made is waited for."""
        try:
            meshes = self._preparation.meshes_of(self._db, job)
            plan = self._preparation.plan_for(job, meshes, printer["machine"], printer["nozzle_mm"])
        except FabcoordError as error:
            return str(error)
        made = row(self._db, "SELECT state, error FROM slices WHERE key = ?", (plan.key,))
        if made is not None and made["state"] == "failed":
            return str(made["error"])
        if made is None or made["state"] == "done":
            self.pairings.append(Pairing(job["id"], printer["id"], plan))
        return None


def _free(db: Database) -> list[Row]:
    return rows(
        db,
        "SELECT printers.* FROM printers JOIN agents ON agents.id = agent_id"
        " WHERE state = ? AND deleted_at IS NULL AND revoked_at IS NULL AND NOT draining"
        " AND overdue = ''"
        # An agent that declined, or let an offer run out, would do so again at once.
        " AND NOT EXISTS (SELECT 1 FROM events WHERE events.printer_id = printers.id"
        "   AND kind = 'attempt.withdrawn' AND at > ?"
        "   AND (actor IS NULL OR actor LIKE 'agent:%'))"
        " ORDER BY printers.created_at, printers.rowid",
        (PrinterState.IDLE.value, in_seconds(-_REST_AFTER_DECLINE_S)),
    )


def _soon_free(db: Database) -> list[Row]:
    return rows(
        db,
        "SELECT printers.* FROM printers LEFT JOIN attempts ON printer_id = printers.id"
        " AND attempts.state IN ('printing', 'paused')"
        " WHERE deleted_at IS NULL AND (printers.state = 'awaiting_clearance'"
        "  OR (printers.state = 'busy' AND remaining_s < ?))"
        " ORDER BY coalesce(remaining_s, 0), printers.created_at LIMIT 50",
        (_AHEAD_S,),
    )


def _fuse_allows(db: Database, fuse: Fuse, at: datetime) -> int:
    """How many prints may start now without tripping a breaker."""
    allowed = _MOST_AT_ONCE
    if fuse.apart_s > 0:
        since = timestamp(at - timedelta(seconds=fuse.apart_s))
        recent = value(
            db,
            "SELECT 1 FROM attempts WHERE state NOT IN ('cancelled')"
            " AND coalesce(started_at, created_at) > ? LIMIT 1",
            (since,),
        )
        allowed = 0 if recent else 1
    if fuse.heating is not None:
        allowed = min(allowed, max(0, fuse.heating - _heating(db)))
    return allowed


def _heating(db: Database) -> int:
    """Printers that heat up, or are about to."""
    working = rows(
        db,
        "SELECT telemetry, attempts.state FROM attempts JOIN printers ON printers.id = printer_id"
        " WHERE attempts.state NOT IN ('finished', 'failed', 'cancelled', 'unknown')",
    )
    return sum(
        item["state"] != "printing" or _is_heating(json.loads(item["telemetry"]))
        for item in working
    )


def _is_heating(told: dict[str, Any]) -> bool:
    seen = told.get("temperatures") or {}
    return any(
        (seen.get(f"{heater}_target_c") or 0.0) - (seen.get(f"{heater}_c") or 0.0) > _WARM_ENOUGH_C
        for heater in ("hotend", "bed")
    )


def _give(db: Database, preparation: Preparation, pairing: Pairing) -> int:
    """Offer the copy if all still holds and its G-code is made and vetted; else have it made."""
    job = row(db, "SELECT * FROM jobs WHERE id = ?", (pairing.job_id,))
    printer = row(db, "SELECT * FROM printers WHERE id = ?", (pairing.printer_id,))
    if job is None or job["state"] not in ("queued", "printing") or printer is None:
        return 0
    if printers.refresh(db, printer["id"]) is not PrinterState.IDLE:
        return 0
    made = preparation.slices.ensure(db, pairing.plan)
    if made.state != "done" or made.gcode_sha256 is None:
        return 0
    if not cache.is_vetted(db, made.gcode_sha256, printer["machine"]):
        return 0
    copy = attempts.next_copy(db, job)
    if copy is None:
        return 0
    gcode = GcodeFile(
        made.gcode_sha256, made.gcode_size, made.layers, made.estimate.get("duration_s")
    )
    attempts.offer(db, job, copy, printer, gcode)
    return 1


def _is_only_choice(db: Database, job: Row) -> bool:
    """Whether no other machine model of the lab could take the job."""
    fixed = job["machine"] is not None or job["printer_id"] is not None
    return fixed or len(printers.machines_here(db)) == 1
