"""Who may know whose jobs: what is left of a job, or of an event, for somebody else's eyes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fabcoord.designs import visibility
from fabcoord.members.roles import Member, Permission, Role
from fabcoord.store.database import row, value
from fabcoord.store.events import Event
from fabcoord.store.sqlite import Database

SOMEBODY = "Another member"
_A_PRINT = "A print"
# What is told of these states is written by the program and names nobody.
_IMPERSONAL = ("checking", "slicing", "queued", "printing", "awaiting_pickup")
_ABOUT_PEOPLE = ("member.", "token.", "badge.", "group.", "training.", "charge_code.", "batch.")


def is_limited(db: Database, viewer: Member | None) -> bool:
    """Whether ``viewer`` may know of their own jobs only, by the lab's policy."""
    if viewer is not None and viewer.may(Permission.RUN_PRINTERS):
        return False
    found = value(
        db, "SELECT document ->> '$.visibility' FROM policies ORDER BY version DESC LIMIT 1"
    )
    return bool(found == "own")


def as_seen_by(
    db: Database, viewer: Member | None, found: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Jobs, or what tells of one, without what ``viewer`` may not see of them.

    That is what they print where the design is not for them, and whose they are where the lab's
    policy says that members see their own jobs only. Takes and gives dicts with ``id``, ``title``
    and ``member`` of jobs in the shape of the API. A job's own member always sees it.
    """
    limited = is_limited(db, viewer)
    seen = []
    for job in found:
        design = row(db, "SELECT * FROM designs WHERE id = ?", (job["design_id"],))
        if viewer is not None and viewer.name == job["member"]:
            seen.append(job)
        elif limited:
            seen.append(_nameless(job, viewer))
        elif design is None or visibility.may_see(viewer, design):
            seen.append(job)
        else:
            seen.append(visibility.hide_title(job))
    return seen


def as_told_to(db: Database, viewer: Member, event: Event) -> Event | None:
    """An event without whose job it is about, where that is not for ``viewer``.

    None where nothing of it may be told. To be asked only of who `is_limited`.
    """
    if viewer.id == event.member_id:
        return event
    if event.job_id is not None:
        owner = value(db, "SELECT member_id FROM jobs WHERE id = ?", (event.job_id,))
        if owner == viewer.id:
            return event
        return replace(event, member_id=None, actor=None, data={})
    if event.kind.startswith(_ABOUT_PEOPLE):
        return None
    return replace(event, member_id=None, actor=None)


def initials(name: str) -> str:
    """``Grace Hopper`` as ``G. H.``"""
    return " ".join(f"{part[0].upper()}." for part in name.split() if part)


def _nameless(job: dict[str, Any], viewer: Member | None) -> dict[str, Any]:
    """A job as the room may know it: that it is there, where, and until when."""
    on_screen = viewer is not None and viewer.role is Role.KIOSK
    reason = job.get("reason", "") if job.get("state") in _IMPERSONAL else ""
    kept = visibility.hide_title(job) | {
        "title": _A_PRINT,
        "member": initials(job["member"]) if on_screen else SOMEBODY,
        "reason": reason,
    }
    if "attempts" in job:
        kept["attempts"] = [one | {"reason": "", "gcode_sha256": None} for one in job["attempts"]]
    for name in ("charge_code", "message", "batch_id", "parts"):
        if name in job:
            kept[name] = None
    return kept
