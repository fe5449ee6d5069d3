"""The ledger of runs: who works on what, under a lease that must be renewed.

A message of the engine is only a hint that a run waits. What decides is the claim: one
conditional UPDATE that hands out a fencing token. A worker that lost its lease cannot commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from fabcoord.store.database import row, rows
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, new_id, new_secret, now

LEASE_S = 6.0
RENEW_EVERY_S = 1.0
MAX_ATTEMPTS = 3  # a mesh that kills its worker three times is not tried a fourth
_ANNOUNCE_AGAIN_AFTER_S = 5.0
_LONGEST_PATIENCE_S = 60.0


class RunState(StrEnum):
    """Where a run is."""

    QUEUED = "queued"  # waits for a worker
    RUNNING = "running"  # a worker holds the lease
    DONE = "done"  # its result is committed
    FAILED = "failed"  # it ended in an error, or killed its worker too often
    CANCELLED = "cancelled"  # no longer wanted


@dataclass(frozen=True, slots=True)
class Run:
    """A run that this worker has claimed."""

    id: str
    kind: str
    subject: str  # what it is about, for example a slice key
    token: str  # fencing token of this claim
    attempt: int  # 1 for the first


def enqueue(db: Database, kind: str, subject: str, *, priority: int = 0) -> str:
    """Queue a run, or return the one that is already queued or running for this subject."""
    live = row(
        db,
        "SELECT id FROM runs WHERE kind = ? AND subject = ? AND state IN ('queued', 'running')",
        (kind, subject),
    )
    if live is not None:
        return str(live["id"])
    run_id = new_id()
    db.conn.execute(
        "INSERT INTO runs (id, kind, subject, priority, created_at, enqueued_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (run_id, kind, subject, priority, now(), now()),
    )
    db.after_commit.append(partial(db.announce, run_id))
    return run_id


def enqueue_due(db: Database, kind: str, every_s: float) -> None:
    """Queue a run of this kind when the last one was asked for longer than ``every_s`` ago."""
    recent = row(
        db,
        "SELECT 1 FROM runs WHERE kind = ? AND created_at > ? LIMIT 1",
        (kind, in_seconds(-every_s)),
    )
    if recent is None:
        enqueue(db, kind, "by the clock")


def claim(db: Database, run_id: str, *, lease_s: float = LEASE_S) -> Run | None:
    """Take the run if it waits or its lease has expired; None when it is not to be had."""
    found = row(
        db,
        "UPDATE runs SET state = 'running', token = :token, lease_until = :lease,"
        " attempts = attempts + 1, started_at = :now"
        " WHERE id = :id AND attempts < :cap"
        " AND (state = 'queued' OR (state = 'running' AND lease_until < :now))"
        " RETURNING id, kind, subject, token, attempts",
        {
            "id": run_id,
            "token": new_secret(),
            "now": now(),
            "lease": in_seconds(lease_s),
            "cap": MAX_ATTEMPTS,
        },
    )
    if found is None:
        return None
    return Run(found["id"], found["kind"], found["subject"], found["token"], found["attempts"])


def renew(db: Database, run: Run, *, lease_s: float = LEASE_S) -> bool:
    """Hold on to the run; False when it was cancelled or someone else has it: then stop."""
    found = row(
        db,
        "UPDATE runs SET lease_until = ? WHERE id = ? AND token = ? AND state = 'running'"
        " RETURNING id",
        (in_seconds(lease_s), run.id, run.token),
    )
    return found is not None


def must_wait(db: Database, run_id: str) -> bool:
    """Whether a run that nobody waits for (priority 0) should let others go first.

    A run that takes a processor from a slice makes somebody wait longer; after a while it runs
    all the same.
    """
    return (
        row(
            db,
            "SELECT 1 FROM runs AS patient WHERE id = ? AND priority = 0 AND created_at > ?"
            " AND EXISTS (SELECT 1 FROM runs WHERE priority > 0"
            " AND state IN ('queued', 'running'))",
            (run_id, in_seconds(-_LONGEST_PATIENCE_S)),
        )
        is not None
    )


def patient(db: Database) -> list[str]:
    """The runs of priority 0 that wait, oldest first."""
    found = rows(
        db,
        "SELECT id FROM runs WHERE priority = 0 AND state = 'queued' ORDER BY created_at LIMIT 8",
    )
    return [item["id"] for item in found]


def finish(db: Database, run: Run, state: RunState, error: str = "") -> bool:
    """End the run; False when this worker no longer holds it, and then nothing may be written.

    Call it in the transaction that writes the result.
    """
    found = row(
        db,
        "UPDATE runs SET state = ?, error = ?, ended_at = ?, lease_until = NULL"
        " WHERE id = ? AND token = ? AND state = 'running' RETURNING id",
        (state.value, error, now(), run.id, run.token),
    )
    return found is not None


def cancel(db: Database, kind: str, subject: str) -> None:
    """Say that nobody wants the result any more; a running worker stops at its next renewal.

    Its result is dropped even if it comes before that. Asking again makes a new run.
    """
    db.conn.execute(
        "UPDATE runs SET state = 'cancelled', ended_at = ?, lease_until = NULL"
        " WHERE kind = ? AND subject = ? AND state IN ('queued', 'running')",
        (now(), kind, subject),
    )


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep found: runs to announce again, and runs that are given up."""

    waiting: tuple[str, ...]
    given_up: tuple[tuple[str, str], ...]  # (kind, subject)


def sweep(db: Database) -> Sweep:
    """Queue again what lost its worker, give up what was tried too often.

    Also finds runs whose announcement was lost between commit and message. Whoever waits for a
    run that is given up must be told in the same transaction.
    """
    given_up = rows(
        db,
        "UPDATE runs SET state = 'failed', ended_at = :now,"
        " error = 'its worker died ' || attempts || ' times'"
        " WHERE state = 'running' AND lease_until < :now AND attempts >= :cap"
        " RETURNING kind, subject",
        {"now": now(), "cap": MAX_ATTEMPTS},
    )
    db.conn.execute(
        "UPDATE runs SET state = 'queued', enqueued_at = ''"
        " WHERE state = 'running' AND lease_until < ?",
        (now(),),
    )
    waiting = rows(
        db,
        "UPDATE runs SET enqueued_at = ? WHERE state = 'queued' AND enqueued_at < ?"
        " RETURNING id, priority",
        (now(), in_seconds(-_ANNOUNCE_AGAIN_AFTER_S)),
    )
    waiting.sort(key=lambda item: -item["priority"])
    return Sweep(
        waiting=tuple(item["id"] for item in waiting),
        given_up=tuple((item["kind"], item["subject"]) for item in given_up),
    )
