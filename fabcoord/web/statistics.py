"""Pages of what was: figures with charts, a member's own prints, and who did what."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Response, request

from fabcoord.api import statistics as asked
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import cursor_of, page_arguments
from fabcoord.members.roles import Permission
from fabcoord.queue import history, record
from fabcoord.queue import statistics as figures
from fabcoord.store import audit
from fabcoord.store.sqlite import Database
from fabcoord.web import charts
from fabcoord.web.charts import Bar
from fabcoord.web.frame import Pages, back, go, show, typed

statistics = Pages("statistics")

PERIODS = ((7, "Week"), (30, "Month"), (182, "Semester"), (365, "Year"))
_STATES = ("busy", "awaiting_clearance", "attention", "idle", "maintenance", "offline")
_TABLES = ("printer", "machine", "material", "design", "member", "cause")
_ROWS = 15


@statistics.page("GET", "/statistics", Permission.READ)
def overview() -> Response:
    is_staff = member().may(Permission.RUN_PRINTERS)
    with lab().store.reading() as db:
        period, owner = asked.asked_period(db), asked.whose(db)
        found = figures.overview(db, period, owner)
        tables = {
            name: figures.by(db, name, period, owner)[:_ROWS]
            for name in _TABLES
            if is_staff or name != "member"
        }
        used = _used(db, period) if is_staff and owner is None else []
        pace = figures.pace(db)
    daily = [
        Bar(day["day"][5:], [(name, day[name]) for name in ("finished", "failed", "cancelled")])
        for day in found["days"]
    ]
    query = {"from": period.first, "to": period.last}
    if named := request.args.get("member", ""):
        query["member"] = named
    return show(
        "statistics.html", period=period, found=found, tables=tables, used=used, pace=pace,
        chart=charts.bars("Prints per day", daily), periods=PERIODS, states=_STATES,
        days=request.args.get("days", ""), query=urlencode(query), own=owner == member().id,
        whose=named,
    )  # fmt: skip


@statistics.page("GET", "/audit", Permission.RUN_PRINTERS)
def log() -> Response:
    limit, before = page_arguments()
    with lab().store.reading() as db:
        items, following = audit.log(
            db, asked.asked_log(), before=before if isinstance(before, int) else None, limit=limit
        )
        names = _names(db)
    given = {name: request.args.get(name, "") for name in ("actor", "kind", "about")}
    older = None
    if following is not None:
        older = "/audit?" + urlencode({**given, "cursor": cursor_of(following)})
    return show("audit.html", items=items, given=given, older=older, names=names)


@statistics.page("POST", "/attempts/<attempt_id>/cause", Permission.PRINT)
def set_cause(attempt_id: str) -> Response:
    given = typed("cause", "note")
    with lab().store.writing() as db:
        record.set_cause(db, member(), attempt_id, given["cause"], given["note"])
    return go(back())


def own_prints(db: Database) -> list[dict[str, Any]]:
    """The newest prints of who asks, for their account's page."""
    period = asked.asked_period(db)
    return history.search(db, period, member_id=member().id, limit=_ROWS)[0]


def of_printers(db: Database) -> dict[str, dict[str, Any]]:
    """Per printer: its figures of the period, its newest prints, and its pace."""
    period = asked.asked_period(db)
    counted = {item["key"]: item for item in figures.by(db, "printer", period)}
    return {
        item["printer_id"]: {
            "pace": item,
            "figures": counted.get(item["printer_id"]),
            "prints": history.search(db, period, printer_id=item["printer_id"], limit=5)[0],
        }
        for item in figures.pace(db)["printers"]
    }


def _used(db: Database, period: figures.Period) -> list[dict[str, Any]]:
    found = figures.utilisation(db, period, asked.zone(db))
    for item in found:
        states = [(name, float(item["states_s"].get(name, 0))) for name in _STATES]
        whole = sum(seconds for _, seconds in states) or 1.0
        item["shares"] = [(name, seconds / whole) for name, seconds in states if seconds]
        item["strip"] = charts.parts(f"What {item['name']} did", states)
    return found


def _names(db: Database) -> dict[str, str]:
    found = db.query(
        "SELECT id, name FROM printers UNION ALL SELECT id, name FROM members"
        " UNION ALL SELECT id, name FROM agents"
    )
    return {item["id"]: item["name"] for item in found}
