"""Prints that wait for their member at the kiosk, and letting them go there."""

from __future__ import annotations

from typing import Any

from fabcoord.errors import NotFound
from fabcoord.members import badges
from fabcoord.members.badges import Presence
from fabcoord.members.roles import Member
from fabcoord.queue import jobs, printers
from fabcoord.queue.preparation import Preparation
from fabcoord.queue.states import JobState
from fabcoord.store.database import rows
from fabcoord.store.sqlite import Database


def waiting_for(db: Database, member: Member) -> list[dict[str, Any]]:
    """The jobs of a member that are held, oldest first, in the shape of the API."""
    found = rows(
        db,
        "SELECT id FROM jobs WHERE member_id = ? AND state = ? ORDER BY created_at, rowid",
        (member.id, JobState.HELD.value),
    )
    return [jobs.get(db, item["id"]) for item in found]


def to_clear(db: Database) -> list[dict[str, Any]]:
    """The printers whose plate somebody has to look at."""
    return [one for one in printers.everyone(db) if one["state"] == "awaiting_clearance"]


def release(
    db: Database,
    preparation: Preparation,
    screen: Member,
    presence: str,
    job_id: str,
    *,
    cleared: dict[str, str | None] | None = None,
) -> Presence:
    """Let a job of whoever stands at this screen go to the queue; returns who that is.

    Who stands there sees the plates as well, so both are said in one act.

    Args:
        presence: what `badges.show` gave.
        cleared: printers whose plate is clear, as that person says, each with the attempt that
            was seen there.
    """
    there = badges.who(db, screen, presence)
    job = jobs.get_row(db, job_id)
    if job["member_id"] != there.member.id:
        raise NotFound("There is no such job of yours.")
    for printer_id, attempt_id in (cleared or {}).items():
        printers.clear(db, there.member, printer_id, attempt_id)
    jobs.act(db, preparation, there.member, job_id, "release", present=True)
    return there
