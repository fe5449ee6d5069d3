"""The lab's book: entries that move whole minor units between accounts, and are never changed.

Each line takes an amount from one account and gives it to another, so no entry can create or lose
money. An entry has a key that says what it is for; a second one with that key is not written, so
whatever is told twice or late is booked once.

Accounts are texts: ``cash`` (below zero by what came into the till), ``wallet:<member id>``,
``code:<charge code>``, and for each part of a price ``held:machine`` (for prints that run) and
``income:machine`` (for those that were made). All balances of a currency add up to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import now

CASH = "cash"
HELD = "held"


@dataclass(frozen=True, slots=True)
class Line:
    """An amount above zero that goes from ``source`` to ``target``."""

    source: str
    target: str
    amount_minor: int


def wallet(member_id: str) -> str:
    """The account of a member: what the lab owes to them."""
    return f"wallet:{member_id}"


def code(name: str) -> str:
    """The account of a charge code; below zero by what is to be paid for it."""
    return f"code:{name.casefold()}"


def post(
    db: Database,
    key: str,
    kind: str,
    currency: str,
    lines: Iterable[Line],
    *,
    member_id: str | None = None,
    job_id: str | None = None,
    attempt_id: str | None = None,
    actor: str | None = None,
    note: str = "",
) -> bool:
    """Book an entry, unless its key was booked before; returns whether it was written.

    Lines of nothing are left out; an entry without lines is not written. The transaction must be
    a durable one.
    """
    kept = [line for line in lines if line.amount_minor]
    if not kept:
        return False
    made = row(
        db,
        "INSERT INTO ledger_entries (key, kind, currency, at, member_id, job_id, attempt_id,"
        " actor, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(key) DO NOTHING"
        " RETURNING seq",
        (key, kind, currency, now(), member_id, job_id, attempt_id, actor, note[:500]),
    )
    if made is None:
        return False
    if actor is not None:  # what a person books is in the log of who did what
        emit(db, f"money.{kind}", member_id=member_id, job_id=job_id, attempt_id=attempt_id,
             actor=actor, entry=made["seq"], currency=currency,
             amount_minor=sum(line.amount_minor for line in kept))  # fmt: skip
    db.conn.executemany(
        "INSERT INTO ledger_lines (entry, line, source, target, amount_minor)"
        " VALUES (?, ?, ?, ?, ?)",
        [
            (made["seq"], number, line.source, line.target, line.amount_minor)
            for number, line in enumerate(kept)
        ],
    )
    return True


def balance(db: Database, account: str, currency: str) -> int:
    """What an account holds, in minor units: what it was given less what was taken from it."""
    return int(
        value(
            db,
            "SELECT coalesce(sum(amount_minor), 0) FROM ("
            " SELECT amount_minor FROM ledger_lines JOIN ledger_entries ON seq = entry"
            "  WHERE target = :account AND currency = :currency"
            " UNION ALL SELECT -amount_minor FROM ledger_lines JOIN ledger_entries ON seq = entry"
            "  WHERE source = :account AND currency = :currency)",
            {"account": account, "currency": currency},
        )
    )


def balances(db: Database, currency: str) -> dict[str, int]:
    """All accounts that were ever used, with what they hold."""
    found = rows(
        db,
        "SELECT account, sum(amount_minor) AS held FROM ("
        " SELECT target AS account, amount_minor, entry FROM ledger_lines"
        " UNION ALL SELECT source, -amount_minor, entry FROM ledger_lines)"
        " JOIN ledger_entries ON seq = entry WHERE currency = ? GROUP BY account ORDER BY account",
        (currency,),
    )
    return {item["account"]: item["held"] for item in found}


def lines_of(db: Database, key: str) -> tuple[Row | None, list[Line]]:
    """The entry of that key and its lines; None and nothing where it was never booked."""
    entry = row(db, "SELECT * FROM ledger_entries WHERE key = ?", (key,))
    if entry is None:
        return None, []
    found = rows(
        db,
        "SELECT source, target, amount_minor FROM ledger_lines WHERE entry = ? ORDER BY line",
        (entry["seq"],),
    )
    return entry, [Line(**item) for item in found]


def statement(
    db: Database, account: str, currency: str, *, before: int | None = None, limit: int = 50
) -> tuple[list[dict[str, Any]], int | None]:
    """What was booked on an account, newest first, with what it held after each entry.

    Returns the entries and where the next page begins, or None.
    """
    found = rows(
        db,
        "SELECT * FROM (SELECT seq, at, kind, currency, job_id, attempt_id, actor, note,"
        "  amount_minor, sum(amount_minor) OVER (ORDER BY seq) AS balance_minor FROM"
        "  (SELECT entry, sum(CASE WHEN target = :account THEN amount_minor ELSE -amount_minor END)"
        "   AS amount_minor FROM ledger_lines WHERE target = :account OR source = :account"
        "   GROUP BY entry) JOIN ledger_entries ON seq = entry WHERE currency = :currency)"
        " WHERE :before IS NULL OR seq < :before ORDER BY seq DESC LIMIT :limit",
        {"account": account, "currency": currency, "before": before, "limit": limit + 1},
    )
    page = found[:limit]
    return page, page[-1]["seq"] if len(found) > limit else None
