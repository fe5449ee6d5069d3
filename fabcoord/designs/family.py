"""The family of a design: what it was made from and what was made from it, also across labs."""

from __future__ import annotations

from typing import Any

from fabcoord.designs import lineage, visibility
from fabcoord.designs.lineage import Source
from fabcoord.members.roles import Member
from fabcoord.store.database import row, rows, value
from fabcoord.store.sqlite import Database

_DEEPEST = 20
_MOST_CHILDREN = 50


def tree(db: Database, viewer: Member | None, design_id: str) -> dict[str, Any]:
    """``{up: [what it was made from, each with its own up], down: [forks, each with its down]}``.

    Each is ``{design, revision, sha256, address, title, owner, licence, is_seen, is_here}``.
    ``design`` is the id in this lab, also of a parent from elsewhere whose very content is here
    too. Of designs that ``viewer`` may not see there is nothing but ``is_seen: false``.
    """
    return {"up": _up(db, viewer, design_id, ()), "down": _down(db, viewer, design_id, ())}


def parent_of(db: Database, design_id: str, source: Source) -> dict[str, Any]:
    """A source as ``{design, revision, sha256, address, title, owner, licence}``."""
    here = source.parent_id
    if here is None and source.sha256:
        here = value(
            db, "SELECT design_id FROM revisions WHERE sha256 = ? AND design_id != ? LIMIT 1",
            (source.sha256, design_id),
        )  # fmt: skip
    revision = None
    if here is not None and source.sha256:
        revision = value(
            db, "SELECT max(number) FROM revisions WHERE design_id = ? AND sha256 = ?",
            (here, source.sha256),
        )  # fmt: skip
    return {
        "design": here,
        "revision": revision,
        "sha256": source.sha256,
        "address": source.url or (f"/designs/{here}" if here else ""),
        "title": source.title,
        "owner": source.author,
        "licence": source.licence,
    }


def _up(
    db: Database, viewer: Member | None, design_id: str, seen: tuple[str, ...]
) -> list[dict[str, Any]]:
    if design_id in seen or len(seen) >= _DEEPEST:
        return []
    above = []
    for source in lineage.of(db, design_id):
        parent = parent_of(db, design_id, source)
        design = row(db, "SELECT * FROM designs WHERE id = ?", (parent["design"],))
        if design is None:
            above.append(parent | {"is_seen": True, "is_here": False, "up": []})
        elif not visibility.may_see(viewer, design):
            above.append({"is_seen": False, "is_here": True, "up": []})
        else:
            further = _up(db, viewer, design["id"], (*seen, design_id))
            is_here = design["deleted_at"] is None
            above.append(parent | {"is_seen": True, "is_here": is_here, "up": further})
    return above


def _down(
    db: Database, viewer: Member | None, design_id: str, seen: tuple[str, ...]
) -> list[dict[str, Any]]:
    if design_id in seen or len(seen) >= _DEEPEST:
        return []
    children = rows(
        db,
        "SELECT DISTINCT designs.*, members.name AS owner FROM design_sources"
        " JOIN designs ON designs.id = design_id JOIN members ON members.id = owner_id"
        " WHERE deleted_at IS NULL AND (parent_id = :id OR (parent_id IS NULL"
        " AND design_sources.sha256 IN (SELECT sha256 FROM revisions"
        " WHERE revisions.design_id = :id AND sha256 != '')))"
        " ORDER BY designs.number LIMIT :most",
        {"id": design_id, "most": _MOST_CHILDREN},
    )
    below = []
    for child in children:
        if not visibility.may_see(viewer, child):
            below.append({"is_seen": False, "is_here": True, "down": []})
            continue
        said = {
            "design": child["id"],
            "address": f"/designs/{child['id']}",
            **{name: child[name] for name in ("title", "owner", "licence")},
            "is_seen": True,
            "is_here": True,
        }
        below.append(said | {"down": _down(db, viewer, child["id"], (*seen, design_id))})
    return below
