"""Spools: what is left, their labels for phones, loading, weighing, tables out and in."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.errors import BadInput, FabcoordError
from fabcoord.members.roles import Permission
from fabcoord.queue import policy, prices, spool_csv, spoolman
from fabcoord.queue import printers as fleet
from fabcoord.queue import spools as stock
from fabcoord.store.sqlite import Database
from fabcoord.web import live, phone
from fabcoord.web.frame import Pages, go, show, typed

spools = Pages("spools")

_TEXTS = ("material", "colour", "vendor", "location", "note", "opened_on", "dried_on")
_NUMBERS = ("initial_g", "remaining_g", "empty_g", "low_g", "diameter_mm")
_LARGEST_TABLE = 900_000


@spools.page("GET", "/spools", Permission.RUN_PRINTERS)
def overview() -> Response:
    return _overview()


@spools.page("POST", "/spools", Permission.RUN_PRINTERS)
def add() -> Response:
    try:
        with lab().store.writing(durable=True) as db:
            spool_id = stock.create(db, member(), _given(_currency(db)))
    except FabcoordError as error:
        return _overview(error.status, error=error, given=typed(*_TEXTS, *_NUMBERS, "price"))
    return go(f"/spools/{spool_id}")


@spools.page("POST", "/spools/import", Permission.RUN_PRINTERS)
def take() -> Response:
    try:
        file = request.files.get("table")
        raw = file.read(_LARGEST_TABLE + 1) if file else b""
        if not raw or len(raw) > _LARGEST_TABLE:
            raise BadInput("Choose a table of spools, as CSV, of less than 900 kB.")
        with lab().store.writing(durable=True) as db:
            spool_csv.take(db, member(), raw.decode("utf-8-sig", "replace"))
    except FabcoordError as error:
        return _overview(error.status, error=error)
    return go("/spools")


@spools.page("GET", "/spools/<spool_id>", Permission.RUN_PRINTERS)
def one(spool_id: str) -> Response:
    return _one(spool_id)


@spools.page("POST", "/spools/<spool_id>", Permission.RUN_PRINTERS)
def change(spool_id: str) -> Response:
    try:
        with lab().store.writing(durable=True) as db:
            given = _given(_currency(db))
            given.pop("remaining_g", None)
            stock.update(db, member(), spool_id, given, None)
    except FabcoordError as error:
        return _one(spool_id, error.status, error=error)
    return go(f"/spools/{spool_id}")


@spools.page("POST", "/spools/<spool_id>/weigh", Permission.RUN_PRINTERS)
def weigh(spool_id: str) -> Response:
    try:
        kind = "gross_g" if request.form.get("with_spool") else "remaining_g"
        with lab().store.writing(durable=True) as db:
            stock.weigh(db, member(), spool_id, **{kind: _number("mass_g")})
    except FabcoordError as error:
        return _one(spool_id, error.status, error=error)
    return go(f"/spools/{spool_id}")


@spools.page("POST", "/spools/<spool_id>/load", Permission.RUN_PRINTERS)
def load(spool_id: str) -> Response:
    """Into a printer, or out of the one that it is in."""
    printer_id = request.form.get("printer_id", "")
    try:
        with lab().store.writing(durable=True) as db:
            if printer_id:
                stock.load(db, member(), printer_id, spool_id)
            elif loaded := stock.get(db, spool_id)["printer_id"]:
                stock.unload(db, member(), loaded)
    except FabcoordError as error:
        return _one(spool_id, error.status, error=error)
    return go(f"/spools/{spool_id}")


@spools.page("POST", "/spools/<spool_id>/archive", Permission.RUN_PRINTERS)
def archive(spool_id: str) -> Response:
    try:
        with lab().store.writing(durable=True) as db:
            away = request.form.get("away") == "yes"
            stock.archive(db, member(), spool_id, away=away)
    except FabcoordError as error:
        return _one(spool_id, error.status, error=error)
    return go(f"/spools/{spool_id}")


@spools.page("POST", "/spools/reports/<attempt_id>/<int:part>", Permission.RUN_PRINTERS)
def settle(attempt_id: str, part: int) -> Response:
    """A report to Spoolman in doubt: told again, or taken as there."""
    again = request.form.get("again") == "yes"
    with lab().store.writing(durable=True) as db:
        spoolman.settle_report(db, attempt_id, part, again=again)
    return go("/spools")


def _overview(status: int = 200, **facts: Any) -> Response:
    archived = request.args.get("archived") == "1"
    with lab().store.reading() as db:
        found = stock.everyone(db, archived=archived)
        listening = live.listen(db, f"/spools{'?archived=1' if archived else ''}", live.SPOOLS)
        doubts = [one for one in spoolman.open_reports(db) if one["state"] in ("doubt", "refused")]
        currency = _currency(db)
    return show(
        "spools.html", status, spools=found, archived=archived, doubts=doubts, live=listening,
        currency=currency, **({"given": {}} | facts),
    )  # fmt: skip


def _one(spool_id: str, status: int = 200, **facts: Any) -> Response:
    with lab().store.reading() as db:
        spool = stock.get(db, spool_id)
        printers = fleet.everyone(db)
        currency = _currency(db)
    price = spool["price_minor"]
    return show(
        "spool.html", status, spool=spool, printers=printers, currency=currency,
        price=prices.words(price, currency) if price is not None else "",
        code=phone.code_for(f"/spools/{spool_id}"), **facts,
    )  # fmt: skip


def _currency(db: Database) -> str:
    return policy.current(db, lab().preparation.default)[1].prices.currency


def _given(currency: str) -> dict[str, Any]:
    """A spool as the form describes it."""
    given: dict[str, Any] = dict(typed(*_TEXTS))
    for name in _NUMBERS:
        if name in request.form and request.form[name].strip():
            given[name] = _number(name)
    price = request.form.get("price", "").replace(",", ".").split(" ")[0].strip()
    try:
        given["price_minor"] = prices.to_minor(price, currency) if price else None
    except (ValueError, ArithmeticError) as error:
        raise BadInput(f"{price!r} is no price.", fields={"price": "such as 19.90"}) from error
    return given


def _number(name: str) -> float:
    text = request.form.get(name, "").replace(",", ".").strip()
    try:
        return float(text)
    except ValueError as error:
        raise BadInput(f"{text[:20]!r} is not a number.", fields={name: "a number"}) from error
