"""/printers and /attempts: what the machines do, and what persons say about them."""

from __future__ import annotations

from typing import Any

from fabcoord.api import schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page, wanted_version
from fabcoord.members.roles import Permission
from fabcoord.queue import attempts, record
from fabcoord.queue import control as control_of
from fabcoord.queue import printers as fleet
from fabcoord.store.database import row

printers = Resource("printers", __name__)


@printers.route_to("GET", "/printers", Permission.READ, "All printers", answer="Printer[]")
def search() -> Any:
    with lab().store.reading() as db:
        return page(fleet.everyone(db), None)


@printers.route_to(
    "POST", "/printers", Permission.MANAGE_PRINTERS, "Add a printer",
    body=schemas.PrinterSettings, answer="Printer", status=201,
)  # fmt: skip
def create(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        if "agent_id" not in body:
            body["agent_id"] = own_agent(db)
        printer_id = fleet.create(db, member(), body)
        made = fleet.get(db, printer_id)
    return made, {"Location": f"/api/v1/printers/{printer_id}"}


@printers.route_to("GET", "/printers/<printer_id>", Permission.READ, "One printer",
                   answer="Printer")  # fmt: skip
def show(printer_id: str) -> Any:
    with lab().store.reading() as db:
        return fleet.get(db, printer_id)


@printers.route_to(
    "PATCH", "/printers/<printer_id>", Permission.MANAGE_PRINTERS, "Change a printer",
    body=schemas.PrinterSettings, answer="Printer",
)  # fmt: skip
def change(printer_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        fleet.update(db, member(), printer_id, body, wanted_version())
        return fleet.get(db, printer_id)


@printers.route_to(
    "DELETE", "/printers/<printer_id>", Permission.MANAGE_PRINTERS, "Remove a printer", status=204
)
def delete(printer_id: str) -> Any:
    with lab().store.writing(durable=True) as db:
        fleet.delete(db, member(), printer_id)


@printers.route_to(
    "POST", "/printers/<printer_id>/clear", Permission.CLEAR_PLATE, "State that the plate is clear",
    body=schemas.Clearance, answer="Printer",
)  # fmt: skip
def clear(printer_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        fleet.clear(db, member(), printer_id, body.get("attempt_id"))
        return fleet.get(db, printer_id)


@printers.route_to(
    "POST", "/printers/<printer_id>/maintenance", Permission.RUN_PRINTERS, "Take out of service",
    body=schemas.Empty, answer="Printer",
)  # fmt: skip
def maintenance(printer_id: str, body: dict[str, Any]) -> Any:
    return _set_maintenance(printer_id, on=True)


@printers.route_to(
    "POST", "/printers/<printer_id>/ready", Permission.RUN_PRINTERS, "Put back into service",
    body=schemas.Empty, answer="Printer",
)  # fmt: skip
def ready(printer_id: str, body: dict[str, Any]) -> Any:
    return _set_maintenance(printer_id, on=False)


@printers.route_to(
    "POST", "/printers/<printer_id>/pause", Permission.PRINT, "Pause the print there",
    body=schemas.Empty, answer="Printer", status=202,
)  # fmt: skip
def pause(printer_id: str, body: dict[str, Any]) -> Any:
    return _control(printer_id, "pause")


@printers.route_to(
    "POST", "/printers/<printer_id>/resume", Permission.PRINT, "Resume the print there",
    body=schemas.Empty, answer="Printer", status=202,
)  # fmt: skip
def resume(printer_id: str, body: dict[str, Any]) -> Any:
    return _control(printer_id, "resume")


@printers.route_to(
    "POST", "/printers/<printer_id>/cancel", Permission.PRINT, "Stop the print there",
    body=schemas.Empty, answer="Printer", status=202,
)  # fmt: skip
def cancel(printer_id: str, body: dict[str, Any]) -> Any:
    return _control(printer_id, "cancel")


@printers.route_to(
    "POST", "/printers/<printer_id>/answer", Permission.CLEAR_PLATE,
    "Answer the printer's question", body=schemas.Answer, answer="Printer", status=202,
)  # fmt: skip
def answer(printer_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        control_of.answer(db, member(), printer_id, body["choice"])
        return fleet.get(db, printer_id)


@printers.route_to(
    "POST", "/printers/<printer_id>/emergency-stop", Permission.CLEAR_PLATE,
    "Stop everything on the printer at once", body=schemas.Empty, answer="Printer", status=202,
)  # fmt: skip
def emergency_stop(printer_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        control_of.emergency_stop(db, member(), printer_id)
        return fleet.get(db, printer_id)


@printers.route_to(
    "POST", "/attempts/<attempt_id>/resolve", Permission.CLEAR_PLATE,
    "Settle an attempt that nobody knows the end of", body=schemas.Resolution, answer="Attempt",
)  # fmt: skip
def resolve(attempt_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        attempts.resolve(
            db, member(), attempt_id, body["outcome"], plate_clear=body["plate_clear"],
            note=body["note"], cause=body["cause"], lease_s=lab().settings.lease_s,
        )  # fmt: skip
        job_id = attempts.get_row(db, attempt_id)["job_id"]
        return next(item for item in attempts.of_job(db, job_id) if item["id"] == attempt_id)


@printers.route_to(
    "PUT", "/attempts/<attempt_id>/cause", Permission.PRINT, "Say why a print failed",
    body=schemas.FailureCause, answer="Attempt",
)  # fmt: skip
def set_cause(attempt_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing() as db:
        record.set_cause(db, member(), attempt_id, body["cause"], body["note"])
        job_id = attempts.get_row(db, attempt_id)["job_id"]
        return next(item for item in attempts.of_job(db, job_id) if item["id"] == attempt_id)


def own_agent(db: Any) -> str | None:
    """The agent that serve runs on this machine, where a printer without another belongs."""
    found = row(db, "SELECT value FROM settings WHERE name = 'own_agent'")
    return str(found["value"]) if found else None


def _set_maintenance(printer_id: str, *, on: bool) -> Any:
    with lab().store.writing(durable=True) as db:
        fleet.set_maintenance(db, member(), printer_id, on)
        return fleet.get(db, printer_id)


def _control(printer_id: str, kind: str) -> Any:
    with lab().store.writing(durable=True) as db:
        control_of.control(db, member(), printer_id, kind)
        return fleet.get(db, printer_id)
