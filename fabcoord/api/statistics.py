"""/statistics, /history and /audit: what was printed, how well, and who did what."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page, page_arguments
from fabcoord.errors import BadInput, NotFound
from fabcoord.members import accounts
from fabcoord.members.roles import Permission
from fabcoord.queue import history as past
from fabcoord.queue import policy
from fabcoord.queue import statistics as figures
from fabcoord.queue.statistics import Period
from fabcoord.store import audit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import parse_timestamp, timestamp

statistics = Resource("statistics", __name__)

_CSV = "text/csv; charset=utf-8"


@statistics.route_to(
    "GET", "/statistics", Permission.READ, "Totals, day by day, and how long jobs waited",
    answer="Statistics",
)  # fmt: skip
def overview() -> Any:
    with lab().store.reading() as db:
        asked = asked_period(db)
        found = figures.overview(db, asked, whose(db))
    return _as_asked({**asdict(asked), **found}, found["days"], "days")


@statistics.route_to(
    "GET", "/statistics/<dimension>", Permission.READ,
    "Success, time and mass by printer, machine, material, design, member or cause",
    answer="Statistics",
)  # fmt: skip
def by(dimension: str) -> Any:
    with lab().store.reading() as db:
        asked = asked_period(db)
        items = figures.by(db, dimension, asked, whose(db))
    return _as_asked({**asdict(asked), "items": items}, items, dimension)


@statistics.route_to(
    "GET", "/statistics/utilisation", Permission.RUN_PRINTERS,
    "Seconds that each printer spent in each state, day by day", answer="Utilisation",
)  # fmt: skip
def utilisation() -> Any:
    with lab().store.reading() as db:
        asked = asked_period(db)
        items = figures.utilisation(db, asked, zone(db))
    flat = [
        {"printer": item["name"], "day": day["day"], "state": state, "seconds": seconds}
        for item in items
        for day in item["days"]
        for state, seconds in day["states_s"].items()
    ]
    return _as_asked({**asdict(asked), "items": items}, flat, "utilisation")


@statistics.route_to(
    "GET", "/statistics/pace", Permission.READ,
    "By what the slicer's estimates are corrected, and how long plates wait", answer="Pace",
)  # fmt: skip
def pace() -> Any:
    with lab().store.reading() as db:
        found = figures.pace(db)
    return _as_asked(found, found["printers"], "pace")


@statistics.route_to(
    "GET", "/history", Permission.READ, "Prints of the past, newest first", answer="Print[]"
)
def history() -> Any:
    limit, before = page_arguments()
    with lab().store.reading() as db:
        items, following = past.search(
            db, asked_period(db), member_id=whose(db),
            printer_id=request.args.get("printer_id") or None,
            before=str(before) if before is not None else None, limit=limit,
        )  # fmt: skip
    return page(items, following)


@statistics.route_to("GET", "/history.csv", Permission.READ, "All prints of a period as CSV")
def history_csv() -> Any:
    with lab().store.reading() as db:
        asked, owner = asked_period(db), whose(db)
    lines = past.as_csv(lab().store, asked, owner)
    return Response(lines, mimetype=_CSV, headers=_named(f"history-{asked.first}-{asked.last}"))


@statistics.route_to(
    "GET", "/audit", Permission.RUN_PRINTERS, "What persons did, newest first", answer="Audit[]"
)
def audit_log() -> Any:
    limit, before = page_arguments()
    if before is not None and not isinstance(before, int):
        raise BadInput("That cursor is not one of ours.", hint="Begin again without cursor.")
    with lab().store.reading() as db:
        items, following = audit.log(db, asked_log(), before=before, limit=limit)
    return page(items, following)


def asked_log() -> audit.Asked:
    """The filters of the audit log, from the query."""
    given = {name: request.args.get(name, "") for name in ("actor", "kind", "about")}
    return audit.Asked(**given, since=_moment("since"), until=_moment("until"))


def asked_period(db: Database) -> Period:
    """The days that the query names: ``from`` and ``to``, or the last ``days`` (30)."""
    first, last, days = (request.args.get(name, "") for name in ("from", "to", "days"))
    return figures.period(first, last, days, datetime.now(zone(db)).date())


def zone(db: Database) -> ZoneInfo:
    """The time zone of the lab's opening hours, by which its days begin and end."""
    _, rules = policy.current(db, lab().preparation.default)
    return ZoneInfo(rules.hours.timezone)


def whose(db: Database) -> str | None:
    """Whose figures are shown: of all or of a named ``member`` to staff, else only one's own."""
    named = request.args.get("member", "")
    if not member().may(Permission.RUN_PRINTERS):
        if named and named.casefold() != member().name.casefold():
            member().require(Permission.RUN_PRINTERS)
        return member().id
    if not named:
        return None
    found = accounts.by_name(db, named)
    if found is None:
        raise NotFound("There is no such member.")
    return found.id


def _moment(name: str) -> str:
    text = request.args.get(name, "")
    try:
        return timestamp(parse_timestamp(text)) if text else ""
    except ValueError as error:
        raise BadInput(f"{name} is not a time: {error}.", fields={name: "not RFC 3339"}) from error


def _as_asked(whole: dict[str, Any], items: list[dict[str, Any]], name: str) -> Any:
    wanted = request.args.get("format", "json")
    if wanted == "json":
        return {"as_of": timestamp(datetime.now(UTC)), **whole}
    if wanted == "csv":
        return Response(past.table(items), mimetype=_CSV, headers=_named(name))
    raise BadInput("format is json or csv.", fields={"format": "json or csv"})


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}.csv"'}
