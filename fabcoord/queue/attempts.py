"""Attempts: one try to print one copy on one printer, under a lease with a fencing token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fabcoord.errors import BadInput, Conflict, NotFound
from fabcoord.members.roles import Member
from fabcoord.printers import machines
from fabcoord.printers.machines import Clearance
from fabcoord.queue import causes, commands, printers
from fabcoord.queue.states import (
    ATTEMPT_EFFECTS,
    ENDED,
    LIVE,
    AttemptEvent,
    AttemptState,
    Effect,
    JobEvent,
    JobState,
    next_attempt_state,
)
from fabcoord.queue.transitions import move_job
from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, new_id, new_secret, now

_LIVE_SQL = "('accepted', 'transferring', 'starting', 'printing', 'paused')"


@dataclass(frozen=True, slots=True)
class GcodeFile:
    """The vetted G-code of an attempt."""

    sha256: str
    size: int
    layers: int | None
    duration_s: float | None


def offer(db: Database, job: Row, copy: int, printer: Row, gcode: GcodeFile) -> str:
    """Offer a copy to a printer's agent; returns the attempt's id.

    The unique indexes of the table allow one open attempt per copy and per printer.
    """
    attempt_id = new_id()
    db.must_last = True
    db.conn.execute(
        "INSERT INTO attempts (id, job_id, copy, printer_id, agent_id, token, gcode_sha256,"
        " gcode_size, file_name, layers, duration_s, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(attempt_id, job["id"], copy, printer["id"], printer["agent_id"], new_secret()),
            *(gcode.sha256, gcode.size, f"fc-{attempt_id}.gcode", gcode.layers, gcode.duration_s),
            now(),
        ),
    )
    emit(
        db, "attempt.offered", attempt_id=attempt_id, job_id=job["id"], printer_id=printer["id"],
        agent_id=printer["agent_id"], member_id=job["member_id"], copy=copy,
    )  # fmt: skip
    move_job(db, job["id"], JobEvent.START, f"Copy {copy} goes to {printer['name']}.")
    printers.refresh(db, printer["id"])
    return attempt_id


def apply(
    db: Database,
    attempt_id: str,
    event: AttemptEvent,
    *,
    reason: str = "",
    actor: str | None = None,
    lease_s: float = 60.0,
) -> AttemptState:
    """Let an event happen to an attempt, and to its job and printer what follows from it.

    Raises Conflict, changing nothing, where the table of states does not allow it.
    """
    before = get_row(db, attempt_id)
    old = AttemptState(before["state"])
    new = next_attempt_state(old, event)
    if new is old:
        return new
    taking = Effect.OCCUPY in ATTEMPT_EFFECTS[event]
    if taking and not printers.occupy(db, before["printer_id"], attempt_id):
        event, reason = AttemptEvent.WITHDRAW, "The printer is no longer free."
        new = next_attempt_state(old, event)
    effects = ATTEMPT_EFFECTS[event]
    changed = row(
        db,
        "UPDATE attempts SET state = :new, reason = :reason,"
        " lease_until = CASE WHEN :live THEN :lease END,"
        " progress = CASE :new WHEN 'finished' THEN 1.0 ELSE progress END,"
        " remaining_s = CASE WHEN :live THEN remaining_s END,"
        " started_at = CASE WHEN :new IN ('starting', 'printing')"
        "   THEN coalesce(started_at, :now) ELSE started_at END,"
        " was_taken = was_taken OR :new = 'accepted',"
        " ended_at = CASE WHEN :ended THEN :now END,"
        " ended_by = CASE WHEN :ended THEN :actor END"
        " WHERE id = :id AND state = :old RETURNING id",
        {
            "new": new.value,
            "old": old.value,
            "reason": reason[:500],
            "live": Effect.LEASE in effects,
            "ended": new in ENDED,
            "lease": in_seconds(lease_s),
            "now": now(),
            "actor": actor,
            "id": attempt_id,
        },
    )
    if changed is None:
        raise Conflict("The attempt changed in the meantime.", extra={"state": old.value})
    db.must_last = True
    emit(
        db, f"attempt.{'withdrawn' if event is AttemptEvent.WITHDRAW else new.value}",
        attempt_id=attempt_id, job_id=before["job_id"], printer_id=before["printer_id"],
        agent_id=before["agent_id"], actor=actor, reason=reason,
    )  # fmt: skip
    if Effect.EJECT in effects and _ejects(db, before["printer_id"]):
        db.conn.execute(
            "UPDATE printers SET plate_clear = 1, plate_attempt_id = NULL WHERE id = ?",
            (before["printer_id"],),
        )
    _settle_job(db, before, event, reason)
    printers.refresh(db, before["printer_id"])
    return new


def resolve(
    db: Database,
    member: Member,
    attempt_id: str,
    outcome: str,
    *,
    plate_clear: bool,
    note: str = "",
    cause: str = "",
    lease_s: float = 60.0,
) -> None:
    """A person settles an attempt that nobody knows the end of, or whose printer has an error.

    ``cause`` is one of `causes.Cause` where it failed and the person knows why.
    """
    before = get_row(db, attempt_id)
    causes.checked(cause)
    events = {
        "finished": AttemptEvent.FINISH,
        "failed": AttemptEvent.FAIL,
        "still_printing": AttemptEvent.PRINT,
    }
    if outcome not in events:
        raise BadInput(
            "The outcome is one of: finished, failed, still_printing.",
            fields={"outcome": "unknown"},
        )
    printer = printers.get(db, before["printer_id"])
    in_doubt = before["state"] == AttemptState.UNKNOWN
    if not in_doubt and not (before["state"] in LIVE and printer["state"] == "attention"):
        raise Conflict(
            f"The attempt is {before['state']}; there is nothing to settle.",
            extra={"state": before["state"]},
        )
    reason = f"{member.name} says: {outcome.replace('_', ' ')}." + (f" {note}" if note else "")
    if outcome == "failed":
        db.conn.execute("UPDATE attempts SET cause = ? WHERE id = ?", (cause, attempt_id))
    state = apply(db, attempt_id, events[outcome], reason=reason, actor=member.name,
                  lease_s=lease_s)  # fmt: skip
    if plate_clear and state in ENDED:
        printers.clear(db, member, before["printer_id"], None)


def command(db: Database, attempt: Row, kind: str, actor: str | None) -> None:
    """Ask the agent to pause, resume or cancel an attempt."""
    commands.ask(
        db,
        kind,
        agent_id=attempt["agent_id"],
        printer_id=attempt["printer_id"],
        attempt_id=attempt["id"],
        job_id=attempt["job_id"],
        actor=actor,
    )


def stop(db: Database, attempt: Row, actor: str | None, reason: str) -> None:
    """End an attempt as far as that is ours to do: take an offer back, ask an agent to cancel."""
    if attempt["state"] == AttemptState.OFFERED:
        apply(db, attempt["id"], AttemptEvent.WITHDRAW, reason=reason, actor=actor)
    elif attempt["state"] in LIVE:
        command(db, attempt, "cancel", actor)


def any_expired(db: Database, offer_s: float) -> bool:
    """Whether `expire` would find anything."""
    return bool(_stale_offers(db, offer_s) or _silent(db))


def expire(db: Database, offer_s: float) -> None:
    """Take back offers that nobody took; put in doubt what nobody was heard of."""
    for item in _stale_offers(db, offer_s):
        reason = "The agent did not take it in time."
        apply(db, item["id"], AttemptEvent.WITHDRAW, reason=reason)
    for item in _silent(db):
        reason = "Its agent has not been heard of. Look at the printer and settle what happened."
        apply(db, item["id"], AttemptEvent.DOUBT, reason=reason)


def _stale_offers(db: Database, offer_s: float) -> list[Row]:
    return rows(
        db,
        "SELECT id FROM attempts WHERE state = 'offered' AND created_at < ?",
        (in_seconds(-offer_s),),
    )


def _silent(db: Database) -> list[Row]:
    return rows(
        db,
        f"SELECT id FROM attempts WHERE state IN {_LIVE_SQL} AND lease_until < ?",  # noqa: S608
        (now(),),
    )


def renew(db: Database, attempt_id: str, token: str, lease_s: float) -> None:
    """An agent answers for a live attempt: its lease begins anew."""
    db.conn.execute(
        f"UPDATE attempts SET lease_until = ? WHERE id = ? AND token = ?"  # noqa: S608
        f" AND state IN {_LIVE_SQL}",
        (in_seconds(lease_s), attempt_id, token),
    )


def get_row(db: Database, attempt_id: str) -> Row:
    """The attempt's row. Raises NotFound."""
    found = row(db, "SELECT * FROM attempts WHERE id = ?", (attempt_id,))
    if found is None:
        raise NotFound("There is no such attempt.")
    return found


def of_job(db: Database, job_id: str) -> list[dict[str, Any]]:
    """The attempts of a job in the shape of the API, oldest first."""
    kept = (
        *("id", "copy", "printer_id", "state", "progress", "layer", "layers", "started_at"),
        *("ended_at", "remaining_s", "gcode_sha256", "reason", "cause"),
    )
    found = rows(db, "SELECT * FROM attempts WHERE job_id = ? ORDER BY created_at, id", (job_id,))
    return [{name: item[name] for name in kept} for item in found]


def next_copy(db: Database, job: Row) -> int | None:
    """The first copy that is neither finished nor with a printer; None when there is none."""
    taken = {
        item["copy"]
        for item in rows(
            db,
            "SELECT copy FROM attempts WHERE job_id = ? AND state NOT IN ('failed', 'cancelled')",
            (job["id"],),
        )
    }
    return next((copy for copy in range(1, job["copies"] + 1) if copy not in taken), None)


def resume_job(db: Database, job_id: str) -> None:
    """Put a job that may go on to where its copies are: printed, in doubt, printing, waiting."""
    job = row(db, "SELECT * FROM jobs WHERE id = ?", (job_id,))
    if job is None:
        return
    held = rows(
        db,
        "SELECT copy, attempts.state, name FROM attempts JOIN printers ON printers.id = printer_id"
        " WHERE job_id = ? AND attempts.state NOT IN ('finished', 'failed', 'cancelled')"
        " ORDER BY copy",
        (job_id,),
    )
    doubts = _places(job, [item for item in held if item["state"] == AttemptState.UNKNOWN])
    if job["copies_done"] >= job["copies"]:
        move_job(db, job_id, JobEvent.FINISH, "Printed: waits to be collected.")
    elif doubts:
        reason = f"{doubts}: nobody knows how it ended. Look at the printer and settle it."
        move_job(db, job_id, JobEvent.NEEDS_PERSON, reason)
    elif failed := _failures_nobody_answered(db, job):
        copies = ", ".join(str(copy) for copy in failed)
        reason = f"Copy {copies} was not printed to the end. Retry prints it again."
        move_job(db, job_id, JobEvent.NEEDS_PERSON, reason)
    elif held:
        move_job(db, job_id, JobEvent.START, f"{_places(job, held)}.")
    elif job["state"] != JobState.QUEUED:
        move_job(db, job_id, JobEvent.RETURN, "Waits for a printer.")


def _failures_nobody_answered(db: Database, job: Row) -> list[int]:
    """Copies that an agent had taken, that ended without a print, and that nobody retried since.

    What failed on a machine is printed again only when a person asks for it.
    """
    found = rows(
        db,
        "SELECT DISTINCT copy FROM attempts AS tried WHERE job_id = :job AND was_taken"
        " AND state IN ('failed', 'cancelled') AND ended_at > coalesce(:retried, '')"
        " AND NOT EXISTS (SELECT 1 FROM attempts WHERE job_id = :job AND copy = tried.copy"
        "   AND state NOT IN ('failed', 'cancelled')) ORDER BY copy",
        {"job": job["id"], "retried": job["retried_at"]},
    )
    return [item["copy"] for item in found]


def _places(job: Row, held: list[Row]) -> str:
    if job["copies"] == 1:
        return "".join(f"Is with {item['name']}" for item in held)
    return ", ".join(f"Copy {item['copy']} is with {item['name']}" for item in held)


def _settle_job(db: Database, attempt: Row, event: AttemptEvent, reason: str) -> None:
    """What an attempt's event means for its job."""
    effects = ATTEMPT_EFFECTS[event]
    job = row(db, "SELECT * FROM jobs WHERE id = ?", (attempt["job_id"],))
    if job is None:
        return
    done = value(
        db,
        "SELECT count(DISTINCT copy) FROM attempts WHERE job_id = ? AND state = 'finished'",
        (job["id"],),
    )
    db.conn.execute("UPDATE jobs SET copies_done = ? WHERE id = ?", (done, job["id"]))
    if job["state"] in (JobState.CANCELLED, JobState.REJECTED) and Effect.STOP in effects:
        command(db, attempt, "cancel", None)  # seen to print although nobody wants it any more
    if job["state"] not in (JobState.PRINTING, JobState.NEEDS_ATTENTION):
        return  # ended, or on its way back to the queue, where `resume_job` looks at its copies
    name = value(db, "SELECT name FROM printers WHERE id = ?", (attempt["printer_id"],))
    copy = f"Copy {attempt['copy']}" if job["copies"] > 1 else "The print"
    because = f": {reason}" if reason else "."
    if Effect.ASK in effects:
        said = {
            AttemptEvent.DOUBT: f"{copy} on {name}: nobody knows how it ended. {reason}",
            AttemptEvent.FAIL: f"{copy} failed on {name}{because} Retry prints it again.",
            AttemptEvent.CANCEL: f"{copy} was stopped on {name}{because} Retry prints it again.",
        }
        move_job(db, job["id"], JobEvent.NEEDS_PERSON, said[event])
    elif (
        job["state"] == JobState.PRINTING
        or attempt["state"] == AttemptState.UNKNOWN
        or done >= job["copies"]
    ):
        resume_job(db, job["id"])
    # Else a person must still decide on another copy, and this one's news does not.


def _ejects(db: Database, printer_id: str) -> bool:
    model = value(db, "SELECT machine FROM printers WHERE id = ?", (printer_id,))
    return machines.machine(model).clearance is Clearance.EJECTS
