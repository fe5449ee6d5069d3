"""Money for members and for who handles it: wallets, statements, charge codes; and energy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.energy import seen_by
from fabcoord.errors import BadInput, FabcoordError
from fabcoord.ledger import book, wallets
from fabcoord.members.roles import Permission
from fabcoord.queue import policy, prices
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, timestamp
from fabcoord.web.frame import Pages, go, show, typed

money = Pages("money")

_ROWS = 30
_GROUPS = (("month", "By month"), ("member", "By member"), ("design", "By design"),
           ("printer", "By printer"))  # fmt: skip
_PERIODS = ((30, "Month"), (182, "Semester"), (365, "Year"), (0, "All"))


@money.page("GET", "/wallet", Permission.PRINT)
def own() -> Response:
    with lab().store.reading() as db:
        facts = _wallet(db, member().id)
        codes = wallets.codes(db, lab().charges, member())
    return show("wallet.html", codes=codes, own=True, **facts)


@money.page("GET", "/money", Permission.HANDLE_MONEY)
def overview() -> Response:
    return _overview()


@money.page("GET", "/money/<member_id>", Permission.HANDLE_MONEY)
def one(member_id: str) -> Response:
    return _one(member_id)


@money.page("POST", "/money/<member_id>", Permission.HANDLE_MONEY)
def deposit(member_id: str) -> Response:
    given = typed("amount", "note", "key")
    try:
        with lab().store.writing(durable=True) as db:
            amount_minor = _minor(db, given["amount"])
            if request.form.get("way") == "out":
                amount_minor = -amount_minor
            wallets.deposit(
                db, lab().charges, member(), member_id, amount_minor, note=given["note"],
                key=f"form:{given['key'][:40]}" if given["key"] else "",
            )  # fmt: skip
    except FabcoordError as error:
        return _one(member_id, error.status, error=error, given=given)
    return go(f"/money/{member_id}")


@money.page("POST", "/money/codes", Permission.HANDLE_MONEY)
def save_code() -> Response:
    given = typed("name", "title", "budget")
    try:
        with lab().store.writing(durable=True) as db:
            budget = _minor(db, given["budget"]) if given["budget"] else None
            wallets.save_code(
                db, member(), given["name"],
                {"title": given["title"], "budget_minor": budget,
                 "members": [name for name in request.form.getlist("members") if name],
                 "closed": request.form.get("closed") == "yes"},
            )  # fmt: skip
            lab().charges.release_paid(db, book.code(given["name"]))
    except FabcoordError as error:
        return _overview(error.status, error=error, given=given)
    return go("/money")


@money.page("POST", "/attempts/<attempt_id>/refund", Permission.HANDLE_MONEY)
def refund(attempt_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        lab().charges.refund(db, member(), attempt_id, typed("note")["note"])
    return go(f"/jobs/{request.form.get('job_id', '')}")


@money.page("GET", "/energy", Permission.PRINT)
def energy() -> Response:
    by = request.args.get("by", "month")
    by = by if by in dict(_GROUPS) else "month"
    try:
        days = min(max(int(request.args.get("days", "182")), 0), 36_500)
    except ValueError:
        days = 182
    since = timestamp(datetime.now(UTC) - timedelta(days=days)) if days else ""
    with lab().store.reading() as db:
        found = seen_by(db, member(), by, since)
        rules = policy.current(db, lab().preparation.default)[1]
    most_kwh = max((item["energy_kwh"] for item in found), default=0.0)
    return show(
        "energy.html", sums=found, by=by, days=days, groups=_GROUPS, periods=_PERIODS,
        most_kwh=most_kwh, factor=rules.energy, money=prices.words,
    )  # fmt: skip


def _overview(status: int = 200, **facts: Any) -> Response:
    with lab().store.reading() as db:
        everyone = wallets.everyone(db, lab().charges)
        codes = wallets.codes(db, lab().charges, member())
        rules = lab().charges.prices(db)
        held = book.balances(db, rules.currency)
    income = {name.partition(":")[2]: amount for name, amount in held.items()
              if name.startswith("income:")}  # fmt: skip
    return show(
        "money.html", status, wallets=everyone, codes=codes, rules=rules, income=income,
        words=prices.words, **({"given": {}} | facts),
    )  # fmt: skip


def _one(member_id: str, status: int = 200, **facts: Any) -> Response:
    with lab().store.reading() as db:
        found = _wallet(db, member_id)
    return show(
        "wallet.html", status, codes=[], own=False, key=new_id(), **found,
        **({"given": {}, "error": None} | facts),
    )  # fmt: skip


def _wallet(db: Database, member_id: str) -> dict[str, Any]:
    wallet = wallets.get(db, lab().charges, member_id)
    before = request.args.get("before", "")
    entries, following = book.statement(
        db, book.wallet(member_id), wallet["currency"],
        before=int(before) if before.isdecimal() and len(before) < 18 else None, limit=_ROWS,
    )  # fmt: skip
    rules = lab().charges.prices(db)
    return {
        "wallet": wallet, "entries": entries, "following": following, "rules": rules,
        "money": prices.words,
    }  # fmt: skip


def _minor(db: Database, text: str) -> int:
    """An amount above nothing, as people type it."""
    currency = lab().charges.prices(db).currency
    try:
        amount_minor = prices.to_minor(text.replace(",", "."), currency)
    except (ValueError, ArithmeticError) as error:
        raise BadInput(
            f"{text[:20]!r} is no amount.", fields={"amount": "such as 10.00"}
        ) from error
    if not 0 < amount_minor < 10**9:
        raise BadInput("An amount is above nothing.", fields={"amount": "such as 10.00"})
    return amount_minor
