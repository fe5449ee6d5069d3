"""Wallets and charge codes: money that members put in, and budgets that pay instead of them."""

from __future__ import annotations

import json
import re
from typing import Any

from fabcoord.errors import BadInput, NotFound
from fabcoord.ledger import book
from fabcoord.ledger.book import Line
from fabcoord.ledger.charges import Charges
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import prices
from fabcoord.store.database import Row, row, rows
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now

_MOST_MINOR = 100_000_000


def deposit(
    db: Database,
    charges: Charges,
    by: Member,
    member_id: str,
    amount_minor: int,
    *,
    note: str = "",
    key: str = "",
) -> dict[str, Any]:
    """Put money into a member's wallet, or pay it out where the amount is below zero.

    Args:
        key: the same key books once, as for a form that is sent twice.

    Returns the wallet. Raises BadInput for nothing, and for more than the wallet holds.
    """
    by.require(Permission.HANDLE_MONEY)
    member = _member(db, member_id)
    currency = charges.prices(db).currency
    account = book.wallet(member_id)
    if not amount_minor or abs(amount_minor) > _MOST_MINOR:
        raise BadInput(
            "That is no amount that a wallet takes.", fields={"amount_minor": "not 0, not so much"}
        )
    if amount_minor < 0 and book.balance(db, account, currency) + amount_minor < 0:
        raise BadInput(
            f"{member['name']} has less than that.", fields={"amount_minor": "more than there is"}
        )
    line = Line(book.CASH, account, amount_minor)
    if amount_minor < 0:
        line = Line(account, book.CASH, -amount_minor)
    book.post(
        db, f"cash:{key or new_id()}", "deposit" if amount_minor > 0 else "payout", currency,
        [line], member_id=member_id, actor=by.name, note=note,
    )  # fmt: skip
    if amount_minor > 0:
        charges.release_paid(db, account)
    return get(db, charges, member_id)


def get(db: Database, charges: Charges, member_id: str) -> dict[str, Any]:
    """A member's wallet in the shape of the API."""
    member = _member(db, member_id)
    currency = charges.prices(db).currency
    balance_minor = book.balance(db, book.wallet(member_id), currency)
    return {
        "member_id": member_id,
        "member": member["name"],
        "currency": currency,
        "balance_minor": balance_minor,
        "balance": prices.words(balance_minor, currency),
    }


def everyone(db: Database, charges: Charges) -> list[dict[str, Any]]:
    """All members' wallets, by name."""
    currency = charges.prices(db).currency
    held = book.balances(db, currency)
    found = rows(db, "SELECT id, name FROM members WHERE role != 'kiosk' ORDER BY name")
    return [
        {
            "member_id": item["id"],
            "member": item["name"],
            "currency": currency,
            "balance_minor": (minor := held.get(book.wallet(item["id"]), 0)),
            "balance": prices.words(minor, currency),
        }
        for item in found
    ]


def save_code(db: Database, by: Member, name: str, given: dict[str, Any]) -> None:
    """Make or change a charge code: ``title``, ``budget_minor``, ``members`` (ids), ``closed``.

    Without a budget it pays for anything, without members for anybody.
    """
    by.require(Permission.HANDLE_MONEY)
    if not re.fullmatch(r"[\w][\w .\-]{0,39}", name):
        raise BadInput(
            "A charge code is 1 to 40 letters, digits, spaces, dots and dashes.",
            fields={"name": "other characters"},
        )
    for member_id in given.get("members") or []:
        _member(db, member_id)
    db.conn.execute(
        "INSERT INTO charge_codes (name, title, budget_minor, members, created_at, closed_at)"
        " VALUES (:name, :title, :budget, :members, :now, CASE WHEN :closed THEN :now END)"
        " ON CONFLICT(name) DO UPDATE SET title = excluded.title,"
        " budget_minor = excluded.budget_minor, members = excluded.members,"
        " closed_at = excluded.closed_at",
        {
            "name": name,
            "title": str(given.get("title") or "")[:200],
            "budget": given.get("budget_minor"),
            "members": json.dumps(given["members"]) if given.get("members") else None,
            "now": now(),
            "closed": bool(given.get("closed")),
        },
    )
    emit(db, "charge_code.changed", actor=by.name, code=name)


def codes(db: Database, charges: Charges, viewer: Member) -> list[dict[str, Any]]:
    """The charge codes that a member may use; for who handles money all, with what they used."""
    currency = charges.prices(db).currency
    sees_all = viewer.may(Permission.HANDLE_MONEY)
    held = book.balances(db, currency) if sees_all else {}
    shown = []
    for item in rows(db, "SELECT * FROM charge_codes ORDER BY name"):
        members = json.loads(item["members"]) if item["members"] else []
        code = {"name": item["name"], "title": item["title"], "closed": bool(item["closed_at"])}
        if sees_all:
            used_minor = -held.get(book.code(item["name"]), 0)
            code |= {
                "members": members,
                "currency": currency,
                "budget_minor": item["budget_minor"],
                "used_minor": used_minor,
                "used": prices.words(used_minor, currency),
            }
            shown.append(code)
        elif not item["closed_at"] and (not members or viewer.id in members):
            shown.append(code)
    return shown


def _member(db: Database, member_id: str) -> Row:
    found = row(db, "SELECT id, name FROM members WHERE id = ?", (member_id,))
    if found is None:
        raise NotFound("There is no such member.")
    return found
