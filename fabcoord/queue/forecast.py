"""Guesses when queued jobs will start and end: a list schedule, made in the background."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fabcoord.queue.dispatch import offering_of, wish_of
from fabcoord.queue.match import Offering, Wish, why_not
from fabcoord.store.database import Row, Store, row, rows
from fabcoord.store.events import emit
from fabcoord.store.values import in_seconds

CLEARING_S = 900.0  # how long a plate waits for somebody, until the lab has measured it


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """What the forecast needs of a job; ``copy_s`` is the estimate of one copy."""

    id: str
    wish: Wish
    copies: int
    copy_s: float


@dataclass(frozen=True, slots=True)
class Expected:
    """When a job should start and end, in seconds from now; its place in the queue from 1."""

    position: int
    start_s: float
    end_s: float


def forecast(
    jobs: Sequence[QueuedJob], printers: Sequence[Offering], free_in_s: Mapping[str, float]
) -> dict[str, Expected]:
    """First come, first served, each copy on the printer that can start it first.

    ``free_in_s`` says when each printer can begin; one that is not named there is out of reach.
    Jobs that no reachable printer can take are left out.
    """
    free = dict(free_in_s)
    expected: dict[str, Expected] = {}
    for position, job in enumerate(jobs, start=1):
        able = [one.printer_id for one in printers if why_not(job.wish, one) is None]
        able = [printer_id for printer_id in able if printer_id in free]
        if not able:
            continue
        starts, ends = [], []
        for _ in range(job.copies):
            first = min(able, key=lambda printer_id: free[printer_id])
            starts.append(free[first])
            ends.append(free[first] + job.copy_s)
            free[first] += job.copy_s + CLEARING_S
        expected[job.id] = Expected(position, min(starts), max(ends))
    return expected


def refresh(store: Store) -> None:
    """Work the forecast out anew and keep it with the jobs; writes only what changed visibly."""
    with store.reading() as db:
        waiting = rows(
            db, "SELECT * FROM jobs WHERE state = 'queued' ORDER BY queued_at, created_at, rowid"
        )
        machines = rows(db, "SELECT * FROM printers WHERE deleted_at IS NULL")
        free_in_s = {}
        for printer in machines:
            if printer["state"] == "idle":
                free_in_s[printer["id"]] = 0.0
            elif printer["state"] == "awaiting_clearance":
                free_in_s[printer["id"]] = CLEARING_S
            elif printer["state"] == "busy":
                live = row(
                    db,
                    "SELECT remaining_s, duration_s FROM attempts WHERE printer_id = ?"
                    " AND state NOT IN ('finished', 'failed', 'cancelled', 'unknown')",
                    (printer["id"],),
                )
                left = (live["remaining_s"] or live["duration_s"] or 0.0) if live else 3600.0
                free_in_s[printer["id"]] = left + CLEARING_S
        stale = rows(db, "SELECT id FROM jobs WHERE position IS NOT NULL AND state != 'queued'")
    jobs = [
        QueuedJob(
            job["id"],
            wish_of(job),
            job["copies"] - job["copies_done"],
            json.loads(job["estimate"]).get("duration_s", 0.0) / job["copies"],
        )
        for job in waiting
    ]
    expected = forecast(jobs, [offering_of(printer) for printer in machines], free_in_s)
    changes = []
    for place, job in enumerate(waiting, start=1):
        guess = expected.get(job["id"])
        # To the minute: a guess that moves by less is no news.
        start = in_seconds(guess.start_s)[:16] + ":00Z" if guess else None
        end = in_seconds(guess.end_s)[:16] + ":00Z" if guess else None
        reason = "Waits for a printer." if guess else why_it_waits(wish_of(job), machines)
        known = (job["position"], job["expected_start"], job["expected_end"], job["reason"])
        if (place, start, end, reason) != known:
            changes.append((place, start, end, reason, job["id"]))
    if changes or stale:
        _keep(store, changes)


def why_it_waits(wish: Wish, machines: Sequence[Row]) -> str:
    """One sentence for a job that no printer in reach can take."""
    refusals = [why_not(wish, offering_of(printer)) for printer in machines]
    if all(refusals):
        return f"No printer of this lab can take it: {' '.join(str(one) for one in refusals)}"
    able = [one for one, refusal in zip(machines, refusals, strict=True) if refusal is None]
    states = (f"{one['name']} is {one['state'].replace('_', ' ')}" for one in able)
    return f"Waits until a printer is back: {', '.join(states)}."


def _keep(store: Store, changes: list[tuple[int, str | None, str | None, str, str]]) -> None:
    with store.writing() as db:
        for place, start, end, reason, job_id in changes:
            told = row(
                db,
                "UPDATE jobs SET position = ?, expected_start = ?, expected_end = ?, reason = ?"
                " WHERE id = ? AND state = 'queued' RETURNING member_id",
                (place, start, end, reason, job_id),
            )
            if told is not None:
                emit(db, "job.forecast", job_id=job_id, member_id=told["member_id"],
                     position=place, expected_start=start)  # fmt: skip
        db.conn.execute(
            "UPDATE jobs SET position = NULL, expected_start = NULL, expected_end = NULL"
            " WHERE position IS NOT NULL AND state != 'queued'"
        )
