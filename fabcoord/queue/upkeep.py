"""Maintenance by machine hours: what is due on a printer, who did it when, what is overdue."""

from __future__ import annotations

from typing import Any

from fabcoord.errors import BadInput, NotFound
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import printers
from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.events import Event, emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now


def add_task(db: Database, by: Member, printer_id: str, title: str, every_h: float) -> str:
    """Plan a task for every so many hours of printing, counted from now. Returns its id."""
    by.require(Permission.MANAGE_PRINTERS)
    printers.get(db, printer_id)
    title = " ".join(title.split())
    if not 1 <= len(title) <= 80:
        raise BadInput("Say in a few words what is to be done.", fields={"title": "missing"})
    if not 0 < every_h <= 100_000:
        raise BadInput("The hours are a number above 0.", fields={"every_h": "above 0"})
    task_id = new_id()
    db.conn.execute(
        "INSERT INTO maintenance_tasks (id, printer_id, title, every_h, done_machine_s, created_at)"
        " SELECT ?, id, ?, ?, machine_s, ? FROM printers WHERE id = ?",
        (task_id, title, every_h, now(), printer_id),
    )
    _tell(db, by, printer_id, "printer.maintenance_planned", title)
    return task_id


def drop_task(db: Database, by: Member, printer_id: str, task_id: str) -> None:
    """Plan it no more. Raises NotFound."""
    by.require(Permission.MANAGE_PRINTERS)
    gone = row(
        db,
        "DELETE FROM maintenance_tasks WHERE id = ? AND printer_id = ? RETURNING title",
        (task_id, printer_id),
    )
    if gone is None:
        raise NotFound("There is no such maintenance task.")
    _tell(db, by, printer_id, "printer.maintenance_planned", gone["title"])


def log(
    db: Database, by: Member, printer_id: str, *, task_id: str | None = None, note: str = ""
) -> str:
    """Note that something was done; a task that it names counts anew from here."""
    by.require(Permission.RUN_PRINTERS)
    printer = printers.get(db, printer_id)
    title = "Other work"
    if task_id is not None:
        done = row(
            db,
            "UPDATE maintenance_tasks SET done_machine_s ="
            " (SELECT machine_s FROM printers WHERE id = printer_id)"
            " WHERE id = ? AND printer_id = ? RETURNING title",
            (task_id, printer_id),
        )
        if done is None:
            raise NotFound("There is no such maintenance task.")
        title = done["title"]
    elif not note.strip():
        raise BadInput("Say what was done.", fields={"note": "missing"})
    entry_id = new_id()
    db.conn.execute(
        "INSERT INTO maintenance_log (id, printer_id, title, note, machine_s, actor, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (entry_id, printer_id, title, note.strip(), printer["machine_h"] * 3600.0, by.name, now()),
    )
    _tell(db, by, printer_id, "printer.maintained", title)
    return entry_id


def of_printer(db: Database, printer_id: str) -> dict[str, Any]:
    """``{machine_h, due, tasks: […], log: […]}`` of a printer; the log newest first."""
    printer = printers.get(db, printer_id)
    tasks = [
        {
            "id": item["id"],
            "title": item["title"],
            "every_h": item["every_h"],
            "left_h": round(_left_h(item, printer["machine_h"] * 3600.0), 2),
        }
        for item in _tasks(db, printer_id)
    ]
    entries = rows(
        db,
        "SELECT id, title, note, machine_s / 3600.0 AS machine_h, actor, at FROM maintenance_log"
        " WHERE printer_id = ? ORDER BY at DESC LIMIT 100",
        (printer_id,),
    )
    return {
        "machine_h": printer["machine_h"],
        "due": printer["maintenance_due"],
        "tasks": tasks,
        "log": entries,
    }


def on_attempt_ended(db: Database, event: Event) -> None:
    """Subscriber: the machine time of a print is added, and what it makes due."""
    spent = row(
        db,
        "UPDATE printers SET machine_s = machine_s + coalesce((SELECT"
        "  max(0, (julianday(ended_at) - julianday(started_at)) * 86400) FROM attempts"
        "  WHERE attempts.id = ?), 0) WHERE id = ? RETURNING id",
        (event.attempt_id, event.printer_id),
    )
    if spent is not None:
        _judge(db, spent["id"])


def _tell(db: Database, by: Member, printer_id: str, kind: str, title: str) -> None:
    emit(db, kind, printer_id=printer_id, actor=by.name, title=title)
    _judge(db, printer_id)


def _judge(db: Database, printer_id: str) -> None:
    """Keep with the printer what is overdue, and tell of it when that changes."""
    found = row(db, "SELECT machine_s, overdue FROM printers WHERE id = ?", (printer_id,)) or {}
    late = [(item["title"], _left_h(item, found["machine_s"])) for item in _tasks(db, printer_id)]
    words = ", ".join(f"{title} ({-left_h:.1f} h overdue)" for title, left_h in late if left_h < 0)
    if words != found["overdue"]:
        db.conn.execute("UPDATE printers SET overdue = ? WHERE id = ?", (words, printer_id))
        agent_id = value(db, "SELECT agent_id FROM printers WHERE id = ?", (printer_id,))
        emit(db, "printer.configured", printer_id=printer_id, agent_id=agent_id, overdue=words)


def _tasks(db: Database, printer_id: str) -> list[Row]:
    return rows(
        db, "SELECT * FROM maintenance_tasks WHERE printer_id = ? ORDER BY title", (printer_id,)
    )


def _left_h(task: Row, machine_s: float) -> float:
    return float(task["every_h"]) - (machine_s - float(task["done_machine_s"])) / 3600.0
