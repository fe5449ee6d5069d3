"""Finding designs: words in any order, ranked, narrowed by facets, as the viewer may see them."""

# ruff: noqa: S608  (statements are put together from constants of this room only)

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fabcoord.designs import facets, library
from fabcoord.designs.visibility import visible
from fabcoord.errors import BadInput
from fabcoord.members.roles import Member
from fabcoord.store.database import Row, rows, value
from fabcoord.store.sqlite import Database

_MOST_WORDS = 10
_LONGEST_WORD = 60
_MOST_RANKED = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for.

    Attributes:
        text: every word must occur, accents and case folded, the last one as a beginning.
        tags: all of them.
        owner: a member's name.
    """

    text: str = ""
    tags: tuple[str, ...] = ()
    licence: str = ""
    format: str = ""
    material: str = ""
    owner: str = ""

    @property
    def chosen(self) -> list[tuple[str, str]]:
        """The facets that it is narrowed to, as kind and value."""
        single = (
            ("licence", self.licence), ("format", self.format), ("material", self.material),
        )  # fmt: skip
        return [("tag", tag) for tag in dict.fromkeys(self.tags)] + [
            pair for pair in single if pair[1]
        ]


def search(
    db: Database, asked: Asked, viewer: Member, *, cursor: str | None = None, limit: int = 50
) -> tuple[list[dict[str, Any]], str | None]:
    """Designs in the shape of the API, and where the next page begins (or None).

    Best match first where words are looked for, newest first where not, or where more than
    `_MOST_RANKED` have them.
    """
    match = expression(asked.text)
    chosen = facets.identify(db, asked.chosen)
    if chosen is None:
        return [], None
    found, following = (
        _ranked(db, asked, viewer, match, chosen, _position(cursor, "o"), limit)
        if match
        else _newest(db, asked, viewer, chosen, _position(cursor, "n"), limit)
    )
    return [library.shape(db, item) for item in found], following


def count(db: Database, asked: Asked, viewer: Member) -> dict[str, Any]:
    """``{total, facets: {tag: [{value, count, chosen}], licence: …, format: …, material: …}}``."""
    chosen = facets.identify(db, asked.chosen)
    if chosen is None:
        return {"total": 0, "facets": {kind: [] for kind in facets.KINDS}}
    counted, total = facets.count(db, expression(asked.text), chosen, viewer, asked.owner)
    return {"total": total, "facets": counted}


def expression(text: str) -> str:
    """An FTS5 expression for the words of ``text``; quoted, so that no syntax gets through."""
    # A NUL would end the expression, quote or not; half a surrogate pair is no UTF-8.
    plain = text[:1000].replace('"', " ").replace("\0", " ").encode("utf-8", "ignore").decode()
    words = [word[:_LONGEST_WORD] for word in plain.split()[:_MOST_WORDS]]
    # Without a letter or digit there is nothing to look for, and FTS5 would look for nothing.
    quoted = [f'"{word}"' for word in words if any(char.isalnum() for char in word)]
    return " ".join(quoted) + "*" if quoted else ""


# The plus keeps SQLite from asking the index of words once for each design of the facets.
_NARROWED = (
    " AND +{number} IN (SELECT number FROM facets WHERE facet IN"
    " (SELECT value FROM json_each(:chosen)) GROUP BY number HAVING count(*) = :many)"
)


def _ranked(
    db: Database,
    asked: Asked,
    viewer: Member,
    match: str,
    chosen: list[int],
    offset: int | None,
    limit: int,
) -> tuple[list[Row], str | None]:
    begin = offset or 0
    # A word that is nearly everywhere tells nothing apart: its rank is noise, and takes long.
    order = "designs_search.rowid DESC" if _is_everywhere(db, match) else "rank"
    found = rows(
        db,
        "SELECT designs.*, members.name AS owner FROM designs_search"
        " CROSS JOIN designs ON designs.number = designs_search.rowid"
        " JOIN members ON members.id = owner_id"
        f" WHERE designs_search MATCH :match AND {visible(viewer)}"
        f" AND (:owner = '' OR members.name = :owner){_narrowed('designs_search.rowid', chosen)}"
        f" ORDER BY {order} LIMIT :limit OFFSET :begin",
        _given(asked, viewer, chosen) | {"match": match, "limit": limit + 1, "begin": begin},
    )
    return found[:limit], f"o{begin + limit}" if len(found) > limit else None


def _is_everywhere(db: Database, match: str) -> bool:
    sql = "SELECT count(*) FROM (SELECT 1 FROM designs_search WHERE designs_search MATCH ? LIMIT ?)"
    return int(value(db, sql, (match, _MOST_RANKED + 1))) > _MOST_RANKED


def _newest(
    db: Database,
    asked: Asked,
    viewer: Member,
    chosen: list[int],
    before: int | None,
    limit: int,
) -> tuple[list[Row], str | None]:
    found = rows(
        db,
        "SELECT designs.*, members.name AS owner FROM designs"
        " JOIN members ON members.id = owner_id"
        f" WHERE {visible(viewer)} AND (:before IS NULL OR designs.number < :before)"
        f" AND (:owner = '' OR members.name = :owner){_narrowed('designs.number', chosen)}"
        " ORDER BY designs.number DESC LIMIT :limit",
        _given(asked, viewer, chosen) | {"before": before, "limit": limit + 1},
    )
    return found[:limit], f"n{found[limit - 1]['number']}" if len(found) > limit else None


def _narrowed(number: str, chosen: list[int]) -> str:
    return _NARROWED.format(number=number) if chosen else ""


def _given(asked: Asked, viewer: Member, chosen: list[int]) -> dict[str, Any]:
    return {
        "viewer": viewer.id,
        "owner": asked.owner,
        "chosen": json.dumps(chosen),
        "many": len(chosen),
    }


def _position(cursor: str | None, kind: str) -> int | None:
    if cursor is None:
        return None
    digits = cursor[1:]
    if cursor[:1] != kind or not (digits.isascii() and digits.isdecimal() and len(digits) < 16):
        raise BadInput("That cursor belongs to another list.", hint="Begin again without it.")
    return int(digits)
