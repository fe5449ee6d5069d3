"""What a search can be narrowed by: tag, licence, format and material, with their counts."""

# ruff: noqa: S608  (statements are put together from constants of this room only)

from __future__ import annotations

import json
from typing import Any

from fabcoord.designs.visibility import PUBLIC
from fabcoord.members.roles import Member
from fabcoord.store.database import row, rows, value
from fabcoord.store.sqlite import Database

KINDS = ("tag", "licence", "format", "material")
_MOST_VALUES = 12
_MANY = 5_000  # designs found, from which it is worth to look at the others instead


def refresh(db: Database, design_id: str) -> None:
    """Write down anew what one design is found by; call it in the transaction that changed it."""
    design = row(db, "SELECT * FROM designs WHERE id = ?", (design_id,)) or {}
    number = design["number"]
    db.conn.execute("DELETE FROM facets WHERE number = ?", (number,))
    if design["deleted_at"] is not None:
        return
    files = rows(
        db,
        "SELECT DISTINCT format FROM files WHERE design_id = :id AND revision ="
        " (SELECT max(number) FROM revisions WHERE design_id = :id)",
        {"id": design_id},
    )
    materials = rows(db, "SELECT material FROM printed_materials WHERE design_id = ?", (design_id,))
    found = [
        *(("tag", tag) for tag in json.loads(design["tags"])),
        ("licence", design["licence"]),
        *(("format", one["format"]) for one in files),
        *(("material", one["material"]) for one in materials),
    ]
    listed = design["visibility"] != "private" and design["hidden_at"] is None
    for pair in found:
        db.conn.execute("INSERT OR IGNORE INTO facet_values (kind, value) VALUES (?, ?)", pair)
        db.conn.execute(
            "INSERT OR IGNORE INTO facets SELECT ?, facet, ? FROM facet_values"
            " WHERE kind = ? AND value = ?",
            (number, listed, *pair),
        )


def printed_in(db: Database, design_id: str, material: str) -> None:
    """Remember that the design was printed in this material."""
    if material:
        db.conn.execute(
            "INSERT OR IGNORE INTO printed_materials VALUES (?, ?)", (design_id, material)
        )
        refresh(db, design_id)


def identify(db: Database, chosen: list[tuple[str, str]]) -> list[int] | None:
    """The numbers of chosen facets, given as kind and value; None where one is on no design."""
    found = [
        value(db, "SELECT facet FROM facet_values WHERE kind = ? AND value = ?", pair)
        for pair in chosen
    ]
    return None if None in found else found


def count(
    db: Database, match: str, chosen: list[int], viewer: Member, owner: str = ""
) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """By kind, the most frequent values among what a search finds; and how many it finds.

    Args:
        match: an FTS5 expression; empty for all designs.
        chosen: the facets that the search is narrowed to.
        viewer: whose private designs count as well; for a visitor only what is public counts.
        owner: the name of the only member whose designs count; empty for everybody's.
    """
    counted: dict[int, int] = {}
    given = {
        "match": match,
        "chosen": json.dumps(chosen),
        "most": len(chosen),
        "me": viewer.id,
        "owner": owner,
    }
    most = _of_most(db, match) if match and not (chosen or owner or viewer.is_visitor) else None
    if most is not None:
        counted |= most
    for own in (True,) if most is not None else (False,) if viewer.is_visitor else (False, True):
        sql = _query(match, chosen, owner, own=own, public=viewer.is_visitor)
        for facet, many in db.conn.execute(sql, given):
            counted[facet] = counted.get(facet, 0) + many
    shown: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    total = 0
    named = {
        item["facet"]: item
        for item in rows(
            db,
            "SELECT * FROM facet_values WHERE facet IN (SELECT value FROM json_each(?))",
            (json.dumps(list(counted)),),
        )
    }
    for facet, many in sorted(counted.items(), key=lambda one: (-one[1], one[0])):
        kind = named[facet]["kind"]
        total += many if kind == "licence" else 0  # every design has exactly one
        if len(shown[kind]) < _MOST_VALUES or facet in chosen:
            shown[kind].append(
                {"value": named[facet]["value"], "count": many, "chosen": facet in chosen}
            )
    return shown, total


def _of_most(db: Database, match: str) -> dict[int, int] | None:
    """Counts of what is listed and found, where that is most of the library; else None.

    Then it is quicker to take away what is not found from the counts of all.
    """
    sql = "SELECT rowid FROM designs_search WHERE designs_search MATCH ?"
    found = {number for (number,) in db.conn.execute(sql, (match,))}
    if len(found) <= _MANY:
        return None
    listed = {
        number
        for (number,) in db.conn.execute(  # every design has exactly one licence
            "SELECT number FROM facet_values CROSS JOIN facets USING (facet)"
            " WHERE kind = 'licence' AND listed = 1"
        )
    }
    others = listed - found
    if 2 * len(others) > len(listed):
        return None
    counted = dict(
        db.conn.execute("SELECT facet, count(*) FROM facets WHERE listed = 1 GROUP BY facet")
    )
    for facet, many in db.conn.execute(
        "SELECT facet, count(*) FROM json_each(?) AS other CROSS JOIN facets"
        " ON number = other.value WHERE listed = 1 GROUP BY facet",
        (json.dumps(list(others)),),
    ):
        counted[facet] -= many
    return {facet: many for facet, many in counted.items() if many}


def _query(match: str, chosen: list[int], owner: str, *, own: bool, public: bool) -> str:
    """Counts over what is listed for everybody, or over what only ``:me`` sees.

    What is common comes from the facets alone: rows of designs are wide, and reading 20,000 of
    them takes longer than counting.
    """
    conditions = [f"listed = {0 if own else 1}"]
    if match:
        source = "found CROSS JOIN facets USING (number)"
    elif chosen:
        source = "narrowed CROSS JOIN facets USING (number)"
    else:
        source = "facets"
    if owner:
        conditions.append(
            "number IN (SELECT number FROM designs JOIN members ON members.id = owner_id"
            " WHERE members.name = :owner)"
        )
    if own:
        conditions.append(
            "number IN (SELECT number FROM designs WHERE owner_id = :me AND deleted_at IS NULL)"
        )
    if public:
        conditions.append(f"number IN (SELECT number FROM designs WHERE {PUBLIC})")
    parts = []
    if chosen:
        parts.append(
            "narrowed AS MATERIALIZED (SELECT number FROM facets"
            " WHERE facet IN (SELECT value FROM json_each(:chosen))"
            " GROUP BY number HAVING count(*) = :most)"
        )
    if match:
        within = " AND +rowid IN narrowed" if chosen else ""
        parts.append(
            "found AS MATERIALIZED (SELECT rowid AS number FROM designs_search"
            f" WHERE designs_search MATCH :match{within})"
        )
    opening = f"WITH {', '.join(parts)} " if parts else ""
    where = " AND ".join(conditions)
    return f"{opening}SELECT facet, count(*) FROM {source} WHERE {where} GROUP BY facet"
