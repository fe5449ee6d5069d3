"""Moves a job along its table of states, with its event in the same transaction."""

from __future__ import annotations

from fabcoord.errors import Conflict, NotFound
from fabcoord.queue.states import JobEvent, JobState, next_job_state
from fabcoord.store.database import row
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import now


def move_job(
    db: Database, job_id: str, event: JobEvent, reason: str, *, actor: str | None = None
) -> JobState:
    """Let ``event`` happen to a job; returns its new state.

    Raises Conflict, changing nothing, where the table of states does not allow it.
    """
    found = row(db, "SELECT state, reason, member_id FROM jobs WHERE id = ?", (job_id,))
    if found is None:
        raise NotFound("There is no such job.")
    new = next_job_state(JobState(found["state"]), event)
    if (new.value, reason) == (found["state"], found["reason"]):
        return new
    changed = row(
        db,
        "UPDATE jobs SET state = :new, reason = :reason, updated_at = :now, version = version + 1,"
        " queued_at = CASE :new WHEN 'queued' THEN coalesce(queued_at, :now) ELSE queued_at END"
        " WHERE id = :id AND state = :old RETURNING id",
        {"new": new.value, "reason": reason, "now": now(), "id": job_id, "old": found["state"]},
    )
    if changed is None:
        raise Conflict("The job changed in the meantime.", extra={"state": found["state"]})
    emit(
        db,
        f"job.{new.value}",
        job_id=job_id,
        member_id=found["member_id"],
        actor=actor,
        reason=reason,
    )
    return new
