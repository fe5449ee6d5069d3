"""Gives queued copies to idle printers: first come, first served."""

from __future__ import annotations

from dataclasses import dataclass

from fabcoord.errors import FabcoordError
from fabcoord.queue import attempts, printers
from fabcoord.queue.attempts import GcodeFile
from fabcoord.queue.match import Offering, Wish, why_not
from fabcoord.queue.preparation import Preparation
from fabcoord.queue.states import JobEvent, PrinterState
from fabcoord.queue.transitions import move_job
from fabcoord.slicing import cache
from fabcoord.slicing.cache import Plan
from fabcoord.store.database import Row, Store, row, rows, value
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds

_REST_AFTER_DECLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class Pairing:
    """A job, a printer that may take its next copy, and the slice that it needs there."""

    job_id: str
    printer_id: str
    plan: Plan


def dispatch(store: Store, preparation: Preparation) -> int:
    """One pass; returns how many copies were offered.

    Looks first, and opens a write transaction only when there is something to give.
    """
    with store.reading() as db:
        pairings, refusals = pair(db, preparation)
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


def pair(db: Database, preparation: Preparation) -> tuple[list[Pairing], dict[str, str]]:
    """Which copies could go where now, oldest job first; and jobs that only a person can help."""
    free = rows(
        db,
        "SELECT printers.* FROM printers JOIN agents ON agents.id = agent_id"
        " WHERE state = ? AND deleted_at IS NULL AND revoked_at IS NULL AND NOT draining"
        # An agent that declined, or let an offer run out, would do so again at once.
        " AND NOT EXISTS (SELECT 1 FROM events WHERE events.printer_id = printers.id"
        "   AND kind = 'attempt.withdrawn' AND at > ?"
        "   AND (actor IS NULL OR actor LIKE 'agent:%'))"
        " ORDER BY printers.created_at, printers.rowid",
        (PrinterState.IDLE.value, in_seconds(-_REST_AFTER_DECLINE_S)),
    )
    pairings: list[Pairing] = []
    refusals: dict[str, str] = {}
    if not free:
        return pairings, refusals
    waiting = rows(
        db,
        "SELECT * FROM jobs WHERE state IN ('queued', 'printing')"
        " ORDER BY queued_at, created_at, rowid LIMIT 500",
    )
    for job in waiting:
        copies_left = _copies_left(db, job)
        reasons: list[str] = []
        for printer in list(free):
            if not copies_left:
                break
            if why_not(wish_of(job), offering_of(printer)) is not None:
                continue
            mesh = preparation.mesh_of(db, job)
            try:
                plan = preparation.plan_for(job, mesh, printer["machine"], printer["nozzle_mm"])
            except FabcoordError as error:
                reasons.append(str(error))
                continue
            made = row(db, "SELECT state, error FROM slices WHERE key = ?", (plan.key,))
            if made is not None and made["state"] == "failed":
                reasons.append(made["error"])
                continue
            free.remove(printer)
            copies_left -= 1
            if made is None or made["state"] == "done":
                pairings.append(Pairing(job["id"], printer["id"], plan))
        if reasons and job["state"] == "queued" and _is_only_choice(db, job):
            refusals[job["id"]] = reasons[0]
        if not free:
            break
    return pairings, refusals


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


def _copies_left(db: Database, job: Row) -> int:
    taken = value(
        db,
        "SELECT count(DISTINCT copy) FROM attempts WHERE job_id = ?"
        " AND state NOT IN ('failed', 'cancelled')",
        (job["id"],),
    )
    return int(job["copies"] - taken)


def _is_only_choice(db: Database, job: Row) -> bool:
    """Whether no other machine model of the lab could take the job."""
    fixed = job["machine"] is not None or job["printer_id"] is not None
    return fixed or len(printers.machines_here(db)) == 1


def wish_of(job: Row) -> Wish:
    """What a job's row asks of a printer."""
    return Wish(job["machine"], job["material"], job["colour"], job["printer_id"])


def offering_of(printer: Row) -> Offering:
    """What a printer's row has to offer."""
    kept = (printer["id"], printer["name"], printer["machine"])
    return Offering(*kept, printer["material"], printer["colour"])
