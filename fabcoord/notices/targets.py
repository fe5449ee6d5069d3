"""Where notices go: targets of a member or of the lab, what they want to hear, their deliveries."""

from __future__ import annotations

import base64
import json
import secrets
from enum import StrEnum
from typing import Any

from fabcoord.config import Settings
from fabcoord.errors import BadInput, Conflict, NotFound
from fabcoord.members.roles import Member, Permission
from fabcoord.notices import addresses
from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now

MOST_TARGETS = 10


class Means(StrEnum):
    """How a notice travels."""

    WEBHOOK = "webhook"  # a signed POST
    APPRISE = "apprise"  # an apprise URL: ntfy, Matrix, Telegram and others
    EMAIL = "email"  # by the lab's own mail server


# What can be heard of, and in which words it is chosen.
OF_JOBS = {
    "job.needs_attention": "A job of mine needs me",
    "job.approved": "It was approved",
    "job.rejected": "It was rejected",
    "job.failed": "It cannot be printed",
    "job.awaiting_pickup": "It is ready to collect",
}
OF_PRINTERS = {
    "job.awaiting_approval": "A job waits for approval",
    "printer.attention": "A printer needs a look",
    "printer.offline": "A printer is gone while it prints",
    "printer.prompt": "A printer asks something",
    "printer.uncleared": "A plate waits long to be cleared",
}
KINDS = {**OF_JOBS, **OF_PRINTERS}


def add(db: Database, member: Member, settings: Settings, given: dict[str, Any]) -> tuple[str, str]:
    """Add a target; returns its id and, of a webhook, the secret that it is signed with.

    Raises BadInput for addresses that notices may not go to, NotAllowed where a member adds one
    for the lab.
    """
    is_lab = bool(given.get("lab"))
    if is_lab:
        member.require(Permission.MANAGE_PRINTERS)
    owner = None if is_lab else member.id
    if value(
        db, "SELECT count(*) FROM notice_targets WHERE deleted_at IS NULL AND member_id IS ?",
        (owner,),
    ) >= MOST_TARGETS:  # fmt: skip
        raise Conflict(f"There are {MOST_TARGETS} targets already.", hint="Remove one first.")
    means, address = given.get("means"), str(given.get("address") or "").strip()
    private = may_be_private(settings, owner)
    if means == Means.WEBHOOK:
        addresses.checked_webhook(address, private=private)
    elif means == Means.APPRISE:
        addresses.checked_apprise(address, private=private)
    elif means == Means.EMAIL:
        addresses.checked_email(address)
        if not settings.mail_url:
            raise BadInput(
                "This lab sends no e-mail yet.",
                hint="An admin sets mail_url; until then use a webhook or ntfy.",
                fields={"means": "not set up"},
            )
    else:
        raise BadInput(
            "means is webhook, apprise or email.", fields={"means": "one of those three"}
        )
    target_id = new_id()
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    secret = secret if means == Means.WEBHOOK else ""
    db.conn.execute(
        "INSERT INTO notice_targets (id, member_id, means, address, secret, label, kinds,"
        " created_by, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(target_id, owner, means, address, secret, str(given.get("label") or "")[:80]),
            *(json.dumps(_checked_kinds(given.get("kinds"), is_lab=is_lab)), member.id, now()),
        ),
    )
    emit(db, "notice.target_added", member_id=owner, actor=member.name, target_id=target_id,
         means=means, address=addresses.masked(str(means), address), lab=is_lab)  # fmt: skip
    return target_id, secret


def change(db: Database, member: Member, target_id: str, changes: dict[str, Any]) -> None:
    """Change what a target wants to hear, or its label."""
    target = own(db, member, target_id)
    kinds = json.loads(target["kinds"])
    if changes.get("kinds") is not None:
        kinds = _checked_kinds(changes["kinds"], is_lab=target["member_id"] is None)
    label = changes.get("label")
    db.conn.execute(
        "UPDATE notice_targets SET kinds = ?, label = ? WHERE id = ?",
        (json.dumps(kinds), target["label"] if label is None else label[:80], target_id),
    )
    emit(db, "notice.target_changed", member_id=target["member_id"], actor=member.name,
         target_id=target_id, kinds=kinds)  # fmt: skip


def remove(db: Database, member: Member, target_id: str) -> None:
    """Send nothing more there; what was sent stays in the log, its address and secret do not."""
    target = own(db, member, target_id)
    db.conn.execute(
        "UPDATE notice_targets SET deleted_at = ?, address = '', secret = '' WHERE id = ?",
        (now(), target_id),
    )
    db.conn.execute(
        "UPDATE notices SET state = 'dropped', ended_at = ? WHERE target_id = ?"
        " AND state = 'waiting'",
        (now(), target_id),
    )
    emit(db, "notice.target_removed", member_id=target["member_id"], actor=member.name,
         target_id=target_id)  # fmt: skip


def own(db: Database, member: Member, target_id: str) -> Row:
    """A target that this member may change. Raises NotFound for those of others."""
    found = row(
        db, "SELECT * FROM notice_targets WHERE id = ? AND deleted_at IS NULL", (target_id,)
    )
    of_lab = found is not None and found["member_id"] is None
    mine = found is not None and found["member_id"] == member.id
    if found is None or not (mine or (of_lab and member.may(Permission.MANAGE_PRINTERS))):
        raise NotFound("There is no such target of yours.")
    return found


def seen_by(db: Database, member: Member) -> list[dict[str, Any]]:
    """The member's targets, and to staff those of the lab; no address whole, no secret."""
    found = rows(
        db,
        "SELECT * FROM notice_targets WHERE deleted_at IS NULL AND (member_id = ?"
        " OR (member_id IS NULL AND ?)) ORDER BY member_id IS NULL, created_at, rowid",
        (member.id, member.may(Permission.MANAGE_PRINTERS)),
    )
    return [shape(item) for item in found]


def shape(target: Row) -> dict[str, Any]:
    """A target in the shape of the API."""
    return {
        "id": target["id"],
        "lab": target["member_id"] is None,
        "means": target["means"],
        "address": addresses.masked(target["means"], target["address"]),
        "label": target["label"],
        "kinds": json.loads(target["kinds"]),
        "failures": target["failures"],
        "created_at": target["created_at"],
    }


def deliveries(
    db: Database, member: Member, *, before: int | None = None, limit: int = 50
) -> tuple[list[dict[str, Any]], int | None]:
    """What went to the targets that this member sees, newest first, and where it goes on."""
    found = rows(
        db,
        "SELECT notices.*, means, address, label FROM notices"
        " JOIN notice_targets ON notice_targets.id = target_id"
        " WHERE (member_id = :me OR (member_id IS NULL AND :staff))"
        " AND (:before IS NULL OR seq < :before) ORDER BY seq DESC LIMIT :limit",
        {
            "me": member.id,
            "staff": member.may(Permission.MANAGE_PRINTERS),
            "before": before,
            "limit": limit + 1,
        },
    )
    kept = ("id", "target_id", "kind", "title", "body", "state", "delivery_id", "tries", "error",
            "created_at", "ended_at")  # fmt: skip
    items = [
        {name: item[name] for name in kept}
        | {"to": item["label"] or addresses.masked(item["means"], item["address"])}
        for item in found[:limit]
    ]
    return items, found[limit - 1]["seq"] if len(found) > limit else None


def may_be_private(settings: Settings, owner: str | None) -> bool:
    """Whether a target may lie in the lab's own network: those of staff, or all if allowed."""
    return owner is None or settings.notices_private


def _checked_kinds(given: Any, *, is_lab: bool) -> list[str]:
    kinds = list(dict.fromkeys(given if given is not None else OF_PRINTERS if is_lab else OF_JOBS))
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise BadInput(
            f"There is no notice of {unknown[0][:40]!r}.",
            hint=f"There are: {', '.join(KINDS)}.",
            fields={"kinds": "unknown"},
        )
    return kinds
