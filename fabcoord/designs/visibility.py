"""Who may see a design, and with it its files, pictures, words and prints: decided here only."""

# ruff: noqa: S608  (statements are put together from constants of this room only)

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from fabcoord.errors import BadInput, NotFound
from fabcoord.members.roles import Member, Permission
from fabcoord.store.database import Row, row
from fabcoord.store.sqlite import Database


class Visibility(StrEnum):
    """Who may see a design or a collection."""

    PRIVATE = "private"  # its owner, and staff
    LAB = "lab"  # every member of this lab
    PUBLIC = "public"  # everybody, other labs as well


A_MEMBER = "A member of this lab"  # to whoever has no account here

# The same rule for whole lists. A list also leaves out what is private to others for staff, who
# would have to look for their own designs among everybody's drafts.
LISTED = "(designs.visibility != 'private' AND designs.hidden_at IS NULL)"
VISIBLE = f"(designs.deleted_at IS NULL AND (designs.owner_id = :viewer OR {LISTED}))"
PUBLIC = (
    "(designs.visibility = 'public' AND designs.hidden_at IS NULL AND designs.deleted_at IS NULL)"
)

_MISSING = "There is no such design."
_NAMES = ("author", "member", "actor")  # fields that name somebody
_CREDITS = ("parents", "made_from", "credit", "up", "down")  # whom licences ask to be named
# Names of what routes carry in their path, and how to find the design that it belongs to.
_DESIGN_OF = {
    "design_id": "SELECT :id AS design_id",
    "file_id": "SELECT design_id FROM files WHERE id = :id",
    "picture_id": "SELECT design_id FROM pictures WHERE id = :id",
    "comment_id": "SELECT design_id FROM comments WHERE id = :id",
    "make_id": "SELECT design_id FROM makes WHERE id = :id",
}


def may_see(member: Member | None, design: Mapping[str, Any]) -> bool:
    """Whether this member (a visitor, or None: nobody in particular) may see it.

    ``design`` is a row of a design or collection with ``visibility``, ``owner_id``, ``hidden_at``.
    """
    if member is not None and member.is_visitor:
        member = None
    if member is not None and (member.id == design["owner_id"] or member.may(Permission.MODERATE)):
        return True
    if design["hidden_at"] is not None or design["visibility"] == Visibility.PRIVATE:
        return False
    return member is not None or design["visibility"] == Visibility.PUBLIC


def require_design(db: Database, member: Member | None, design_id: str) -> Row:
    """The design's row. Raises NotFound where there is none, or none that ``member`` may see.

    A design that was removed is found, for what was printed of it stays readable; what needs one
    that is in the library asks `library.get`.
    """
    found = row(db, "SELECT * FROM designs WHERE id = ?", (design_id,))
    if found is None or not may_see(member, found):
        raise NotFound(_MISSING)
    return found


def visible(viewer: Member) -> str:
    """The SQL condition for designs that a list may show ``viewer``, whose id is ``:viewer``."""
    return PUBLIC if viewer.is_visitor else VISIBLE


def is_public_route(db: Database, arguments: Mapping[str, Any]) -> Row | None:
    """Whether all that a route's path names belongs to a public design of the library.

    Returns that design's row with its ``owner``'s name, an empty row where the path names no
    design, and None for all else: what is not there looks like what is not shown.
    """
    design: Row | None = {}
    for name in arguments:
        found_by = _DESIGN_OF.get(name)
        found = row(db, found_by, {"id": arguments[name]}) if found_by else {}
        if found_by:
            design = found and row(
                db,
                "SELECT designs.*, members.name AS owner FROM designs JOIN members ON"
                f" members.id = owner_id WHERE designs.id = ? AND {PUBLIC}",
                (found["design_id"],),
            )
        if design is None:
            return None
    return design


def without_names(facts: Any, owner: str | None) -> Any:
    """What is told to a visitor: of people only the ``owner`` of what it is about is named."""
    if isinstance(facts, list | tuple):
        return [without_names(one, owner) for one in facts]
    if not isinstance(facts, dict):
        return facts
    owner = facts.get("owner", owner)
    return {
        name: A_MEMBER
        if name in _NAMES and isinstance(told, str) and told != owner
        else (told if name in _CREDITS else without_names(told, owner))
        for name, told in facts.items()
    }


def require_route(db: Database, member: Member | None, arguments: Mapping[str, Any]) -> None:
    """Refuse a route whose path names something of a design that ``member`` may not see.

    Asked before every request, so that no route can forget it. What does not exist passes: the
    route says in its own words that there is no such thing.
    """
    for name, found_by in _DESIGN_OF.items():
        if name in arguments:
            found = row(db, found_by, {"id": arguments[name]})
            design = found and row(db, _FACTS, (found["design_id"],))
            if design and not may_see(member, design):
                raise NotFound(_MISSING)
    if "collection_id" in arguments:
        found = row(db, "SELECT * FROM collections WHERE id = ?", (arguments["collection_id"],))
        if found and not may_see(member, found):
            raise NotFound("There is no such collection.")


def may_see_content(db: Database, member: Member | None, sha256: str) -> bool:
    """Whether some file with this content belongs to a design that ``member`` may see."""
    viewer = member.id if member else ""
    if member is not None and member.may(Permission.MODERATE):
        return True
    scope = LISTED if member else f"({LISTED} AND visibility = 'public')"
    found = row(
        db,
        "SELECT 1 FROM files JOIN designs ON designs.id = design_id WHERE sha256 = :sha256"
        f" AND (owner_id = :viewer OR {scope}) LIMIT 1",
        {"sha256": sha256, "viewer": viewer},
    )
    return found is not None


# News of one person's money, keys and ways to be told; others hear none of it.
_OF_ONE_PERSON = ("money.", "notice.", "token.", "badge.")


def may_see_event(db: Database, member: Member, kind: str, data: Mapping[str, Any]) -> bool:
    """Whether an event may be told to ``member``: not when it is about what they may not see."""
    design_id, collection_id = data.get("design_id"), data.get("collection_id")
    if design_id is not None:
        design = row(db, _FACTS, (design_id,))
        return design is None or may_see(member, design)
    if collection_id is not None:
        found = row(db, "SELECT * FROM collections WHERE id = ?", (collection_id,))
        return found is None or may_see(member, found)
    if kind.startswith("file.") and "sha256" in data:
        return may_see_content(db, member, data["sha256"])
    if kind.startswith("report."):
        return member.may(Permission.MODERATE)
    if kind.startswith(_OF_ONE_PERSON):
        return member.may(Permission.RUN_PRINTERS)
    return True


def normalise(text: str) -> str:
    """One of the three, or BadInput."""
    if text not in set(Visibility):
        raise BadInput(
            f"A design is not {text[:20]!r}.",
            hint=f"It is one of: {', '.join(Visibility)}.",
            fields={"visibility": "unknown"},
        )
    return text


def hide_title(job: dict[str, Any]) -> dict[str, Any]:
    """A job of a design that its reader may not see: where it stands, and nothing of what it is."""
    hidden = {"design_id": None, "file_id": None, "revision": None, "note": ""}
    return job | hidden | {"title": "A private design"}


_FACTS = "SELECT owner_id, visibility, hidden_at FROM designs WHERE id = ?"
