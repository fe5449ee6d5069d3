"""Printers as the lab sees them: what they are, what their plate holds, what state follows."""

from __future__ import annotations

import json
from typing import Any

from fabcoord.agent.messages import PrinterTelemetry
from fabcoord.errors import BadInput, Conflict, NotFound, Stale
from fabcoord.members.roles import Member
from fabcoord.printers import machines
from fabcoord.queue.states import AttemptState, PrinterFacts, PrinterState, printer_state
from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, new_id, now

AGENT_SILENT_AFTER_S = 12.0
DRIVERS = {
    "serial": ("port",),
    "octoprint": ("url", "api_key"),
    "virtual": (),
}  # driver -> settings that it cannot do without
_SECRET_SETTINGS = ("api_key", "plug_password")
_CHANGEABLE = ("name", "machine", "driver", "agent_id", "material", "colour", "nozzle_mm", "tags")


def create(
    db: Database, member: Member, given: dict[str, Any], *, plate_clear: bool = False
) -> str:
    """Add a printer; returns its id. It begins uncleared unless the lab knows better."""
    values = _checked(db, given)
    printer_id = new_id()
    db.conn.execute(
        "INSERT INTO printers (id, name, machine, driver, settings, agent_id, material, colour,"
        " nozzle_mm, tags, camera_url, plate_clear, created_at) VALUES (:id, :name, :machine,"
        " :driver, :settings, :agent_id, :material, :colour, :nozzle_mm, :tags, :camera_url,"
        " :plate_clear, :now)",
        values | {"id": printer_id, "plate_clear": int(plate_clear), "now": now()},
    )
    emit(db, "printer.configured", printer_id=printer_id, agent_id=values["agent_id"],
         actor=member.name)  # fmt: skip
    refresh(db, printer_id)
    return printer_id


def update(
    db: Database, member: Member, printer_id: str, changes: dict[str, Any], version: int | None
) -> None:
    """Change what was set at `create`. Raises Conflict while an attempt is with the printer."""
    before = _row(db, printer_id)
    structural = {"machine", "driver", "settings", "agent_id"} & set(changes)
    if structural and open_attempt(db, printer_id) is not None:
        raise Conflict(
            f"A print is with {before['name']}, so {', '.join(sorted(structural))} cannot change.",
            hint="Wait until it has ended.",
            extra={"state": before["state"]},
        )
    merged = {name: before[name] for name in (*_CHANGEABLE, "camera_url")} | changes
    merged["tags"] = changes.get("tags", json.loads(before["tags"]))
    merged["settings"] = json.loads(before["settings"]) | (changes.get("settings") or {})
    values = _checked(db, merged)
    changed = row(
        db,
        "UPDATE printers SET name = :name, machine = :machine, driver = :driver,"
        " settings = :settings, agent_id = :agent_id, material = :material, colour = :colour,"
        " nozzle_mm = :nozzle_mm, tags = :tags, camera_url = :camera_url, version = version + 1"
        " WHERE id = :id AND (:version IS NULL OR version = :version) RETURNING id",
        values | {"id": printer_id, "version": version},
    )
    if changed is None:
        raise Stale("The printer was changed since you read it.", hint="Read it again first.")
    for agent_id in {before["agent_id"], values["agent_id"]} - {None}:
        emit(db, "printer.configured", printer_id=printer_id, agent_id=agent_id, actor=member.name)
    refresh(db, printer_id)


def delete(db: Database, member: Member, printer_id: str) -> None:
    """Take a printer out of the lab. Raises Conflict while an attempt is with it."""
    before = _row(db, printer_id)
    if open_attempt(db, printer_id) is not None:
        raise Conflict(
            f"A print is with {before['name']}.",
            hint="Cancel it or wait, then remove the printer.",
            extra={"state": before["state"]},
        )
    db.conn.execute("UPDATE printers SET deleted_at = ? WHERE id = ?", (now(), printer_id))
    db.conn.execute("UPDATE spools SET printer_id = NULL WHERE printer_id = ?", (printer_id,))
    emit(db, "printer.configured", printer_id=printer_id, agent_id=before["agent_id"],
         actor=member.name, deleted=True)  # fmt: skip


def clear(db: Database, member: Member, printer_id: str, attempt_id: str | None) -> None:
    """A person states that the plate is empty.

    Raises Conflict when ``attempt_id`` is not the attempt on the plate, when something prints
    there, or when an attempt there must be settled first.
    """
    before = _row(db, printer_id)
    seen = {"state": before["state"], "attempt_id": before["plate_attempt_id"]}
    if before["plate_clear"] and attempt_id == _last_cleared(db, printer_id):
        return  # said twice, by a second tap or a second person
    if attempt_id is not None and before["plate_attempt_id"] != attempt_id:
        raise Conflict(
            "Another print has been on this plate since you looked.",
            hint="Look at the plate again and confirm what lies there now.",
            extra=seen,
        )
    if open_attempt(db, printer_id) is not None or before["state"] == PrinterState.BUSY:
        raise Conflict(
            f"{before['name']}: {before['reason'] or 'a print is running'}",
            hint="The plate can be cleared when the print has ended and is settled.",
            extra=seen,
        )
    db.conn.execute(
        "UPDATE printers SET plate_clear = 1, plate_attempt_id = NULL WHERE id = ?", (printer_id,)
    )
    emit(db, "printer.cleared", printer_id=printer_id, attempt_id=before["plate_attempt_id"],
         actor=member.name)  # fmt: skip
    refresh(db, printer_id)


def _last_cleared(db: Database, printer_id: str) -> str | None:
    """The attempt that somebody last took from the plate."""
    found: str | None = value(
        db,
        "SELECT attempt_id FROM events WHERE printer_id = ? AND kind = 'printer.cleared'"
        " ORDER BY seq DESC LIMIT 1",
        (printer_id,),
    )
    return found


def set_maintenance(db: Database, member: Member, printer_id: str, on: bool) -> None:
    """Take a printer out of service, or put it back. Neither says anything about the plate."""
    before = _row(db, printer_id)
    if not on and not before["in_maintenance"]:
        raise Conflict(f"{before['name']} is not in maintenance.", extra={"state": before["state"]})
    db.conn.execute("UPDATE printers SET in_maintenance = ? WHERE id = ?", (int(on), printer_id))
    emit(db, "printer.maintenance" if on else "printer.ready", printer_id=printer_id,
         actor=member.name)  # fmt: skip
    refresh(db, printer_id)


def occupy(db: Database, printer_id: str, attempt_id: str) -> bool:
    """Put an attempt onto a clear plate; False when the plate is not clear or out of service."""
    taken = row(
        db,
        "UPDATE printers SET plate_clear = 0, plate_attempt_id = ? WHERE id = ?"
        " AND plate_clear = 1 AND in_maintenance = 0 AND deleted_at IS NULL RETURNING id",
        (attempt_id, printer_id),
    )
    return taken is not None


def apply_telemetry(db: Database, agent_id: str, said: PrinterTelemetry) -> None:
    """Keep what an agent says of one of its printers; a print that is not ours fills the plate."""
    told = {
        "activity": said.activity,
        "reason": said.reason[:500],
        "temperatures": said.temperatures,
        "print": None
        if said.print is None
        else {
            "attempt_id": said.print.attempt_id,
            "file_name": said.print.file_name[:200],
            "progress": said.print.progress,
            "remaining_s": said.print.remaining_s,
        },
        "firmware": said.firmware[:200],
        "prompt": None
        if said.prompt is None
        else {
            "text": said.prompt.text[:500],
            "choices": [choice[:80] for choice in said.prompt.choices[:10]],
        },
        "metrics": said.metrics,
        "details": {name[:40]: str(text)[:500] for name, text in list(said.details.items())[:20]},
    }
    before = value(
        db, "SELECT telemetry ->> '$.prompt' FROM printers WHERE id = ?", (said.printer_id,)
    )
    mine = row(
        db,
        "UPDATE printers SET telemetry = ?, last_seen_at = ?"
        " WHERE id = ? AND agent_id = ? AND deleted_at IS NULL RETURNING plate_clear",
        (json.dumps(told), now(), said.printer_id, agent_id),
    )
    if mine is None:
        return
    if (json.loads(before) if before else None) != told["prompt"]:
        emit(db, "printer.prompt", printer_id=said.printer_id, prompt=told["prompt"])
    if said.print is not None and said.activity in ("printing", "paused"):
        _fill_plate(db, said.printer_id, said.print.attempt_id)
    refresh(db, said.printer_id)


def _fill_plate(db: Database, printer_id: str, attempt_id: str | None) -> None:
    """Something prints there. A page that shows what lay there before must not clear it."""
    changed = row(
        db,
        "UPDATE printers SET plate_clear = 0,"
        " plate_attempt_id = CASE WHEN :ours IS NULL THEN NULL ELSE plate_attempt_id END"
        " WHERE id = :id AND (plate_clear = 1 OR (:ours IS NULL AND plate_attempt_id IS NOT NULL))"
        " RETURNING id",
        {"id": printer_id, "ours": attempt_id},
    )
    if changed is not None:
        db.must_last = True  # or, after a power cut, something would start onto it
        emit(db, "printer.plate_filled", printer_id=printer_id, attempt_id=attempt_id)


def refresh(db: Database, printer_id: str) -> PrinterState:
    """Work out the printer's state from the facts; tell of it when it changed."""
    found = _row(db, printer_id)
    state, reason = printer_state(_facts(db, found))
    if (state.value, reason) != (found["state"], found["reason"]):
        db.conn.execute(
            "UPDATE printers SET state = ?, reason = ? WHERE id = ?",
            (state.value, reason, printer_id),
        )
        emit(db, "printer.changed", printer_id=printer_id, state=state.value, reason=reason)
    return state


def any_silent(db: Database) -> bool:
    """Whether `refresh_silent` would find anything."""
    return bool(_silent(db))


def refresh_silent(db: Database) -> None:
    """Work out again the state of printers whose agent fell silent."""
    for item in _silent(db):
        refresh(db, item["id"])


def _silent(db: Database) -> list[Row]:
    return rows(
        db,
        "SELECT id FROM printers WHERE deleted_at IS NULL AND state NOT IN"
        " ('offline', 'maintenance', 'attention') AND coalesce(last_seen_at, '') < ?",
        (in_seconds(-AGENT_SILENT_AFTER_S),),
    )


def open_attempt(db: Database, printer_id: str) -> Row | None:
    """The attempt that is offered, live or unknown on this printer; there is at most one."""
    return row(
        db,
        "SELECT * FROM attempts WHERE printer_id = ?"
        " AND state NOT IN ('finished', 'failed', 'cancelled')",
        (printer_id,),
    )


def get(db: Database, printer_id: str) -> dict[str, Any]:
    """One printer in the shape of the API. Raises NotFound."""
    return _shape(db, _row(db, printer_id))


def everyone(db: Database) -> list[dict[str, Any]]:
    """All printers in the shape of the API, oldest first."""
    found = rows(db, "SELECT * FROM printers WHERE deleted_at IS NULL ORDER BY created_at, rowid")
    return [_shape(db, item) for item in found]


def of_agent(db: Database, agent_id: str) -> list[Row]:
    """The printers that an agent drives."""
    return rows(
        db,
        "SELECT * FROM printers WHERE agent_id = ? AND deleted_at IS NULL ORDER BY created_at",
        (agent_id,),
    )


def is_of_agent(db: Database, agent_id: str, printer_id: str) -> bool:
    """Whether an agent drives this printer."""
    return bool(
        value(db, "SELECT 1 FROM printers WHERE id = ? AND agent_id = ?", (printer_id, agent_id))
    )


def machines_here(db: Database) -> list[str]:
    """The ids of the machine models in this lab, oldest printer first."""
    found = rows(
        db,
        "SELECT machine FROM printers WHERE deleted_at IS NULL"
        " GROUP BY machine ORDER BY min(created_at)",
    )
    return [item["machine"] for item in found]


def _facts(db: Database, found: Row) -> PrinterFacts:
    told = json.loads(found["telemetry"])
    attempt = open_attempt(db, found["id"])
    activity, running = told.get("activity"), None
    if activity in ("printing", "paused"):
        running = told.get("print")
        if running and _ended_by_agent(db, running["attempt_id"]):
            # The agent has reported its end; what it said of the printer is a moment older.
            activity, running = "idle", None
    foreign = running["file_name"] if running and running["attempt_id"] is None else None
    return PrinterFacts(
        agent_seen=(found["last_seen_at"] or "") > in_seconds(-AGENT_SILENT_AFTER_S),
        activity=activity,
        activity_reason=told.get("reason", ""),
        in_maintenance=bool(found["in_maintenance"]),
        plate_clear=bool(found["plate_clear"]),
        attempt_state=AttemptState(attempt["state"]) if attempt else None,
        foreign_print=foreign,
    )


def _ended_by_agent(db: Database, attempt_id: str | None) -> bool:
    """Whether the agent itself reported the end; a person's word does not stop a machine."""
    by = value(db, "SELECT ended_by FROM attempts WHERE id = ?", (attempt_id,))
    return str(by or "").startswith("agent:")


def _shape(db: Database, found: Row) -> dict[str, Any]:
    told = json.loads(found["telemetry"])
    attempt = open_attempt(db, found["id"])
    kept = ("id", "name", "machine", "driver", "state", "reason", "material", "colour")
    settings = json.loads(found["settings"])
    return {
        **{name: found[name] for name in kept},
        "temperatures": told.get("temperatures", {}),
        "firmware": told.get("firmware", ""),
        "metrics": told.get("metrics", {}),
        "details": told.get("details", {}),
        "prompt": told.get("prompt"),
        "job_id": attempt["job_id"] if attempt else None,
        "attempt_id": attempt["id"] if attempt else None,
        "plate_clear": bool(found["plate_clear"]),
        "plate_attempt_id": found["plate_attempt_id"],
        "nozzle_mm": found["nozzle_mm"],
        "tags": json.loads(found["tags"]),
        "spool_id": value(db, "SELECT id FROM spools WHERE printer_id = ?", (found["id"],)),
        "machine_h": round(found["machine_s"] / 3600.0, 2),
        "maintenance_due": found["overdue"] or None,
        "agent_id": found["agent_id"],
        "camera_url": found["camera_url"],
        "last_seen_at": found["last_seen_at"],
        "settings": {name: settings[name] for name in settings if name not in _SECRET_SETTINGS},
        "version": found["version"],
    }


def _row(db: Database, printer_id: str) -> Row:
    found = row(db, "SELECT * FROM printers WHERE id = ? AND deleted_at IS NULL", (printer_id,))
    if found is None:
        raise NotFound("There is no such printer.")
    return found


def _checked(db: Database, given: dict[str, Any]) -> dict[str, Any]:
    """The values of a printer's row; raises BadInput that names the field."""
    wrong: dict[str, str] = {}
    name = " ".join(str(given.get("name") or "").split())
    if not 1 <= len(name) <= 80:
        wrong["name"] = "1 to 80 characters"
    driver = str(given.get("driver") or "")
    settings = given.get("settings") or {}
    if driver not in DRIVERS:
        wrong["driver"] = f"one of: {', '.join(DRIVERS)}"
    else:
        for setting in DRIVERS[driver]:
            if not settings.get(setting):
                wrong[f"settings.{setting}"] = f"needed for the driver {driver}"
    machine_id = str(given.get("machine") or "")
    if machine_id not in machines.all_machines():
        wrong["machine"] = f"one of: {', '.join(sorted(machines.all_machines()))}"
    agent_id = given.get("agent_id")
    if agent_id and value(db, "SELECT 1 FROM agents WHERE id = ?", (agent_id,)) is None:
        wrong["agent_id"] = "there is no such agent; pair it first"
    if wrong:
        raise BadInput(f"The printer needs other values for: {', '.join(wrong)}.", fields=wrong)
    return {
        "name": name,
        "machine": machine_id,
        "driver": driver,
        "settings": json.dumps(settings),
        "agent_id": agent_id,
        "material": given.get("material") or None,
        "colour": given.get("colour") or None,
        "nozzle_mm": given.get("nozzle_mm") or machines.machine(machine_id).nozzle_mm,
        "tags": json.dumps(sorted({str(tag).strip() for tag in given.get("tags") or []} - {""})),
        "camera_url": _http_url(given.get("camera_url")),
    }


def _http_url(text: str | None) -> str | None:
    if text and not text.startswith(("http://", "https://")):
        raise BadInput(
            "A camera address begins with http:// or https://.", fields={"camera_url": "not http"}
        )
    return text or None
