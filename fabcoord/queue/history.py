"""The prints of the past, one by one: pages of them, and all of them as lines of CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from fabcoord.queue.statistics import Period
from fabcoord.store.database import Store, rows
from fabcoord.store.sqlite import Database

COLUMNS = (
    *("ended_at", "outcome", "cause", "printer", "machine", "material", "design", "member"),
    *("duration_s", "estimate_s", "waited_s", "mass_g", "job_id", "attempt_id"),
)
_AT_ONCE = 1000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run
_LISTED = (
    "SELECT prints.*, printers.name AS printer, designs.title AS design, members.name AS member"
    " FROM prints LEFT JOIN printers ON printers.id = prints.printer_id"
    " LEFT JOIN designs ON designs.id = prints.design_id"
    " LEFT JOIN members ON members.id = prints.member_id"
)


def search(
    db: Database,
    asked: Period,
    *,
    member_id: str | None = None,
    printer_id: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> tuple[list[dict[str, Any]], str | None]:
    """Prints that ended in the period, newest first, and where the next page begins (or None)."""
    # One condition each, so that the index of a member or of a printer serves.
    mine = " AND prints.member_id = :member" if member_id else ""
    there = " AND prints.printer_id = :printer" if printer_id else ""
    found = rows(
        db,
        f"{_LISTED} WHERE day BETWEEN :first AND :last{mine}{there}"
        " AND (:before IS NULL OR ended_at || attempt_id < :before)"
        " AND (:before IS NULL OR ended_at <= substr(:before, 1, 24))"
        " ORDER BY ended_at DESC, attempt_id DESC LIMIT :limit",
        {
            "first": asked.first,
            "last": asked.last,
            "member": member_id,
            "printer": printer_id,
            "before": before,
            "limit": limit + 1,
        },
    )
    page = found[:limit]
    more = page[-1]["ended_at"] + page[-1]["attempt_id"] if len(found) > limit else None
    kept = (*COLUMNS, "printer_id", "design_id")
    return [{name: item[name] for name in kept} for item in page], more


def as_csv(store: Store, asked: Period, member_id: str | None = None) -> Iterator[str]:
    """All prints of the period as CSV, newest first, read page by page."""
    yield _line(COLUMNS)
    before: str | None = None
    while True:
        with store.reading() as db:
            found, before = search(
                db, asked, member_id=member_id, before=before, limit=_AT_ONCE
            )  # fmt: skip
        yield "".join(_line([item[name] for name in COLUMNS]) for item in found)
        if before is None:
            return


def table(items: list[dict[str, Any]]) -> str:
    """A list of flat values as CSV, with the names of the first one's fields on top."""
    columns = [name for name, one in items[0].items() if not isinstance(one, (list, dict))] if (
        items
    ) else []  # fmt: skip
    return _line(columns) + "".join(_line([item[name] for name in columns]) for item in items)


def _line(values: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([_safe(one) for one in values])
    return text.getvalue()


def _safe(one: Any) -> Any:
    return f"'{one}" if isinstance(one, str) and one.startswith(_FORMULA) else one
