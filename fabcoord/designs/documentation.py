"""A design's documentation: Markdown with a history, where no edit is ever lost."""

from __future__ import annotations

from typing import Any

from fabcoord.designs import library
from fabcoord.errors import BadInput, NotFound, Stale
from fabcoord.members.roles import Member
from fabcoord.store.database import row, rows
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import now

LONGEST_TEXT = 100_000

_EMPTY = {"version": 0, "text": "", "author": None, "note": "", "created_at": None}
_COLUMNS = (
    "SELECT version, text, members.name AS author, note, restored_from, documentation.created_at"
    " FROM documentation JOIN members ON members.id = author_id WHERE design_id = ?"
)


def current(db: Database, design_id: str) -> dict[str, Any]:
    """``{version, text, author, note, restored_from, created_at}``; version 0 for none yet."""
    found = row(db, f"{_COLUMNS} ORDER BY version DESC LIMIT 1", (design_id,))
    return found or _EMPTY | {"restored_from": None}


def at(db: Database, design_id: str, version: int) -> dict[str, Any]:
    """One version of it. Raises NotFound."""
    found = row(db, f"{_COLUMNS} AND version = ?", (design_id, version))
    if found is None:
        raise NotFound(f"The documentation of this design has no version {version}.")
    return found


def history(db: Database, design_id: str) -> list[dict[str, Any]]:
    """All versions, newest first, with ``length`` instead of the text."""
    found = rows(db, f"{_COLUMNS} ORDER BY version DESC", (design_id,))
    return [
        {name: item[name] for name in item if name != "text"} | {"length": len(item["text"])}
        for item in found
    ]


def write(
    db: Database, author: Member, design_id: str, text: str, version: int | None, note: str = ""
) -> int:
    """Make ``text`` the documentation; returns its version.

    ``version`` is the one that the author began from (0 for none). Raises Stale, which carries
    the present text, when it is not the present one; nothing of either is lost.
    """
    library.require_owner(db, author, design_id)
    text = text.replace("\r\n", "\n")
    if len(text) > LONGEST_TEXT:
        raise BadInput(
            f"Documentation has at most {LONGEST_TEXT:,} characters.",
            hint="Move parts of it into files of the design.",
            fields={"text": "too long"},
        )
    return _write(db, author, design_id, text, version, note, None)


def restore(db: Database, author: Member, design_id: str, number: int, version: int | None) -> int:
    """Make an older version the newest again; returns the number of the new one."""
    library.require_owner(db, author, design_id)
    text = at(db, design_id, number)["text"]
    return _write(db, author, design_id, text, version, f"Version {number} restored.", number)


def _write(
    db: Database,
    author: Member,
    design_id: str,
    text: str,
    version: int | None,
    note: str,
    restored_from: int | None,
) -> int:
    present = current(db, design_id)
    if version != present["version"]:
        raise _stale(present, version)
    if text == present["text"]:
        return int(present["version"])
    number = int(present["version"]) + 1
    db.conn.execute(
        "INSERT INTO documentation VALUES (?, ?, ?, ?, ?, ?, ?)",
        (design_id, number, text, author.id, note, restored_from, now()),
    )
    db.conn.execute(
        "UPDATE designs SET documentation = ?, documentation_version = ? WHERE id = ?",
        (text, number, design_id),
    )
    emit(
        db, "documentation.changed", member_id=author.id, actor=author.name, design_id=design_id,
        version=number,
    )  # fmt: skip
    return number


def _stale(present: dict[str, Any], version: int | None) -> Stale:
    extra: dict[str, object] = {"current": present}
    if version is None:
        return Stale(
            "A change has to say which version it began from.",
            hint=f"Send If-Match, or the field version; the present one is {present['version']}.",
            extra=extra,
        )
    return Stale(
        f"{present['author'] or 'Somebody'} changed the documentation since you read it.",
        hint="Yours was not stored. Bring the two together and send it for version"
        f" {present['version']}.",
        extra=extra,
    )
