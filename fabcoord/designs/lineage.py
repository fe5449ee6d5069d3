"""What a design was made from, and whether the licences of all that allow its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fabcoord.designs import licences
from fabcoord.designs.licences import Parent
from fabcoord.errors import NotFound
from fabcoord.store.database import Row, row, rows
from fabcoord.store.sqlite import Database


@dataclass(frozen=True, slots=True)
class Source:
    """One work that a design was made from, as it was then.

    Attributes:
        licence: the SPDX expression under which it was taken; licences once given stay given.
        parent_id: its id where it is a design of this lab.
        url: where it can be found, for what comes from elsewhere.
        sha256: of the content of its revision (`revisions.content_sha256`), where that is known.
    """

    title: str
    licence: str
    author: str = ""
    parent_id: str | None = None
    url: str = ""
    sha256: str = ""

    def as_dict(self) -> dict[str, Any]:
        """In the shape of the API."""
        return asdict(self)


def of(db: Database, design_id: str) -> list[Source]:
    """What a design was made from, in the order it was told."""
    found = rows(
        db,
        "SELECT * FROM design_sources WHERE design_id = ? AND position >= 0 ORDER BY position",
        (design_id,),
    )
    return [_source(item) for item in found]


def origin(db: Database, design_id: str) -> Source | None:
    """The work from elsewhere that a design was a plain copy of when it was brought."""
    found = row(
        db, "SELECT * FROM design_sources WHERE design_id = ? AND position = -1", (design_id,)
    )
    return _source(found) if found else None


def _source(item: Row) -> Source:
    names = ("title", "licence", "author", "parent_id", "url", "sha256")
    return Source(**{name: item[name] for name in names})


def of_design(db: Database, design_id: str) -> Source:
    """A design of this lab as the source of another. Raises NotFound."""
    found = row(
        db,
        "SELECT designs.*, members.name AS owner, (SELECT sha256 FROM revisions"
        " WHERE design_id = designs.id ORDER BY number DESC LIMIT 1) AS sha256"
        " FROM designs JOIN members ON members.id = owner_id WHERE designs.id = ?",
        (design_id,),
    )
    if found is None:
        raise NotFound("There is no such design.")
    author = found["attribution"] or found["owner"]
    return Source(
        found["title"], found["licence"], author, parent_id=design_id, sha256=found["sha256"]
    )


def require(
    db: Database, owner_id: str, sources: Sequence[Source], licence: str, *, shared: bool
) -> None:
    """Raise LicenceConflict unless all sources let a design carry ``licence``.

    ``owner_id`` is whose design it is: nobody is bound by the licence of a work of their own.
    """
    parents = [Parent(one.title, one.licence) for one in sources if not _is_own(db, one, owner_id)]
    licences.require(parents, licence, shared=shared)


def record(
    db: Database, design_id: str, sources: Sequence[Source], origin: Source | None = None
) -> None:
    """Write down what a design was made from; call it once, when the design is made."""
    told = [(-1, origin)] if origin else []
    for position, one in [*told, *enumerate(sources)]:
        db.conn.execute(
            "INSERT INTO design_sources (design_id, position, parent_id, title, author, licence,"
            " url, sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(design_id, position, one.parent_id, one.title, one.author, one.licence),
                *(one.url, one.sha256),
            ),
        )


def require_change(db: Database, design_id: str, licence: str, *, shared: bool) -> None:
    """Raise LicenceConflict unless what the design was made from allows these new terms.

    Call it before a design gets another licence, or before a private one is shown to others.
    """
    owner = row(db, "SELECT owner_id FROM designs WHERE id = ?", (design_id,)) or {}
    sources = of(db, design_id)
    copied = origin(db, design_id)
    if copied is not None and copied.licence != licence:
        sources.append(copied)
    require(db, owner.get("owner_id", ""), sources, licence, shared=shared)


def require_revision(db: Database, design_id: str, new_contents: Sequence[str]) -> None:
    """Raise LicenceConflict where another's design must not be changed in public.

    ``new_contents`` are the hashes of files that no file of the design was the origin of: a
    repaired or converted file is the same work, a new one changes it.
    """
    design = row(db, "SELECT * FROM designs WHERE id = ?", (design_id,)) or {}
    if not new_contents or not design.get("attribution") or design["visibility"] == "private":
        return
    known = {item["sha256"] for item in rows(
        db, "SELECT sha256 FROM files WHERE design_id = ?", (design_id,)
    )}  # fmt: skip
    if set(new_contents) <= known:
        return
    owner = row(db, "SELECT name FROM members WHERE id = ?", (design["owner_id"],)) or {}
    if design["attribution"].strip() == owner.get("name"):
        return
    licences.require([Parent(design["title"], design["licence"])], design["licence"])


def _is_own(db: Database, source: Source, owner_id: str) -> bool:
    """Whether a source is the owner's own work, made from nobody else's."""
    if source.parent_id is None:
        return False
    found = row(
        db,
        "SELECT 1 FROM designs WHERE id = ? AND owner_id = ? AND attribution = ''"
        " AND NOT EXISTS (SELECT 1 FROM design_sources WHERE design_id = designs.id)",
        (source.parent_id, owner_id),
    )
    return found is not None
