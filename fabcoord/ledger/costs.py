"""What one job costs: as it was quoted, and what was held, charged and given back for it."""

from __future__ import annotations

from typing import Any

from fabcoord.queue import prices, quotes
from fabcoord.store.database import Row, rows
from fabcoord.store.sqlite import Database


def of_job(db: Database, job: Row) -> dict[str, Any] | None:
    """The cost of a job in the shape of the API; None where nothing was quoted or booked.

    ``quote`` is for all copies; ``held_minor`` is for copies that print, ``charged_minor`` what
    was paid for those that were made, less what staff gave back.
    """
    quoted = quotes.of_job(job)
    booked = rows(
        db,
        "SELECT kind, attempt_id, currency, source, amount_minor FROM ledger_entries"
        " JOIN ledger_lines ON entry = seq WHERE job_id = ?",
        (job["id"],),
    )
    if quoted is None and not booked:
        return None
    held = charged = 0
    for item in booked:
        match item["kind"]:
            case "hold":
                held += item["amount_minor"]
            case "charge":
                held, charged = held - item["amount_minor"], charged + item["amount_minor"]
            case "refund" if item["source"].startswith("held:"):
                held -= item["amount_minor"]
            case "refund":
                charged -= item["amount_minor"]
    currency = quoted.currency if quoted else booked[0]["currency"]
    return {
        "job_id": job["id"],
        "currency": currency,
        "copy": quoted.shape() if quoted else None,
        "quote": quoted.shape(job["copies"]) if quoted else None,
        "held_minor": held,
        "charged_minor": charged,
        "charged": prices.words(charged, currency),
        "pays": job["charge_code"] or "wallet",
    }
