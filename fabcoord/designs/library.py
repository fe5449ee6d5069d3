"""The commons in this lab: designs with numbered revisions that never change."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fabcoord.designs import checks, licences, lineage
from fabcoord.designs.lineage import Source
from fabcoord.errors import BadInput, NotAllowed, NotFound, Stale
from fabcoord.members.roles import Member, Permission
from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now

_LONGEST_TITLE = 200
_MOST_TAGS = 20


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file whose bytes are stored already, or will be by ``keep`` when nothing is refused.

    ``claim`` uses up the upload that brought it, in the same transaction.
    """

    name: str
    sha256: str
    size: int
    format: str
    derived_from: str | None = None
    keep: Callable[[], object] | None = None
    claim: Callable[[Database], object] | None = None


def create(
    db: Database,
    owner: Member,
    *,
    title: str,
    licence: str,
    files: list[NewFile],
    description: str = "",
    tags: list[str] | None = None,
    attribution: str = "",
    forked_from: str | None = None,
    visibility: str = "lab",
    sources: Sequence[Source] = (),
) -> str:
    """Store a design with its first revision and have its files checked; returns its id.

    ``visibility`` is ``lab``, or ``private``: then it is not listed for others. ``sources`` is
    what it was made from. Raises LicenceConflict where they do not allow its licence.
    """
    owner.require(Permission.CONTRIBUTE)
    if not files:
        raise BadInput("A design needs at least one file.", fields={"file": "missing"})
    licence = licences.normalise(licence)
    lineage.require(db, owner.id, sources, licence, shared=visibility != "private")
    design_id = new_id()
    db.conn.execute(
        "INSERT INTO designs (id, title, owner_id, licence, description, tags, attribution,"
        " forked_from, visibility, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(design_id, _title(title), owner.id, licence, description),
            *(json.dumps(_tags(tags or [])), attribution, forked_from, visibility, now()),
        ),
    )
    lineage.record(db, design_id, sources)
    emit(db, "design.created", member_id=owner.id, actor=owner.name, design_id=design_id)
    _add_revision(db, owner, design_id, 1, files, "")
    return design_id


def add_revision(
    db: Database, author: Member, design_id: str, files: list[NewFile], note: str = ""
) -> int:
    """Add a revision; returns its number. Raises NotAllowed for who does not own the design."""
    require_owner(db, author, design_id)
    if not files:
        raise BadInput("A revision needs at least one file.", fields={"file": "missing"})
    lineage.require_revision(
        db, design_id, [one.sha256 for one in files if one.derived_from is None]
    )
    newest = value(db, "SELECT max(number) FROM revisions WHERE design_id = ?", (design_id,))
    _add_revision(db, author, design_id, newest + 1, files, note)
    return int(newest) + 1


def fork(
    db: Database,
    member: Member,
    design_id: str,
    *,
    licence: str = "",
    visibility: str = "lab",
) -> str:
    """A copy of the newest revision that belongs to ``member`` and names where it came from.

    ``licence`` is the parent's own unless given. Raises LicenceConflict where the parent does not
    allow it; what may be changed for oneself alone can be forked as ``private``.
    """
    parent = get(db, design_id)
    files = [
        NewFile(item["name"], item["sha256"], item["size"], item["format"], item["derived_from"])
        for item in parent["revision"]["files"]
    ]
    attribution = parent["attribution"] or f"{parent['title']} by {parent['owner']}"
    return create(
        db,
        member,
        title=parent["title"],
        licence=licence or parent["licence"],
        files=files,
        description=parent["description"],
        tags=parent["tags"],
        attribution=attribution,
        forked_from=design_id,
        visibility=visibility,
        sources=[lineage.of_design(db, design_id)],
    )


def update(
    db: Database, member: Member, design_id: str, changes: dict[str, Any], version: int | None
) -> None:
    """Change title, licence, description, tags or attribution.

    Raises Stale when ``version`` (from If-Match) is not the present one.
    """
    require_owner(db, member, design_id)
    licence = licences.normalise(changes["licence"]) if "licence" in changes else None
    if licence is not None:
        shared = get(db, design_id)["visibility"] != "private"
        lineage.require_change(db, design_id, licence, shared=shared)
    made = {
        "title": _title(changes["title"]) if "title" in changes else None,
        "licence": licence,
        "tags": json.dumps(_tags(changes["tags"])) if "tags" in changes else None,
        "description": changes.get("description"),
        "attribution": changes.get("attribution"),
    }
    changed = row(
        db,
        "UPDATE designs SET version = version + 1, title = coalesce(:title, title),"
        " licence = coalesce(:licence, licence), tags = coalesce(:tags, tags),"
        " description = coalesce(:description, description),"
        " attribution = coalesce(:attribution, attribution)"
        " WHERE id = :id AND (:version IS NULL OR version = :version) RETURNING id",
        {**made, "id": design_id, "version": version},
    )
    if changed is None:
        raise Stale("The design was changed since you read it.", hint="Read it again first.")
    emit(db, "design.changed", member_id=member.id, actor=member.name, design_id=design_id)


def delete(db: Database, member: Member, design_id: str) -> None:
    """Take the design out of the library; prints and revisions that name it stay readable."""
    require_owner(db, member, design_id)
    db.conn.execute("UPDATE designs SET deleted_at = ? WHERE id = ?", (now(), design_id))
    emit(db, "design.deleted", member_id=member.id, actor=member.name, design_id=design_id)


def get(db: Database, design_id: str) -> dict[str, Any]:
    """The design in the shape of the API, with its newest revision. Raises NotFound."""
    found = row(
        db,
        "SELECT designs.*, members.name AS owner FROM designs JOIN members"
        " ON members.id = owner_id WHERE designs.id = ? AND deleted_at IS NULL",
        (design_id,),
    )
    if found is None:
        raise NotFound("There is no such design.")
    return _shape(db, found)


def search(
    db: Database,
    *,
    text: str = "",
    tag: str = "",
    licence: str = "",
    owner: str = "",
    viewer: Member | None = None,
    before: int | None = None,
    limit: int = 50,
) -> tuple[list[dict[str, Any]], int | None]:
    """Designs newest first, and where the next page begins (or None).

    ``text`` is full-text: every word must occur, accents and case folded, the last as a prefix.
    """
    found = rows(
        db,
        "SELECT designs.*, members.name AS owner FROM designs"
        " JOIN members ON members.id = owner_id"
        " WHERE deleted_at IS NULL AND (:before IS NULL OR number < :before)"
        " AND (visibility != 'private' OR owner_id = :viewer)"
        " AND (:match = '' OR number IN"
        "   (SELECT rowid FROM designs_search WHERE designs_search MATCH :match))"
        " AND (:tag = '' OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = :tag))"
        " AND (:licence = '' OR licence = :licence) AND (:owner = '' OR members.name = :owner)"
        " ORDER BY number DESC LIMIT :limit",
        {
            "before": before,
            "viewer": viewer.id if viewer else "",
            "match": _match(text),
            "tag": tag,
            "licence": licence,
            "owner": owner,
            "limit": limit + 1,
        },
    )
    more = found[limit - 1]["number"] if len(found) > limit else None
    return [_shape(db, item) for item in found[:limit]], more


def revisions(db: Database, design_id: str) -> list[dict[str, Any]]:
    """All revisions of a design, newest first, in the shape of the API."""
    get(db, design_id)
    found = rows(
        db, "SELECT * FROM revisions WHERE design_id = ? ORDER BY number DESC", (design_id,)
    )
    return [_revision(db, item) for item in found]


def file(db: Database, file_id: str) -> dict[str, Any]:
    """One file in the shape of the API, plus ``design_id`` and ``revision``. Raises NotFound."""
    found = row(db, "SELECT * FROM files WHERE id = ?", (file_id,))
    if found is None:
        raise NotFound("There is no such file.")
    return _file(db, found) | {"design_id": found["design_id"], "revision": found["revision"]}


def files_of(db: Database, design_id: str, revision: int) -> list[dict[str, Any]]:
    """The files of one revision in the shape of the API."""
    found = rows(
        db,
        "SELECT * FROM files WHERE design_id = ? AND revision = ? ORDER BY rowid",
        (design_id, revision),
    )
    return [_file(db, item) for item in found]


def _add_revision(
    db: Database, author: Member, design_id: str, number: int, files: list[NewFile], note: str
) -> None:
    db.conn.execute(
        "INSERT INTO revisions (design_id, number, author_id, note, created_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (design_id, number, author.id, note, now()),
    )
    for new in files:
        db.conn.execute(
            "INSERT INTO files (id, design_id, revision, name, sha256, size, format, derived_from,"
            " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(new_id(), design_id, number, new.name, new.sha256, new.size, new.format),
                *(new.derived_from, now()),
            ),
        )
        checks.ensure(db, new.sha256, new.format)
        if new.claim is not None:
            new.claim(db)
        if new.keep is not None:
            db.before_commit.append(new.keep)
    emit(
        db, "revision.created", member_id=author.id, actor=author.name, design_id=design_id,
        number=number,
    )  # fmt: skip


def require_owner(db: Database, member: Member, design_id: str) -> None:
    """Raise NotFound or NotAllowed unless ``member`` may change the design."""
    owner = value(
        db, "SELECT owner_id FROM designs WHERE id = ? AND deleted_at IS NULL", (design_id,)
    )
    if owner is None:
        raise NotFound("There is no such design.")
    if owner != member.id and not member.may(Permission.RUN_PRINTERS):
        raise NotAllowed("This design belongs to someone else.", hint="Fork it to change it.")


def _shape(db: Database, found: Row) -> dict[str, Any]:
    newest = row(
        db,
        "SELECT * FROM revisions WHERE design_id = ? ORDER BY number DESC LIMIT 1",
        (found["id"],),
    )
    kept = (
        "id",
        "title",
        "owner",
        "licence",
        "description",
        "attribution",
        "forked_from",
        "visibility",
    )
    return {
        **{name: found[name] for name in kept},
        "tags": json.loads(found["tags"]),
        "revision": _revision(db, newest) if newest else None,
        "created_at": found["created_at"],
        "version": found["version"],
    }


def _revision(db: Database, found: Row) -> dict[str, Any]:
    return {
        "number": found["number"],
        "note": found["note"],
        "created_at": found["created_at"],
        "files": files_of(db, found["design_id"], found["number"]),
    }


def _file(db: Database, found: Row) -> dict[str, Any]:
    check = checks.report(db, found["sha256"], found["format"])
    return {
        **{name: found[name] for name in ("id", "name", "sha256", "size", "format")},
        "state": checks.file_state(check),
        "check": check,
        "derived_from": found["derived_from"],
        "preview_url": f"/api/v1/files/{found['id']}/preview.png",
        "created_at": found["created_at"],
    }


def _title(text: str) -> str:
    title = " ".join(text.split())
    if not title or len(title) > _LONGEST_TITLE:
        raise BadInput(
            f"A design's title has 1 to {_LONGEST_TITLE} characters.", fields={"title": "length"}
        )
    return title


def _tags(tags: list[str]) -> list[str]:
    cleaned = dict.fromkeys(" ".join(tag.split()).lower()[:50] for tag in tags)
    return [tag for tag in cleaned if tag][:_MOST_TAGS]


def _match(text: str) -> str:
    """An FTS5 expression for the words of ``text``; quoted, so that no syntax gets through."""
    # A NUL would end the expression, quote or not.
    words = [word.replace('"', "").replace("\0", "") for word in text.split()[:10]]
    quoted = [f'"{word}"' for word in words if word]
    return " ".join(quoted) + "*" if quoted else ""
