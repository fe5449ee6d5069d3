"""Batches: several files in so many copies for one purpose, asked for and paused together."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fabcoord.errors import BadInput, Conflict, NotFound
from fabcoord.members import accounts
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import asked_file, jobs, sight
from fabcoord.queue.preparation import Preparation
from fabcoord.queue.states import JOB_TRANSITIONS, JobEvent, JobState
from fabcoord.queue.transitions import move_job
from fabcoord.store.database import Row, row, rows
from fabcoord.store.events import Event, emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now, parse_timestamp, timestamp

MOST_ITEMS = 50
VERBS = ("pause", "resume", "cancel", "retry")
_SHARED = (
    *("machine", "material", "quality", "colour", "printer_id", "nozzle_mm", "charge_code"),
    *("purpose", "tags", "overnight", "note"),
)
_PAUSED = "Its batch is paused."
_ENDED = ("collected", "cancelled", "rejected", "failed")


def create(db: Database, preparation: Preparation, member: Member, asked: dict[str, Any]) -> str:
    """Ask for a batch; returns its id. Either all of its jobs are asked for or none.

    Args:
        asked: ``title``, ``due_at``, ``plate``, ``items`` as in `JobRequest` and, beside them,
            wishes that hold for all items which do not say otherwise. With ``plate`` the items
            that ask the same of a machine share one plate, else each is a job of its own.
    """
    member.require(Permission.PRINT)
    items = asked.get("items") or []
    if not 1 <= len(items) <= MOST_ITEMS:
        raise BadInput(f"A batch has 1 to {MOST_ITEMS} items.", fields={"items": "too many"})
    title = " ".join(str(asked.get("title") or "").split())
    if not 1 <= len(title) <= 200:
        raise BadInput("A batch needs a title.", fields={"title": "1 to 200 characters"})
    common = {name: asked[name] for name in _SHARED if asked.get(name)}
    wanted = [common | {name: one for name, one in item.items() if one is not None}
              for item in items]  # fmt: skip
    due = _due(asked.get("due_at"))
    batch_id = new_id()
    db.conn.execute(
        "INSERT INTO batches (id, member_id, title, due_at, created_at) VALUES (?, ?, ?, ?, ?)",
        (batch_id, member.id, title, due and timestamp(due), now()),
    )
    groups = _plates(wanted) if asked.get("plate") else [[one] for one in wanted]
    for number, group in enumerate(groups, start=1):
        first = group[0] | {"due_at": group[0].get("due_at") or _share(due, number, len(groups))}
        if asked.get("plate"):
            parts = [_part(db, member, one) for one in group]
            first |= {"copies": 1, "file_id": parts[0]["file_id"], "scale": None, "rotation": None}
            jobs.create(db, preparation, member, first, batch_id=batch_id, parts=parts)
        else:
            jobs.create(db, preparation, member, first, batch_id=batch_id)
    emit(db, "batch.created", member_id=member.id, actor=member.name, batch_id=batch_id)
    return batch_id


def act(
    db: Database, preparation: Preparation, member: Member, batch_id: str, verb: str
) -> list[str]:
    """Pause, resume, cancel or retry all jobs of a batch that this applies to; returns their ids.

    What is with a printer goes on when the batch is paused, and no further copy is begun.
    Raises Conflict where it applies to none.
    """
    found = _row(db, batch_id)
    if found["member_id"] != member.id:
        member.require(Permission.RUN_PRINTERS)
    if verb not in VERBS:
        raise NotFound(f"A batch can be asked to: {', '.join(VERBS)}.")
    if verb in ("pause", "resume"):
        return _pause(db, preparation, member, found, verb == "pause")
    event = JobEvent.CANCEL if verb == "cancel" else JobEvent.RETRY
    able = [
        job["id"]
        for job in _jobs(db, batch_id)
        if (JobState(job["state"]), event) in JOB_TRANSITIONS
        and not (verb == "retry" and job["state"] == JobState.CANCELLED)
    ]
    if not able:
        raise Conflict(f"There is nothing in this batch to {verb}.", hint="Look at its jobs.")
    for job_id in able:
        jobs.act(db, preparation, member, job_id, verb)
    _tell(db, found, member, verb)
    return able


def reprint(
    db: Database,
    preparation: Preparation,
    member: Member,
    job_id: str,
    copies: int = 1,
    parts: list[int] | None = None,
) -> list[str]:
    """Print again what came out badly, and only that; returns the ids of the new jobs.

    Args:
        copies: how many are wanted anew of a job of one part.
        parts: of a plate: the numbers of its parts, from 0, each wanted once more.
    """
    job = jobs.get_row(db, job_id)
    if job["member_id"] != member.id:
        member.require(Permission.RUN_PRINTERS)
    owner = member if job["member_id"] == member.id else _owner(db, job)
    request = json.loads(job["request"])
    on_plate = request.get("parts")
    asked = {
        **{name: job[name] for name in _SHARED if name in job},
        **{name: job[name] for name in ("design_id", "file_id", "revision")},
        **{name: request.get(name) for name in ("scale", "rotation", "purpose")},
        "tags": json.loads(job["tags"]),
        "overnight": bool(job["overnight"]),
        "copies": copies,
    }
    if not on_plate:
        return [jobs.create(db, preparation, owner, asked, batch_id=job["batch_id"])]
    wanted = list(range(len(on_plate))) if parts is None else parts
    if not wanted or any(not 0 <= one < len(on_plate) for one in wanted):
        raise BadInput(
            f"The parts of this plate are numbered 0 to {len(on_plate) - 1}.",
            fields={"parts": "no such part"},
        )
    again = []
    for number in wanted:
        part = on_plate[number] | {"copies": copies}
        alone = asked | {name: part.get(name) for name in ("design_id", "file_id", "revision",
                                                            "scale", "rotation")}  # fmt: skip
        again.append(jobs.create(db, preparation, owner, alone, batch_id=job["batch_id"]))
    return again


def get(db: Database, viewer: Member, batch_id: str) -> dict[str, Any]:
    """One batch with its jobs as ``viewer`` may see them. Raises NotFound."""
    found = _row(db, batch_id)
    if sight.is_limited(db, viewer) and found["member_id"] != viewer.id:
        raise NotFound("There is no such batch.")
    return _shape(db, viewer, found)


def of_member(db: Database, viewer: Member) -> list[dict[str, Any]]:
    """The batches of a member, newest first; of everybody for who runs the printers."""
    everyone = viewer.may(Permission.RUN_PRINTERS)
    found = rows(
        db,
        "SELECT * FROM batches WHERE :everyone OR member_id = :me"
        " ORDER BY created_at DESC LIMIT 200",
        {"everyone": int(everyone), "me": viewer.id},
    )
    return [_shape(db, viewer, item) for item in found]


def on_job_queued(db: Database, event: Event) -> None:
    """Subscriber: a job that gets back to the queue while its batch is paused is held."""
    paused = row(
        db,
        "SELECT 1 FROM jobs JOIN batches ON batches.id = batch_id"
        " WHERE jobs.id = ? AND paused_at IS NOT NULL AND state = 'queued'",
        (event.job_id,),
    )
    if paused is not None and event.job_id:
        move_job(db, event.job_id, JobEvent.HOLD, _PAUSED)


def _pause(
    db: Database, preparation: Preparation, member: Member, found: Row, pause: bool
) -> list[str]:
    changed = row(
        db,
        "UPDATE batches SET paused_at = :at WHERE id = :id"
        " AND (paused_at IS NULL) = (:at IS NOT NULL) RETURNING id",
        {"at": now() if pause else None, "id": found["id"]},
    )
    if changed is None:
        raise Conflict(f"The batch is {'paused already' if pause else 'not paused'}.",
                       extra={"state": _state(db, found)})  # fmt: skip
    event = JobEvent.HOLD if pause else JobEvent.RELEASE
    able = [
        job
        for job in _jobs(db, found["id"])
        if (JobState(job["state"]), event) in JOB_TRANSITIONS
        and (pause or job["reason"] == _PAUSED)
    ]
    for job in able:
        move_job(db, job["id"], event, _PAUSED if pause else f"By {member.name}.",
                 actor=member.name)  # fmt: skip
        preparation.advance(db, job["id"])
    _tell(db, found, member, "paused" if pause else "resumed")
    return [job["id"] for job in able]


def _plates(wanted: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Items that ask the same of a machine, together, in the order of the first of each."""
    plates: dict[str, list[dict[str, Any]]] = {}
    for one in wanted:
        alike = {name: one.get(name) or None for name in _SHARED}
        plates.setdefault(json.dumps(alike, sort_keys=True), []).append(one)
    return list(plates.values())


def _part(db: Database, member: Member, item: dict[str, Any]) -> dict[str, Any]:
    """An item as part of a plate, with the file that it means."""
    file = asked_file.file_of(db, member, item)
    return {
        "design_id": item["design_id"],
        "file_id": file["id"],
        "revision": item.get("revision"),
        "name": file["name"],
        "copies": item.get("copies") or 1,
        "scale": item.get("scale") or 1.0,
        "rotation": item.get("rotation") or [0.0, 0.0, 0.0],
    }


def _share(due: datetime | None, number: int, count: int) -> str | None:
    """The deadline of one job of several that are printed in their order: its part of the time."""
    if due is None:
        return None
    begin = datetime.now(UTC)
    return timestamp(begin + (due - begin) * number / count if due > begin else due)


def _due(text: str | None) -> datetime | None:
    try:
        return parse_timestamp(text) if text else None
    except ValueError as error:
        raise BadInput(
            f"due_at is not a time: {error}.", fields={"due_at": "not RFC 3339"}
        ) from error


def _shape(db: Database, viewer: Member, found: Row) -> dict[str, Any]:
    name = row(db, "SELECT name FROM members WHERE id = ?", (found["member_id"],))
    shown = sight.as_seen_by(db, viewer, [jobs.get(db, job["id"])
                                          for job in _jobs(db, found["id"])])  # fmt: skip
    return {
        "id": found["id"],
        "title": found["title"],
        "member": name["name"] if name else "",
        "due_at": found["due_at"],
        "state": _state(db, found),
        "copies": sum(job["copies"] * _pieces(job) for job in shown),
        "copies_done": sum(job["copies_done"] * _pieces(job) for job in shown),
        "expected_end": max((job["expected_end"] or "" for job in shown), default="") or None,
        "jobs": shown,
        "created_at": found["created_at"],
    }


def _pieces(job: dict[str, Any]) -> int:
    """How many pieces one print of a job gives: all that lie on its plate."""
    return sum(part["copies"] for part in job["parts"]) if job["parts"] else 1


def _state(db: Database, found: Row) -> str:
    states = {job["state"] for job in _jobs(db, found["id"])}
    if states <= {*_ENDED, "awaiting_pickup"}:
        return "done" if states & {"collected", "awaiting_pickup"} else "ended"
    return "paused" if found["paused_at"] else "open"


def _tell(db: Database, found: Row, member: Member, what: str) -> None:
    emit(db, "batch.changed", member_id=found["member_id"], actor=member.name,
         batch_id=found["id"], what=what)  # fmt: skip


def _owner(db: Database, job: Row) -> Member:
    return accounts.get(db, job["member_id"])


def _jobs(db: Database, batch_id: str) -> list[Row]:
    return rows(
        db,
        "SELECT id, state, reason FROM jobs WHERE batch_id = ? ORDER BY created_at, rowid",
        (batch_id,),
    )


def _row(db: Database, batch_id: str) -> Row:
    found = row(db, "SELECT * FROM batches WHERE id = ?", (batch_id,))
    if found is None:
        raise NotFound("There is no such batch.")
    return found
