"""What members say about a design: comments, one answer deep, and likes."""

from __future__ import annotations

from typing import Any

from fabcoord.designs import library
from fabcoord.errors import BadInput, NotAllowed, NotFound, Stale
from fabcoord.members.roles import Member, Permission
from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now

_LONGEST = 5000
_COLUMNS = (
    "SELECT comments.*, members.name AS author FROM comments JOIN members ON members.id = author_id"
)


def comment(
    db: Database, author: Member, design_id: str, text: str, parent_id: str | None = None
) -> str:
    """Say something, or answer a comment; returns the id. Threads are one answer deep."""
    author.require(Permission.CONTRIBUTE)
    design = library.get(db, design_id, author)
    if parent_id is not None:
        parent = _row(db, parent_id)
        if parent["design_id"] != design["id"] or parent["deleted_at"] is not None:
            raise NotFound("The comment to be answered is not there any more.")
        parent_id = parent["parent_id"] or parent_id
    comment_id = new_id()
    db.conn.execute(
        "INSERT INTO comments (id, design_id, parent_id, author_id, text, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (comment_id, design_id, parent_id, author.id, _text(text), now()),
    )
    _tell(db, "comment.added", author, _row(db, comment_id))
    return comment_id


def edit(db: Database, member: Member, comment_id: str, text: str, version: int | None) -> None:
    """Change one's own comment. Raises Stale when ``version`` is not the present one."""
    found = _row(db, comment_id)
    if found["author_id"] != member.id:
        raise NotAllowed("Only who wrote a comment changes its words.")
    changed = row(
        db,
        "UPDATE comments SET text = :text, edited_at = :now, version = version + 1"
        " WHERE id = :id AND deleted_at IS NULL AND (:version IS NULL OR version = :version)"
        " RETURNING id",
        {"text": _text(text), "now": now(), "id": comment_id, "version": version},
    )
    if changed is None:
        raise Stale("The comment was changed since you read it.", hint="Read it again first.")
    _tell(db, "comment.changed", member, found)


def delete(db: Database, member: Member, comment_id: str) -> None:
    """Take one's own comment back; answers to it stay."""
    found = _row(db, comment_id)
    if found["author_id"] != member.id:
        raise NotAllowed("Only who wrote a comment takes it back.", hint="Moderators hide it.")
    db.conn.execute(
        "UPDATE comments SET deleted_at = ?, text = '' WHERE id = ?", (now(), comment_id)
    )
    _tell(db, "comment.deleted", member, found)


def get(db: Database, viewer: Member, comment_id: str) -> dict[str, Any]:
    """One comment in the shape of the API. Raises NotFound."""
    return _shape(_row(db, comment_id), viewer)


def threads(db: Database, viewer: Member, design_id: str) -> list[dict[str, Any]]:
    """The comments of a design, oldest first, each with its ``answers``.

    What was taken back or hidden is told as such where somebody answered it, else left out.
    Moderators and its author still read what is hidden.
    """
    found = rows(
        db, f"{_COLUMNS} WHERE design_id = ? ORDER BY comments.created_at, comments.rowid",
        (design_id,),
    )  # fmt: skip
    shaped = [_shape(item, viewer) for item in found]
    said = [one for one in shaped if one["text"] is not None]
    answered = {one["parent_id"] for one in said}
    tops = [one for one in shaped if one["parent_id"] is None]
    return [
        top | {"answers": [one for one in said if one["parent_id"] == top["id"]]}
        for top in tops
        if top["text"] is not None or top["id"] in answered
    ]


def like(db: Database, member: Member, design_id: str, *, likes: bool) -> int:
    """Like a design, or no longer; returns how many do. Saying it twice changes nothing."""
    member.require(Permission.CONTRIBUTE)
    library.get(db, design_id, member)
    if likes:
        sql = "INSERT OR IGNORE INTO likes VALUES (:design, :member, :now)"
    else:
        sql = "DELETE FROM likes WHERE design_id = :design AND member_id = :member"
    changed = db.conn.execute(sql, {"design": design_id, "member": member.id, "now": now()})
    if changed.rowcount:
        kind = "design.liked" if likes else "design.unliked"
        emit(db, kind, member_id=member.id, actor=member.name, design_id=design_id)
    return int(value(db, "SELECT count(*) FROM likes WHERE design_id = ?", (design_id,)))


def is_liked(db: Database, member: Member, design_id: str) -> bool:
    """Whether this member likes the design."""
    sql = "SELECT 1 FROM likes WHERE design_id = ? AND member_id = ?"
    return row(db, sql, (design_id, member.id)) is not None


def _shape(found: Row, viewer: Member) -> dict[str, Any]:
    is_hidden = found["hidden_at"] is not None
    reads = not is_hidden or viewer.may(Permission.MODERATE) or viewer.id == found["author_id"]
    is_gone = found["deleted_at"] is not None
    kept = ("id", "design_id", "parent_id", "author", "created_at", "edited_at", "version")
    return {
        **{name: found[name] for name in kept},
        "text": found["text"] if reads and not is_gone else None,
        "is_hidden": is_hidden,
        "hidden_reason": found["hidden_reason"],
        "is_mine": found["author_id"] == viewer.id,
    }


def _row(db: Database, comment_id: str) -> Row:
    found = row(db, f"{_COLUMNS} WHERE comments.id = ?", (comment_id,))
    if found is None:
        raise NotFound("There is no such comment.")
    return found


def _text(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if not text or len(text) > _LONGEST:
        raise BadInput(f"A comment has 1 to {_LONGEST:,} characters.", fields={"text": "length"})
    return text


def _tell(db: Database, kind: str, member: Member, found: Row) -> None:
    emit(
        db, kind, member_id=found["author_id"], actor=member.name, design_id=found["design_id"],
        comment_id=found["id"],
    )  # fmt: skip
