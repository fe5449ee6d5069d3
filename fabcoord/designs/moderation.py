"""Reports to moderators, and what they hide: designs, comments, makes, pictures, collections."""

from __future__ import annotations

from typing import Any

from fabcoord.designs import facets, visibility
from fabcoord.errors import BadInput, Conflict, NotFound
from fabcoord.members.roles import Member, Permission
from fabcoord.store.database import Row, row, rows
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now

_LONGEST = 2000

# Each kind: what is known of it by its id, and how it is hidden (or shown: both are NULL, '').
_FACTS = {
    "design": "SELECT id, id AS design_id, title AS words, deleted_at, hidden_at FROM designs"
    " WHERE id = ?",
    "comment": "SELECT id, design_id, text AS words, deleted_at, hidden_at FROM comments"
    " WHERE id = ?",
    "make": "SELECT id, design_id, note AS words, deleted_at, hidden_at FROM makes WHERE id = ?",
    "picture": "SELECT id, design_id, name AS words, deleted_at, hidden_at FROM pictures"
    " WHERE id = ?",
    "collection": "SELECT id, NULL AS design_id, title AS words, deleted_at, hidden_at"
    " FROM collections WHERE id = ?",
}
_HIDE = {
    "design": "UPDATE designs SET hidden_at = ?, hidden_reason = ? WHERE id = ?",
    "comment": "UPDATE comments SET hidden_at = ?, hidden_reason = ? WHERE id = ?",
    "make": "UPDATE makes SET hidden_at = ?, hidden_reason = ? WHERE id = ?",
    "picture": "UPDATE pictures SET hidden_at = ?, hidden_reason = ? WHERE id = ?",
    "collection": "UPDATE collections SET hidden_at = ?, hidden_reason = ? WHERE id = ?",
}
KINDS = tuple(_FACTS)


def report(db: Database, member: Member, kind: str, subject_id: str, reason: str) -> str:
    """Tell the moderators of something; returns the report's id. Saying it twice is one report."""
    member.require(Permission.CONTRIBUTE)
    subject = _subject(db, member, kind, subject_id)
    said = _reason(reason)
    known = row(
        db,
        "SELECT id FROM reports WHERE kind = ? AND subject_id = ? AND member_id = ?"
        " AND state = 'open'",
        (kind, subject_id, member.id),
    )
    if known is not None:
        return str(known["id"])
    report_id = new_id()
    db.conn.execute(
        "INSERT INTO reports (id, kind, subject_id, design_id, member_id, reason, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (report_id, kind, subject_id, subject["design_id"], member.id, said, now()),
    )
    emit(db, "report.made", member_id=member.id, actor=member.name, report_id=report_id)
    return report_id


def reports(db: Database, member: Member, *, state: str = "open") -> list[dict[str, Any]]:
    """The moderators' queue, oldest first, with ``words``: how what is reported begins."""
    member.require(Permission.MODERATE)
    found = rows(
        db,
        "SELECT reports.*, members.name AS member, designs.title AS design FROM reports"
        " JOIN members ON members.id = member_id LEFT JOIN designs ON designs.id = design_id"
        " WHERE :state = '' OR state = :state ORDER BY reports.created_at, reports.rowid LIMIT 200",
        {"state": state},
    )
    return [_shape(db, item) for item in found]


def get(db: Database, member: Member, report_id: str) -> dict[str, Any]:
    """One report, for moderators and for who made it. Raises NotFound."""
    found = row(
        db,
        "SELECT reports.*, members.name AS member, designs.title AS design FROM reports"
        " JOIN members ON members.id = member_id LEFT JOIN designs ON designs.id = design_id"
        " WHERE reports.id = ?",
        (report_id,),
    )
    if found is None or not (member.may(Permission.MODERATE) or found["member_id"] == member.id):
        raise NotFound("There is no such report.")
    return _shape(db, found)


def settle(db: Database, member: Member, report_id: str, *, hides: bool, answer: str = "") -> None:
    """End a report: hide what it is about, with the reason, or dismiss it.

    Raises Conflict when somebody settled it before.
    """
    member.require(Permission.MODERATE)
    found = get(db, member, report_id)
    if found["state"] != "open":
        raise Conflict(
            f"This report was settled by {found['settled_by']}.", extra={"state": found["state"]}
        )
    if hides:
        set_hidden(db, member, found["kind"], found["subject_id"], answer or found["reason"])
    # What several people reported is settled for all of them.
    db.conn.execute(
        "UPDATE reports SET state = ?, settled_by = ?, settled_at = ?, answer = ?"
        " WHERE state = 'open' AND (id = ? OR (? AND kind = ? AND subject_id = ?))",
        (
            *("hidden" if hides else "dismissed", member.name, now(), answer.strip()[:_LONGEST]),
            *(report_id, hides, found["kind"], found["subject_id"]),
        ),
    )
    kind = "report.hidden" if hides else "report.dismissed"
    emit(db, kind, actor=member.name, report_id=report_id, answer=answer)


def set_hidden(
    db: Database, member: Member, kind: str, subject_id: str, reason: str | None
) -> None:
    """Hide something with a reason that its author reads, or (None) show it again."""
    member.require(Permission.MODERATE)
    subject = _subject(db, member, kind, subject_id)
    at, why = (now(), _reason(reason)) if reason is not None else (None, "")
    db.conn.execute(_HIDE[kind], (at, why, subject_id))
    if kind == "design":
        facets.refresh(db, subject_id)
    place = {"design_id": subject["design_id"]} if subject["design_id"] else {}
    if kind == "collection":
        place = {"collection_id": subject_id}
    emit(
        db, "moderation.hidden" if reason is not None else "moderation.shown", actor=member.name,
        subject_kind=kind, subject_id=subject_id, reason=why, **place,
    )  # fmt: skip


def _subject(db: Database, member: Member, kind: str, subject_id: str) -> Row:
    if kind not in _FACTS:
        raise BadInput(f"kind is one of: {', '.join(KINDS)}.", fields={"kind": "unknown"})
    found = row(db, _FACTS[kind], (subject_id,))
    if found is None or found["deleted_at"] is not None:
        raise NotFound(f"There is no such {kind}.")
    named = {"collection_id": subject_id} if kind == "collection" else {}
    visibility.require_route(db, member, named or {"design_id": found["design_id"]})
    return found


def _shape(db: Database, found: Row) -> dict[str, Any]:
    subject = row(db, _FACTS[found["kind"]], (found["subject_id"],))
    kept = (
        *("id", "kind", "subject_id", "design_id", "design", "member", "reason", "state"),
        *("settled_by", "settled_at", "answer", "created_at"),
    )
    return {
        **{name: found[name] for name in kept},
        "words": subject["words"][:300] if subject else "",
        "is_hidden": bool(subject and subject["hidden_at"]),
        "is_gone": subject is None or subject["deleted_at"] is not None,
    }


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason or len(reason) > _LONGEST:
        raise BadInput("Say in a few words why.", fields={"reason": "1 to 2,000 characters"})
    return reason
