"""Collections: designs that a member put together, in an order, for whoever may see them."""

# ruff: noqa: S608  (statements are put together from constants of this room only)

from __future__ import annotations

from typing import Any

from fabcoord.designs import library, visibility
from fabcoord.errors import BadInput, Conflict, NotAllowed, NotFound, Stale
from fabcoord.members.roles import Member, Permission
from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now

MOST_DESIGNS = 500
_COLUMNS = (
    "SELECT collections.*, members.name AS owner FROM collections"
    " JOIN members ON members.id = owner_id"
)


def create(
    db: Database, owner: Member, *, title: str, description: str = "", visibility: str = "lab"
) -> str:
    """An empty collection; returns its id."""
    owner.require(Permission.CONTRIBUTE)
    collection_id = new_id()
    db.conn.execute(
        "INSERT INTO collections (id, title, description, owner_id, visibility, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (collection_id, _title(title), description, owner.id, _who(visibility), now()),
    )
    _tell(db, "collection.created", owner, collection_id)
    return collection_id


def update(
    db: Database, member: Member, collection_id: str, changes: dict[str, Any], version: int | None
) -> None:
    """Change title, description or visibility. Raises Stale for another ``version``."""
    _require_owner(db, member, collection_id)
    changed = row(
        db,
        "UPDATE collections SET version = version + 1, title = coalesce(:title, title),"
        " description = coalesce(:description, description),"
        " visibility = coalesce(:visibility, visibility)"
        " WHERE id = :id AND (:version IS NULL OR version = :version) RETURNING id",
        {
            "title": _title(changes["title"]) if "title" in changes else None,
            "description": changes.get("description"),
            "visibility": _who(changes["visibility"]) if "visibility" in changes else None,
            "id": collection_id,
            "version": version,
        },
    )
    if changed is None:
        raise Stale("The collection was changed since you read it.", hint="Read it again first.")
    _tell(db, "collection.changed", member, collection_id)


def delete(db: Database, member: Member, collection_id: str) -> None:
    """Remove the collection; its designs stay."""
    _require_owner(db, member, collection_id)
    db.conn.execute("UPDATE collections SET deleted_at = ? WHERE id = ?", (now(), collection_id))
    _tell(db, "collection.deleted", member, collection_id)


def put(db: Database, member: Member, collection_id: str, design_id: str) -> None:
    """Add a design at the end; one that is in it stays where it is."""
    _require_owner(db, member, collection_id)
    library.get(db, design_id, member)
    many, last = db.conn.execute(
        "SELECT count(*), coalesce(max(position), 0) FROM collection_items WHERE collection_id = ?",
        (collection_id,),
    ).fetchone()
    if many >= MOST_DESIGNS:
        raise Conflict(f"A collection holds at most {MOST_DESIGNS} designs.")
    db.conn.execute(
        "INSERT OR IGNORE INTO collection_items VALUES (?, ?, ?, ?)",
        (collection_id, design_id, last + 1, now()),
    )
    _touch(db, member, collection_id)


def take(db: Database, member: Member, collection_id: str, design_id: str) -> None:
    """Take a design out of the collection."""
    _require_owner(db, member, collection_id)
    db.conn.execute(
        "DELETE FROM collection_items WHERE collection_id = ? AND design_id = ?",
        (collection_id, design_id),
    )
    _touch(db, member, collection_id)


def reorder(
    db: Database, member: Member, collection_id: str, order: list[str], version: int | None
) -> None:
    """Bring its designs into this order; those that are not named come after, as they were."""
    _require_owner(db, member, collection_id)
    present = value(db, "SELECT version FROM collections WHERE id = ?", (collection_id,))
    if version is not None and version != present:
        raise Stale("The collection was changed since you read it.", hint="Read it again first.")
    held = [item["design_id"] for item in _items(db, collection_id)]
    if unknown := [design_id for design_id in order if design_id not in held]:
        raise BadInput(
            f"The design {unknown[0][:40]!r} is not in this collection.",
            fields={"designs": "unknown"},
        )
    named = list(dict.fromkeys(order))
    for position, design_id in enumerate([*named, *(one for one in held if one not in named)]):
        db.conn.execute(
            "UPDATE collection_items SET position = ? WHERE collection_id = ? AND design_id = ?",
            (position, collection_id, design_id),
        )
    _touch(db, member, collection_id)


def get(db: Database, viewer: Member, collection_id: str) -> dict[str, Any]:
    """A collection with those of its ``designs`` that ``viewer`` may see. Raises NotFound."""
    found = _row(db, collection_id)
    if not visibility.may_see(viewer, found):
        raise NotFound("There is no such collection.")
    designs = rows(
        db,
        "SELECT designs.*, members.name AS owner FROM collection_items"
        " JOIN designs ON designs.id = design_id JOIN members ON members.id = designs.owner_id"
        " WHERE collection_id = ? AND designs.deleted_at IS NULL ORDER BY position",
        (collection_id,),
    )
    seen = [library.shape(db, one) for one in designs if visibility.may_see(viewer, one)]
    return _shape(found) | {"designs": seen, "count": len(seen)}


def search(
    db: Database, viewer: Member, *, owner: str = "", design_id: str = ""
) -> list[dict[str, Any]]:
    """Collections that ``viewer`` may see, by title, with how many designs of each they may see."""
    found = rows(
        db,
        f"{_COLUMNS} WHERE deleted_at IS NULL AND (:owner = '' OR members.name = :owner)"
        " AND (owner_id = :viewer OR (visibility != 'private' AND hidden_at IS NULL))"
        " AND (:design = '' OR EXISTS (SELECT 1 FROM collection_items"
        "      WHERE collection_id = collections.id AND design_id = :design))"
        " ORDER BY title COLLATE NOCASE, collections.rowid LIMIT 200",
        {"owner": owner, "viewer": viewer.id, "design": design_id},
    )
    return [_shape(item) | {"count": _count(db, viewer, item["id"])} for item in found]


def _count(db: Database, viewer: Member, collection_id: str) -> int:
    designs = rows(
        db,
        "SELECT owner_id, visibility, hidden_at FROM collection_items"
        " JOIN designs ON designs.id = design_id WHERE collection_id = ? AND deleted_at IS NULL",
        (collection_id,),
    )
    return sum(visibility.may_see(viewer, one) for one in designs)


def _items(db: Database, collection_id: str) -> list[Row]:
    return rows(
        db,
        "SELECT design_id FROM collection_items WHERE collection_id = ? ORDER BY position",
        (collection_id,),
    )


def _touch(db: Database, member: Member, collection_id: str) -> None:
    db.conn.execute("UPDATE collections SET version = version + 1 WHERE id = ?", (collection_id,))
    _tell(db, "collection.changed", member, collection_id)


def _row(db: Database, collection_id: str) -> Row:
    found = row(db, f"{_COLUMNS} WHERE collections.id = ? AND deleted_at IS NULL", (collection_id,))
    if found is None:
        raise NotFound("There is no such collection.")
    return found


def _require_owner(db: Database, member: Member, collection_id: str) -> None:
    found = _row(db, collection_id)
    if not visibility.may_see(member, found):
        raise NotFound("There is no such collection.")
    if found["owner_id"] != member.id and not member.may(Permission.MODERATE):
        raise NotAllowed("This collection belongs to someone else.")


def _shape(found: Row) -> dict[str, Any]:
    kept = ("id", "title", "description", "owner", "visibility", "version", "created_at")
    return {name: found[name] for name in kept} | {"is_hidden": found["hidden_at"] is not None}


def _who(text: str) -> str:
    return visibility.normalise(text)


def _title(text: str) -> str:
    title = " ".join(text.split())
    if not title or len(title) > 200:
        raise BadInput("A collection's title has 1 to 200 characters.", fields={"title": "length"})
    return title


def _tell(db: Database, kind: str, member: Member, collection_id: str) -> None:
    emit(db, kind, member_id=member.id, actor=member.name, collection_id=collection_id)
