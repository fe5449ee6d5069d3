"""/printers/…/upkeep: machine hours, maintenance that is due, and what was done."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource
from fabcoord.members.roles import Permission
from fabcoord.queue import upkeep as care

upkeep = Resource("upkeep", __name__)

_short = validate.Length(max=200)


class MaintenanceTask(Schema):
    title = fields.String(required=True, validate=_short)
    every_h = fields.Float(required=True)


class MaintenanceEntry(Schema):
    task_id = fields.String(allow_none=True, load_default=None, validate=_short)
    note = fields.String(load_default="", validate=validate.Length(max=2000))


@upkeep.route_to(
    "GET", "/printers/<printer_id>/upkeep", Permission.READ,
    "Machine hours, maintenance tasks and what was done", answer="Upkeep",
)  # fmt: skip
def show(printer_id: str) -> Any:
    with lab().store.reading() as db:
        return care.of_printer(db, printer_id)


@upkeep.route_to(
    "POST", "/printers/<printer_id>/upkeep/tasks", Permission.MANAGE_PRINTERS,
    "Plan a task for every so many machine hours", body=MaintenanceTask, answer="Upkeep",
    status=201,
)  # fmt: skip
def plan(printer_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing() as db:
        care.add_task(db, member(), printer_id, body["title"], body["every_h"])
        return care.of_printer(db, printer_id)


@upkeep.route_to(
    "DELETE", "/printers/<printer_id>/upkeep/tasks/<task_id>", Permission.MANAGE_PRINTERS,
    "Plan a task no more", status=204,
)  # fmt: skip
def drop(printer_id: str, task_id: str) -> Any:
    with lab().store.writing() as db:
        care.drop_task(db, member(), printer_id, task_id)


@upkeep.route_to(
    "POST", "/printers/<printer_id>/upkeep/log", Permission.RUN_PRINTERS,
    "Note maintenance that was done", body=MaintenanceEntry, answer="Upkeep", status=201,
)  # fmt: skip
def note(printer_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing() as db:
        care.log(db, member(), printer_id, **body)
        return care.of_printer(db, printer_id)
