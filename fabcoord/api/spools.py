"""/spools: filament, what is left of it, and in which printer it is."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api import schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page, wanted_version
from fabcoord.errors import NotFound
from fabcoord.members.roles import Permission
from fabcoord.queue import printers as fleet
from fabcoord.queue import spool_csv, spoolman
from fabcoord.queue import spools as stock
from fabcoord.store.events import emit

spools = Resource("spools", __name__)


@spools.route_to("GET", "/spools", Permission.READ, "Spools by material; ?archived=1 for old ones",
                 answer="Spool[]")  # fmt: skip
def search() -> Any:
    with lab().store.reading() as db:
        return page(stock.everyone(db, archived=request.args.get("archived") == "1"), None)


@spools.route_to("POST", "/spools", Permission.RUN_PRINTERS, "Add a spool",
                 body=schemas.SpoolChange, answer="Spool", status=201)  # fmt: skip
def create(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        spool_id = stock.create(db, member(), body)
        return stock.get(db, spool_id), {"Location": f"/api/v1/spools/{spool_id}"}


@spools.route_to("GET", "/spools/<spool_id>", Permission.READ, "One spool", answer="Spool")
def show(spool_id: str) -> Any:
    with lab().store.reading() as db:
        return stock.get(db, spool_id)


@spools.route_to("PATCH", "/spools/<spool_id>", Permission.RUN_PRINTERS, "Change a spool",
                 body=schemas.SpoolChange, answer="Spool")  # fmt: skip
def change(spool_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        stock.update(db, member(), spool_id, body, wanted_version())
        return stock.get(db, spool_id)


@spools.route_to("POST", "/spools/<spool_id>/weigh", Permission.RUN_PRINTERS,
                 "State what is left on it", body=schemas.Weighing, answer="Spool")  # fmt: skip
def weigh(spool_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        stock.weigh(db, member(), spool_id, **body)
        return stock.get(db, spool_id)


@spools.route_to("POST", "/spools/<spool_id>/archive", Permission.RUN_PRINTERS,
                 "Put it away for good", body=schemas.Empty, answer="Spool")  # fmt: skip
def archive(spool_id: str, body: dict[str, Any]) -> Any:
    return _archive(spool_id, away=True)


@spools.route_to("POST", "/spools/<spool_id>/restore", Permission.RUN_PRINTERS,
                 "Take it back into use", body=schemas.Empty, answer="Spool")  # fmt: skip
def restore(spool_id: str, body: dict[str, Any]) -> Any:
    return _archive(spool_id, away=False)


@spools.route_to("GET", "/spools/reports", Permission.RUN_PRINTERS,
                 "What Spoolman has not been told yet, or left to a person",
                 answer="SpoolReport[]")  # fmt: skip
def reports() -> Any:
    with lab().store.reading() as db:
        return page(spoolman.open_reports(db), None)


@spools.route_to("POST", "/spools/reports/<attempt_id>/<int:part>", Permission.RUN_PRINTERS,
                 "Settle a report in doubt: send it again, or take it as done",
                 body=schemas.ReportSettling, status=204)  # fmt: skip
def settle_report(attempt_id: str, part: int, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        if not spoolman.settle_report(db, attempt_id, part, again=body["again"]):
            raise NotFound("No such report is in doubt.")
        emit(db, "spool.report_settled", attempt_id=attempt_id, actor=member().name, part=part,
             again=body["again"])  # fmt: skip


@spools.route_to("GET", "/spools.csv", Permission.READ, "All spools as a table")
def export() -> Any:
    with lab().store.reading() as db:
        return Response(spool_csv.export(db), mimetype="text/csv")


@spools.route_to("POST", "/spools/import", Permission.RUN_PRINTERS,
                 "Add or change the spools of a table", body=schemas.Csv)  # fmt: skip
def take(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        return spool_csv.take(db, member(), body["csv"])


@spools.route_to("POST", "/printers/<printer_id>/load", Permission.RUN_PRINTERS,
                 "Put a spool into the printer", body=schemas.Loading,
                 answer="Printer")  # fmt: skip
def load(printer_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        stock.load(db, member(), printer_id, body["spool_id"])
        return fleet.get(db, printer_id)


@spools.route_to("POST", "/printers/<printer_id>/unload", Permission.RUN_PRINTERS,
                 "Take the spool out of the printer", body=schemas.Empty,
                 answer="Printer")  # fmt: skip
def unload(printer_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        stock.unload(db, member(), printer_id)
        return fleet.get(db, printer_id)


def _archive(spool_id: str, *, away: bool) -> Any:
    with lab().store.writing(durable=True) as db:
        stock.archive(db, member(), spool_id, away=away)
        return stock.get(db, spool_id)
