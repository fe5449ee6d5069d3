"""The book as a table for a spreadsheet or a bookkeeping program."""

from __future__ import annotations

import csv
import io

from fabcoord.queue.prices import digits
from fabcoord.queue.spool_csv import harmless
from fabcoord.store.database import rows
from fabcoord.store.sqlite import Database

COLUMNS = (
    *("entry", "line", "at", "kind", "source", "target", "amount", "currency", "member"),
    *("charge_code", "job_id", "attempt_id", "actor", "note", "key"),
)


def table(db: Database, *, since: str = "", until: str = "") -> str:
    """Every line that was booked, oldest first, as CSV.

    Each line takes ``amount`` from ``source`` and gives it to ``target``.

    Args:
        since, until: from and before these times; as text, so a day does as well.
    """
    found = rows(
        db,
        "SELECT ledger_entries.*, ledger_lines.*, members.name AS member, jobs.charge_code"
        " FROM ledger_entries JOIN ledger_lines ON entry = seq"
        " LEFT JOIN members ON members.id = ledger_entries.member_id"
        " LEFT JOIN jobs ON jobs.id = ledger_entries.job_id"
        " WHERE at >= :since AND (:until = '' OR at < :until) ORDER BY seq, line",
        {"since": since, "until": until},
    )
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for item in found:
        places = digits(item["currency"])
        amount = f"{item['amount_minor'] // 10**places}"
        if places:
            amount += f".{item['amount_minor'] % 10**places:0{places}d}"
        line = {name: harmless(item.get(name)) for name in COLUMNS}
        writer.writerow(line | {"amount": amount, "line": item["line"], "entry": item["entry"]})
    return out.getvalue()
