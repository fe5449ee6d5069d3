"""Charge codes, and the maintenance of printers: what staff keep in order."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page
from fabcoord.members.roles import Permission
from fabcoord.queue import charge_codes as codes
from fabcoord.queue import upkeep as care

upkeep = Resource("upkeep", __name__)

_short = validate.Length(max=200)


class ChargeCode(Schema):
    title = fields.String(load_default="", validate=_short)
    budget = fields.Float(allow_none=True, load_default=None)
    members = fields.List(fields.String(validate=_short), load_default=list)
    groups = fields.List(fields.String(validate=_short), load_default=list)


class MaintenanceTask(Schema):
    title = fields.String(required=True, validate=_short)
    every_h = fields.Float(required=True)


class MaintenanceEntry(Schema):
    task_id = fields.String(allow_none=True, load_default=None, validate=_short)
    note = fields.String(load_default="", validate=validate.Length(max=2000))


@upkeep.route_to(
    "GET", "/charge-codes", Permission.READ, "Charge codes that one may use, with what is left",
    answer="ChargeCode[]",
)  # fmt: skip
def list_codes() -> Any:
    with lab().store.reading() as db:
        return page(codes.everything(db, member()), None)


@upkeep.route_to(
    "PUT", "/charge-codes/<code>", Permission.MANAGE_MEMBERS, "Make or change a charge code",
    body=ChargeCode, answer="ChargeCode",
)  # fmt: skip
def save_code(code: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        codes.save(db, member(), code, **body)
        wanted = " ".join(code.split()).casefold()
        return next(
            one for one in codes.everything(db, member()) if one["code"].casefold() == wanted
        )


@upkeep.route_to(
    "DELETE", "/charge-codes/<code>", Permission.MANAGE_MEMBERS, "Close a charge code", status=204
)
def close_code(code: str) -> Any:
    with lab().store.writing(durable=True) as db:
        codes.close(db, member(), code)


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
