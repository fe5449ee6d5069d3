"""The commons in this lab: designs with numbered revisions that never change."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fabcoord.designs import checks, facets, licences, lineage
from fabcoord.designs import tags as spelling
from fabcoord.designs import visibility as rules
from fabcoord.designs.lineage import Source
from fabcoord.designs.revisions import content_sha256
from fabcoord.errors import BadInput, Conflict, NotAllowed, NotFound, Stale
from fabcoord.members.roles import Member, Permission
from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now

_LONGEST_TITLE = 200


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
    id: str | None = None  # where it was promised one; else it gets a new one
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
    origin: Source | None = None,
    note: str = "",
) -> str:
    """Store a design with its first revision and have its files checked; returns its id.

    Args:
        visibility: ``private``, ``lab`` or ``public``, see `visibility.Visibility`.
        sources: what it was made from. Raises LicenceConflict where they do not allow its licence.
        origin: the work from elsewhere that it is a plain copy of.
        note: of the first revision.
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
            *(_tags(tags or []), attribution, forked_from, rules.normalise(visibility), now()),
        ),
    )
    lineage.record(db, design_id, sources, origin)
    emit(db, "design.created", member_id=owner.id, actor=owner.name, design_id=design_id)
    _add_revision(db, owner, design_id, 1, files, note)
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
    return _add_revision(db, author, design_id, _newest_number(db, design_id) + 1, files, note)


def restore(db: Database, author: Member, design_id: str, number: int, note: str = "") -> int:
    """Add a revision that equals an older one; returns its number."""
    require_owner(db, author, design_id)
    files = stored_files(db, design_id, number)
    if not files:
        raise NotFound(f"This design has no revision {number}.")
    newest = _newest_number(db, design_id)
    if newest == number:
        raise Conflict(f"Revision {number} is the newest: there is nothing to restore.")
    said = note or f"Revision {number} restored."
    return _add_revision(db, author, design_id, newest + 1, files, said, restored_from=number)


def fork(
    db: Database,
    member: Member,
    design_id: str,
    *,
    licence: str = "",
    visibility: str = "lab",
    title: str = "",
) -> str:
    """A copy of the newest revision that belongs to ``member`` and names where it came from.

    ``licence`` is the parent's own unless given. Raises LicenceConflict where the parent does not
    allow it; what may be changed for oneself alone can be forked as ``private``.
    """
    parent = get(db, design_id)
    return create(
        db,
        member,
        title=title or parent["title"],
        licence=licence or parent["licence"],
        files=stored_files(db, design_id, parent["revision"]["number"]),
        description=parent["description"],
        tags=parent["tags"],
        attribution=parent["attribution"] or f"{parent['title']} by {parent['owner']}",
        forked_from=design_id,
        # What was copied from a private design stays private until its new owner says otherwise.
        visibility="private" if parent["visibility"] == "private" else visibility,
        sources=[lineage.of_design(db, design_id)],
    )


def update(
    db: Database, member: Member, design_id: str, changes: dict[str, Any], version: int | None
) -> None:
    """Change title, licence, description, tags, attribution or visibility.

    Raises Stale when ``version`` (from If-Match) is not the present one.
    """
    require_owner(db, member, design_id)
    licence = licences.normalise(changes["licence"]) if "licence" in changes else None
    seen_by = rules.normalise(changes["visibility"]) if "visibility" in changes else None
    if licence is not None or seen_by is not None:
        present = get(db, design_id)
        shared = (seen_by or present["visibility"]) != rules.Visibility.PRIVATE
        lineage.require_change(db, design_id, licence or present["licence"], shared=shared)
    made = {
        "title": _title(changes["title"]) if "title" in changes else None,
        "licence": licence,
        "tags": _tags(changes["tags"]) if "tags" in changes else None,
        "visibility": seen_by,
        "description": changes.get("description"),
        "attribution": changes.get("attribution"),
    }
    changed = row(
        db,
        "UPDATE designs SET version = version + 1, title = coalesce(:title, title),"
        " licence = coalesce(:licence, licence), tags = coalesce(:tags, tags),"
        " description = coalesce(:description, description),"
        " visibility = coalesce(:visibility, visibility),"
        " attribution = coalesce(:attribution, attribution)"
        " WHERE id = :id AND (:version IS NULL OR version = :version) RETURNING id",
        {**made, "id": design_id, "version": version},
    )
    if changed is None:
        raise Stale("The design was changed since you read it.", hint="Read it again first.")
    facets.refresh(db, design_id)
    emit(
        db, "design.changed", member_id=member.id, actor=member.name, design_id=design_id,
        fields=sorted(changes),
    )  # fmt: skip


def delete(db: Database, member: Member, design_id: str) -> None:
    """Take the design out of the library; prints and revisions that name it stay readable.

    Its bytes go with a garbage collection some weeks later; until then `undelete` brings it back.
    """
    require_owner(db, member, design_id)
    db.conn.execute("UPDATE designs SET deleted_at = ? WHERE id = ?", (now(), design_id))
    facets.refresh(db, design_id)
    emit(db, "design.deleted", member_id=member.id, actor=member.name, design_id=design_id)


def undelete(db: Database, member: Member, design_id: str) -> None:
    """Bring a removed design back, while its files are still kept."""
    design = row(db, "SELECT owner_id, deleted_at FROM designs WHERE id = ?", (design_id,))
    if design is None or design["deleted_at"] is None:
        raise NotFound("There is no such design among the removed ones.")
    if design["owner_id"] != member.id:
        member.require(Permission.MODERATE)
    back = row(
        db,
        "UPDATE designs SET deleted_at = NULL WHERE id = ? AND purged_at IS NULL RETURNING id",
        (design_id,),
    )
    if back is None:
        raise Conflict("Its files are gone for good.", hint="Upload them again.")
    facets.refresh(db, design_id)
    emit(db, "design.restored", member_id=member.id, actor=member.name, design_id=design_id)


def get(db: Database, design_id: str, viewer: Member | None = None) -> dict[str, Any]:
    """The design in the shape of the API, with its newest revision. Raises NotFound.

    With a ``viewer`` also when that member may not see it. Routes with a design in their path
    are guarded already; what names one in its body has to say who asks.
    """
    found = row(
        db,
        "SELECT designs.*, members.name AS owner FROM designs JOIN members"
        " ON members.id = owner_id WHERE designs.id = ? AND deleted_at IS NULL",
        (design_id,),
    )
    if found is None or (viewer is not None and not rules.may_see(viewer, found)):
        raise NotFound("There is no such design.")
    return shape(db, found)


def revisions(db: Database, design_id: str) -> list[dict[str, Any]]:
    """All revisions of a design, newest first, in the shape of the API."""
    get(db, design_id)
    found = rows(
        db,
        "SELECT revisions.*, members.name AS author FROM revisions"
        " JOIN members ON members.id = author_id WHERE design_id = ? ORDER BY number DESC",
        (design_id,),
    )
    return [_revision(db, item) for item in found]


def file(db: Database, file_id: str, viewer: Member | None = None) -> dict[str, Any]:
    """One file in the shape of the API, plus ``design_id`` and ``revision``. Raises NotFound.

    With a ``viewer`` also when that member may not see the design, as `get`.
    """
    found = row(db, "SELECT * FROM files WHERE id = ?", (file_id,))
    if found is None:
        raise NotFound("There is no such file.")
    if viewer is not None:
        rules.require_design(db, viewer, found["design_id"])
    return _file(db, found) | {"design_id": found["design_id"], "revision": found["revision"]}


def files_of(db: Database, design_id: str, revision: int) -> list[dict[str, Any]]:
    """The files of one revision in the shape of the API."""
    found = rows(
        db,
        "SELECT * FROM files WHERE design_id = ? AND revision = ? ORDER BY rowid",
        (design_id, revision),
    )
    return [_file(db, item) for item in found]


def stored_files(db: Database, design_id: str, number: int) -> list[NewFile]:
    """The files of a revision, to be in another one as well."""
    found = rows(
        db,
        "SELECT name, sha256, size, format, derived_from FROM files"
        " WHERE design_id = ? AND revision = ? ORDER BY rowid",
        (design_id, number),
    )
    return [NewFile(**item) for item in found]


def require_owner(db: Database, member: Member, design_id: str) -> None:
    """Raise NotFound or NotAllowed unless ``member`` may change this design."""
    design = row(db, "SELECT * FROM designs WHERE id = ? AND deleted_at IS NULL", (design_id,))
    if design is None or not rules.may_see(member, design):
        raise NotFound("There is no such design.")
    if design["owner_id"] != member.id and not member.may(Permission.MODERATE):
        raise NotAllowed("This design belongs to someone else.", hint="Fork it to change it.")


def shape(db: Database, found: Row) -> dict[str, Any]:
    """A design's row (with the ``owner``'s name) in the shape of the API."""
    design_id = found["id"]
    newest = row(
        db,
        "SELECT revisions.*, members.name AS author FROM revisions"
        " JOIN members ON members.id = author_id"
        " WHERE design_id = ? ORDER BY number DESC LIMIT 1",
        (design_id,),
    )
    counted = row(db, _COUNTS, {"id": design_id}) or {}
    kept = (
        *("id", "title", "owner", "licence", "description", "attribution", "forked_from"),
        *("visibility", "created_at", "version", "hidden_reason"),
    )
    main = found["main_picture_id"]
    return {
        **{name: found[name] for name in kept},
        "tags": json.loads(found["tags"]),
        "parents": [source.as_dict() for source in lineage.of(db, design_id)],
        "revision": _revision(db, newest) if newest else None,
        "picture_url": f"/api/v1/pictures/{main}/small" if main else None,
        "is_hidden": found["hidden_at"] is not None,
        "likes": counted["likes"],
        "comments": counted["comments"],
        "makes": {name: counted[name] for name in ("good", "flawed", "failed")},
    }


_COUNTS = (
    "SELECT (SELECT count(*) FROM likes WHERE design_id = :id) AS likes,"
    " (SELECT count(*) FROM comments WHERE design_id = :id AND deleted_at IS NULL"
    "  AND hidden_at IS NULL) AS comments,"
    " coalesce(sum(outcome = 'good'), 0) AS good, coalesce(sum(outcome = 'flawed'), 0) AS flawed,"
    " coalesce(sum(outcome = 'failed'), 0) AS failed"
    " FROM makes WHERE design_id = :id AND deleted_at IS NULL AND hidden_at IS NULL"
)


def _add_revision(
    db: Database,
    author: Member,
    design_id: str,
    number: int,
    files: list[NewFile],
    note: str,
    restored_from: int | None = None,
) -> int:
    sha256 = content_sha256((new.sha256, new.name) for new in files)
    db.conn.execute(
        "INSERT INTO revisions (design_id, number, author_id, note, created_at, sha256,"
        " restored_from) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (design_id, number, author.id, note, now(), sha256, restored_from),
    )
    for new in files:
        db.conn.execute(
            "INSERT INTO files (id, design_id, revision, name, sha256, size, format, derived_from,"
            " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(new.id or new_id(), design_id, number, new.name, new.sha256, new.size),
                *(new.format, new.derived_from, now()),
            ),
        )
        checks.ensure(db, new.sha256, new.format)
        if new.claim is not None:
            new.claim(db)
        if new.keep is not None:
            db.before_commit.append(new.keep)
    names = " ".join(new.name for new in files)
    db.conn.execute("UPDATE designs SET file_names = ? WHERE id = ?", (names, design_id))
    facets.refresh(db, design_id)
    emit(
        db, "revision.created", member_id=author.id, actor=author.name, design_id=design_id,
        number=number,
    )  # fmt: skip
    return number


def _newest_number(db: Database, design_id: str) -> int:
    return int(value(db, "SELECT max(number) FROM revisions WHERE design_id = ?", (design_id,)))


def _revision(db: Database, found: Row) -> dict[str, Any]:
    kept = ("number", "author", "note", "created_at", "sha256", "restored_from")
    files = files_of(db, found["design_id"], found["number"])
    return {**{name: found[name] for name in kept}, "files": files}


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


def _tags(given: list[str]) -> str:
    return json.dumps(spelling.normalise(given), ensure_ascii=False)
