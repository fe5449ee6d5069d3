"""Jobs: somebody asks for copies of a file; what persons may do with them."""

from __future__ import annotations

import json
from typing import Any

from fabcoord.designs.licences import AS_SHIPPED, PrintRules
from fabcoord.errors import BadInput, Conflict, NotAllowed, NotFound, Stale
from fabcoord.members.roles import Member, Permission
from fabcoord.printers import machines
from fabcoord.queue import asked_file, attempts, charge_codes, limits, policy, printers, terms
from fabcoord.queue.preparation import Preparation
from fabcoord.queue.sight import as_seen_by as as_seen_by
from fabcoord.queue.states import JobEvent, JobState
from fabcoord.queue.transitions import move_job
from fabcoord.slicing.placement import Placement
from fabcoord.store.database import Row, row, rows
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now, parse_timestamp, timestamp

MOST_COPIES = 200

# What a person may do, the event it is, and the permission that somebody else's job needs.
VERBS: dict[str, tuple[JobEvent, Permission]] = {
    "approve": (JobEvent.APPROVE, Permission.RUN_PRINTERS),
    "reject": (JobEvent.REJECT, Permission.RUN_PRINTERS),
    "release": (JobEvent.RELEASE, Permission.PRINT),
    "hold": (JobEvent.HOLD, Permission.PRINT),
    "cancel": (JobEvent.CANCEL, Permission.PRINT),
    "retry": (JobEvent.RETRY, Permission.PRINT),
    "collect": (JobEvent.COLLECT, Permission.PRINT),
}


def create(
    db: Database,
    preparation: Preparation,
    member: Member,
    asked: dict[str, Any],
    *,
    batch_id: str | None = None,
    parts: list[dict[str, Any]] | None = None,
) -> str:
    """Ask for prints; returns the job's id. The file may still be being checked.

    Args:
        asked: in the shape of the API.
        batch_id: of the batch that it belongs to.
        parts: where several parts share a plate: each with ``design_id``, ``file_id``,
            ``copies``, ``scale``, ``rotation``; the first is what ``asked`` names.
    """
    member.require(Permission.PRINT)
    _, rules = policy.current(db, preparation.default)
    if full := limits.why_no_more_queued(db, rules, member.id):
        raise Conflict(full, hint="Wait until one of them has been printed, or cancel one.")
    file = asked_file.file_of(db, member, asked)
    wanted = _checked(db, asked)
    if wanted["charge_code"]:
        charge_codes.require(db, member, wanted["charge_code"])
    for part in parts or [asked]:
        terms.refuse(db, member.id, asked | part, preparation.print_rules)
    if file["format"] == "gcode" and not wanted["machine"] and not wanted["printer_id"]:
        wanted["machine"] = _machine_of_gcode(db, preparation, file["sha256"])
    job_id = new_id()
    db.conn.execute(
        "INSERT INTO jobs (id, member_id, design_id, revision, file_id, state, reason, copies,"
        " request, machine, material, quality, colour, printer_id, due_at, charge_code, note,"
        " tags, overnight, nozzle_mm, batch_id, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, 'checking', 'The file is being checked.',"
        " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(job_id, member.id, file["design_id"], file["revision"], file["id"], wanted["copies"]),
            json.dumps(
                {name: wanted[name] for name in ("scale", "rotation", "purpose")}
                | ({"parts": parts} if parts else {})
            ),
            *(wanted["machine"], wanted["material"], wanted["quality"], wanted["colour"]),
            *(wanted["printer_id"], wanted["due_at"], wanted["charge_code"], wanted["note"]),
            *(json.dumps(wanted["tags"]), int(wanted["overnight"]), wanted["nozzle_mm"]),
            *(batch_id, now(), now()),
        ),
    )
    emit(db, "job.created", job_id=job_id, member_id=member.id, actor=member.name)
    preparation.advance(db, job_id)
    return job_id


def act(
    db: Database,
    preparation: Preparation,
    member: Member,
    job_id: str,
    verb: str,
    reason: str = "",
    *,
    present: bool = False,
) -> None:
    """Do one of the `VERBS`. Raises Conflict, naming the present state, where it does not apply.

    Args:
        reason: a message to the job's member, where somebody else does it.
        present: the member stands at the kiosk, as their badge showed.
    """
    event, permission = VERBS[verb]
    job = get_row(db, job_id)
    if job["member_id"] != member.id or permission is not Permission.PRINT:
        member.require(Permission.RUN_PRINTERS)
    if verb == "release" and not present:
        _require_presence(db, preparation, member)
    said = f"{member.name}: {reason}" if reason else f"By {member.name}."
    move_job(db, job_id, event, said, actor=member.name)
    if reason and job["member_id"] != member.id:
        _keep(db, job_id, message={"text": reason, "by": member.name, "at": now(), "verb": verb})
    if verb == "retry":
        db.conn.execute("UPDATE jobs SET retried_at = ? WHERE id = ?", (now(), job_id))
    if verb == "approve":
        db.conn.execute("UPDATE jobs SET approved = 1 WHERE id = ?", (job_id,))
        emit(db, "job.approved", job_id=job_id, member_id=job["member_id"], actor=member.name,
             reason=said)  # fmt: skip
    if verb == "release":
        _keep(db, job_id, released=True)
    if event in (JobEvent.CANCEL, JobEvent.REJECT):
        preparation.abandon(db, job)
        for attempt in rows(db, "SELECT * FROM attempts WHERE job_id = ?", (job_id,)):
            attempts.stop(db, attempt, member.name, f"The job was ended by {member.name}.")
    preparation.advance(db, job_id)


def update(
    db: Database,
    member: Member,
    job_id: str,
    changes: dict[str, Any],
    version: int | None,
    rules: PrintRules = AS_SHIPPED,
) -> None:
    """Change note, due date, charge code, or (staff only) class.

    A charge code makes it a print that is paid for, which the design's licence may not allow.
    Raises Stale when ``version`` is not the present.
    """
    job = get_row(db, job_id)
    if job["member_id"] != member.id:
        member.require(Permission.RUN_PRINTERS)
    if "due_at" in changes:
        changes = changes | {"due_at": _due(changes["due_at"])}
    if changes.get("class"):
        member.require(Permission.RUN_PRINTERS)
    if changes.get("charge_code"):
        charge_codes.require(db, member, changes["charge_code"])
    changed = row(
        db,
        "UPDATE jobs SET version = version + 1, updated_at = :now,"
        " class = coalesce(:class, class),"
        " note = CASE WHEN :has_note THEN :note ELSE note END,"
        " due_at = CASE WHEN :has_due THEN :due ELSE due_at END,"
        " charge_code = CASE WHEN :has_code THEN :code ELSE charge_code END"
        " WHERE id = :id AND (:version IS NULL OR version = :version) RETURNING id",
        {
            "now": now(),
            "class": changes.get("class"),
            "has_note": "note" in changes,
            "note": changes.get("note") or "",
            "has_due": "due_at" in changes,
            "due": changes.get("due_at"),
            "has_code": "charge_code" in changes,
            "code": changes.get("charge_code"),
            "id": job_id,
            "version": version,
        },
    )
    if changed is None:
        raise Stale("The job was changed since you read it.", hint="Read it again first.")
    emit(db, "job.changed", job_id=job_id, member_id=job["member_id"], actor=member.name)
    if changes.get("charge_code") and not job["charge_code"]:
        _now_paid(db, get_row(db, job_id), rules)


def get(db: Database, job_id: str) -> dict[str, Any]:
    """One job in the shape of the API. Raises NotFound."""
    return _shape(db, get_row(db, job_id))


def search(
    db: Database,
    *,
    states: tuple[str, ...] = (),
    member: str = "",
    before: str | None = None,
    limit: int = 50,
) -> tuple[list[dict[str, Any]], str | None]:
    """Jobs newest first, and where the next page begins (or None)."""
    for state in states:
        if state not in set(JobState):
            raise BadInput(f"{state!r} is no state of a job.", fields={"state": "unknown"})
    found = rows(
        db,
        "SELECT jobs.*, members.name AS member FROM jobs JOIN members ON members.id = member_id"
        " WHERE (:states = '[]' OR state IN (SELECT value FROM json_each(:states)))"
        " AND (:member = '' OR members.name = :member)"
        " AND (:before IS NULL OR jobs.created_at || jobs.id < :before)"
        " ORDER BY jobs.created_at DESC, jobs.id DESC LIMIT :limit",
        {
            "states": json.dumps(list(states)),
            "member": member,
            "before": before,
            "limit": limit + 1,
        },
    )
    page = found[:limit]
    more = page[-1]["created_at"] + page[-1]["id"] if len(found) > limit else None
    return [_shape(db, item) for item in page], more


def open_jobs(db: Database) -> list[dict[str, Any]]:
    """The jobs that still concern the room, in the order in which they will be printed."""
    found = rows(
        db,
        "SELECT jobs.*, members.name AS member FROM jobs JOIN members ON members.id = member_id"
        " WHERE state NOT IN ('collected', 'cancelled', 'rejected', 'failed')"
        " ORDER BY coalesce(queued_at, jobs.created_at), jobs.created_at, jobs.rowid LIMIT 200",
    )
    return [_shape(db, item) for item in found]


def get_row(db: Database, job_id: str) -> Row:
    """The job's row with its member's name. Raises NotFound."""
    found = row(
        db,
        "SELECT jobs.*, members.name AS member FROM jobs JOIN members ON members.id = member_id"
        " WHERE jobs.id = ?",
        (job_id,),
    )
    if found is None:
        raise NotFound("There is no such job.")
    return found


def _require_presence(db: Database, preparation: Preparation, member: Member) -> None:
    _, rules = policy.current(db, preparation.default)
    if rules.release == "badge" and not member.may(Permission.RUN_PRINTERS):
        raise NotAllowed(
            "In this lab a print is released by who stands before the printer.",
            hint="Hold your badge to the reader of the screen in the room.",
        )


def _keep(db: Database, job_id: str, **more: Any) -> None:
    """Add to what is kept of the request."""
    db.conn.execute(
        "UPDATE jobs SET request = json_patch(request, ?) WHERE id = ?", (json.dumps(more), job_id)
    )


def _now_paid(db: Database, job: Row, rules: PrintRules) -> None:
    objection = terms.objection(db, job, rules)
    if objection is None:
        return
    if objection.is_final:
        raise terms.refusal(objection)
    # Who approved it before did not know this; on its way to a printer it is asked again.
    db.conn.execute("UPDATE jobs SET approved = 0 WHERE id = ?", (job["id"],))
    if job["state"] == JobState.QUEUED:
        move_job(db, job["id"], JobEvent.HOLD, f"{objection.reason} Release it to ask staff.")


def _machine_of_gcode(db: Database, preparation: Preparation, sha256: str) -> str:
    """G-code runs on the machine model it was sliced for, and on no other."""
    here = printers.machines_here(db)
    if len(here) == 1:
        return here[0]
    found = preparation.slices.machine_of_gcode(sha256, here)
    if found is None:
        raise BadInput(
            "This G-code does not say for which of the lab's machine models it was sliced.",
            hint=f"Say it with machine; here are: {', '.join(here) or 'none yet'}.",
            fields={"machine": "missing"},
        )
    return found


def _checked(db: Database, asked: dict[str, Any]) -> dict[str, Any]:
    """What was asked for, with presets taken apart; raises BadInput naming the field."""
    wanted = {
        name: asked.get(name) or None
        for name in ("machine", "material", "quality", "colour", "printer_id", "charge_code")
    }
    if asked.get("preset"):
        parts = str(asked["preset"]).split(":")
        if len(parts) not in (3, 4):
            raise BadInput(
                f"There is no preset {asked['preset']!r}.",
                hint="GET /api/v1/presets lists them.",
                fields={"preset": "unknown"},
            )
        wanted |= dict(zip(("machine", "quality", "material"), parts, strict=False))
    if wanted["machine"] and wanted["machine"] not in machines.all_machines():
        raise BadInput(
            f"There is no machine model {wanted['machine']!r}.",
            hint=f"There are: {', '.join(sorted(machines.all_machines()))}.",
            fields={"machine": "unknown"},
        )
    if wanted["printer_id"]:
        printers.get(db, wanted["printer_id"])
    nozzle_mm = asked.get("nozzle_mm")
    if nozzle_mm is not None and not 0.05 <= nozzle_mm <= 5:
        raise BadInput("A nozzle is 0.05 to 5 mm wide.", fields={"nozzle_mm": "0.05 to 5"})
    copies = 1 if asked.get("copies") is None else asked["copies"]
    if not 1 <= copies <= MOST_COPIES:
        raise BadInput(f"copies is 1 to {MOST_COPIES}.", fields={"copies": "out of range"})
    scale = 1.0 if asked.get("scale") is None else float(asked["scale"])
    rotation = asked.get("rotation") or [0.0, 0.0, 0.0]
    Placement(scale, (rotation[0], rotation[1], rotation[2]))
    return wanted | {
        "copies": copies,
        "scale": scale,
        "rotation": rotation,
        "purpose": asked.get("purpose") or "personal",
        "due_at": _due(asked.get("due_at")),
        "note": asked.get("note") or "",
        "tags": sorted(set(asked.get("tags") or [])),
        "overnight": bool(asked.get("overnight")),
        "nozzle_mm": nozzle_mm,
    }


def _due(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return timestamp(parse_timestamp(text))
    except ValueError as error:
        raise BadInput(
            f"due_at is not a time: {error}.", fields={"due_at": "not RFC 3339"}
        ) from error


def _and_more(parts: list[dict[str, Any]] | None) -> str:
    return f" and {len(parts) - 1} more" if parts and len(parts) > 1 else ""


def _shape(db: Database, job: Row) -> dict[str, Any]:
    kept = (
        *("id", "design_id", "revision", "file_id", "member", "state", "reason", "copies"),
        *("copies_done", "position", "expected_start", "expected_end", "created_at", "due_at"),
        *("charge_code", "machine", "material", "quality", "colour", "note", "version"),
        *("class", "forecast_at", "nozzle_mm", "batch_id"),
    )
    tries = attempts.of_job(db, job["id"])
    live = [item for item in tries if item["state"] not in ("finished", "failed", "cancelled")]
    estimate = json.loads(job["estimate"])
    title = row(db, "SELECT title FROM designs WHERE id = ?", (job["design_id"],))
    request = json.loads(job["request"])
    return {
        **{name: job[name] for name in kept},
        "title": (title["title"] if title else "") + _and_more(request.get("parts")),
        "tags": json.loads(job["tags"]),
        "overnight": bool(job["overnight"]),
        "scale": request.get("scale", 1.0),
        "rotation": request.get("rotation", [0.0, 0.0, 0.0]),
        "purpose": request.get("purpose", "personal"),
        "parts": request.get("parts"),
        "message": request.get("message"),
        "estimate": estimate or None,
        "printer_id": live[0]["printer_id"] if live else job["printer_id"],
        "attempts": tries,
    }
