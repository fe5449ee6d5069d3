"""Spools as a table for spreadsheets, out and in."""

from __future__ import annotations

import csv
import io
from typing import Any

from fabcoord.errors import BadInput
from fabcoord.members.roles import Member
from fabcoord.queue import spools
from fabcoord.store.sqlite import Database

COLUMNS = (
    *("id", "material", "colour", "diameter_mm", "vendor", "location", "initial_g"),
    *("remaining_g", "empty_g", "low_g", "price_minor", "opened_on", "dried_on", "note"),
    *("printer", "archived_at"),
)
_NUMBERS = ("diameter_mm", "initial_g", "remaining_g", "empty_g", "low_g")
_SHOWN_ONLY = ("printer", "archived_at")
_MOST_ROWS = 2000


def export(db: Database) -> str:
    """All spools, those put away included."""
    out = io.StringIO()
    table = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\r\n")
    table.writeheader()
    for spool in spools.everyone(db) + spools.everyone(db, archived=True):
        table.writerow({name: harmless(spool[name]) for name in COLUMNS})
    return out.getvalue()


def take(db: Database, member: Member, text: str) -> dict[str, int]:
    """Add the spools of a table, and change those whose ``id`` is known; all of it or nothing.

    Returns how many were ``added`` and ``changed``. Raises BadInput that names the line.
    """
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    unknown = set(reader.fieldnames or ()) - set(COLUMNS)
    if unknown or "material" not in (reader.fieldnames or ()):
        raise BadInput(
            "That is not a table of spools.", hint=f"Its columns are: {', '.join(COLUMNS)}."
        )
    done = {"added": 0, "changed": 0}
    try:
        for line in reader:
            if reader.line_num > _MOST_ROWS:
                raise BadInput(f"At most {_MOST_ROWS} spools at once.")
            done["changed" if _take_line(db, member, line) else "added"] += 1
    except csv.Error as error:
        raise BadInput(f"Line {reader.line_num}: {error}.") from error
    except BadInput as error:
        raise BadInput(
            f"Line {reader.line_num}: {error.detail}", hint=error.hint, fields=error.fields
        ) from error
    return done


def harmless(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula; `take` reads it back as it was."""
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return "" if cell is None else cell


def _take_line(db: Database, member: Member, line: dict[str, str]) -> bool:
    if None in line:
        raise BadInput("It has more cells than the table has columns.")
    given: dict[str, Any] = {}
    for name, cell in line.items():
        text = (cell or "").strip()
        if name in _SHOWN_ONLY or not text:
            continue
        text = text[1:] if text[:2] in ("'=", "'+", "'-", "'@") else text
        given[name] = _number(name, text)
    spool_id = given.pop("id", None)
    everyone = spools.everyone(db) + spools.everyone(db, archived=True)
    known = next((one for one in everyone if one["id"] == spool_id), None)
    if known and known["spoolman_id"] is not None:
        return True  # it is kept elsewhere
    if known:
        spools.update(db, member, str(spool_id), given, None)
    else:
        spools.create(db, member, given)
    return bool(known)


def _number(name: str, text: str) -> Any:
    try:
        if name in _NUMBERS:
            return float(text)
        return int(text) if name == "price_minor" else text
    except ValueError as error:
        raise BadInput(f"{name} is not a number.", fields={name: "a number"}) from error
