"""The most that a member or a group may have: what they have used, and whether it is too much."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from fabcoord.queue.policy import Limits, Policy, parse_limits
from fabcoord.store.database import row, rows, value
from fabcoord.store.sqlite import Database
from fabcoord.store.values import timestamp


@dataclass(frozen=True, slots=True)
class Used:
    """What was used in a period; running prints count with what they are estimated to take."""

    machine_h: float = 0.0
    mass_g: float = 0.0
    cost: float = 0.0


def period_start(name: str, at: datetime, policy: Policy) -> datetime:
    """When the present day, week, month or semester began, by the clock of the lab."""
    here = at.astimezone(ZoneInfo(policy.hours.timezone))
    day = here.replace(hour=0, minute=0, second=0, microsecond=0)
    if name == "week":
        return day - timedelta(days=day.weekday())
    if name == "month":
        return day.replace(day=1)
    if name == "semester":
        starts = []
        for month_day in policy.semester_starts:
            month, date = (int(part) for part in month_day.split("-"))
            starts += [
                day.replace(year=year, month=month, day=date) for year in (day.year - 1, day.year)
            ]
        return max((start for start in starts if start <= day), default=day)
    return day


def over(limits: Limits, live: int, used: dict[str, Used]) -> str | None:
    """Why nothing more may start, in words; None while within the limits.

    Args:
        live: prints that are with a printer now.
        used: by the name of the period, for each period that a limit speaks of.
    """
    if limits.live_jobs is not None and live >= limits.live_jobs:
        return f"{live} of your prints are running, and {limits.live_jobs} may at once."
    for name, unit in (("machine_h", "hours of printing"), ("mass_g", "g"), ("cost", "of money")):
        for period, most in getattr(limits, name).items():
            amount = getattr(used.get(period, Used()), name)
            if amount >= most:
                return f"{amount:.1f} of {most:g} {unit} used this {period}."
    return None


def of_member(db: Database, policy: Policy, member_id: str) -> list[tuple[Limits, list[str]]]:
    """The limits that a member is under, each with the members who share it."""
    found = [(policy.member_limits, [member_id])]
    groups = rows(
        db,
        "SELECT id, limits FROM groups JOIN group_members ON group_id = id WHERE member_id = ?",
        (member_id,),
    )
    for group in groups:
        together = rows(
            db, "SELECT member_id FROM group_members WHERE group_id = ?", (group["id"],)
        )
        limits = parse_limits(json.loads(group["limits"]))
        found.append((limits, [item["member_id"] for item in together]))
    return found


def why_blocked(db: Database, policy: Policy, member_id: str, at: datetime) -> str | None:
    """Why no further print of this member may start now; None when one may."""
    for limits, members in of_member(db, policy, member_id):
        if limits == Limits():
            continue
        periods = {*limits.machine_h, *limits.mass_g, *limits.cost}
        used = {
            name: _used(db, members, timestamp(period_start(name, at, policy).astimezone(UTC)))
            for name in periods
        }
        if reason := over(limits, _live(db, members), used):
            return reason
    return None


def usage(db: Database, policy: Policy, member_id: str, at: datetime) -> list[str]:
    """What a member, or their group together, has had of each limit that holds for them."""
    told = []
    for limits, members in of_member(db, policy, member_id):
        whose = "" if members == [member_id] else " (your group together)"
        if limits.live_jobs is not None:
            told.append(f"{_live(db, members)} of {limits.live_jobs} prints at once{whose}")
        for name, unit in (("machine_h", "h of printing"), ("mass_g", "g"), ("cost", "of money")):
            for period, most in getattr(limits, name).items():
                since = timestamp(period_start(period, at, policy).astimezone(UTC))
                amount = getattr(_used(db, members, since), name)
                when = "today" if period == "day" else f"this {period}"
                told.append(f"{amount:.3g} of {most:g} {unit} {when}{whose}")
    return told


def why_no_more_queued(db: Database, policy: Policy, member_id: str) -> str | None:
    """Why this member may not ask for a further job now; None when they may."""
    for limits, members in of_member(db, policy, member_id):
        if limits.queued_jobs is None:
            continue
        waiting = value(
            db,
            "SELECT count(*) FROM jobs WHERE member_id IN (SELECT value FROM json_each(?))"
            " AND state IN ('checking', 'slicing', 'awaiting_approval', 'queued', 'held')",
            (json.dumps(members),),
        )
        if waiting >= limits.queued_jobs:
            return f"{waiting} jobs are waiting already, and {limits.queued_jobs} may."
    return None


def _live(db: Database, members: list[str]) -> int:
    return int(
        value(
            db,
            "SELECT count(*) FROM attempts JOIN jobs ON jobs.id = job_id"
            " WHERE member_id IN (SELECT value FROM json_each(?))"
            " AND attempts.state NOT IN ('finished', 'failed', 'cancelled')",
            (json.dumps(members),),
        )
    )


def _used(db: Database, members: list[str], since: str) -> Used:
    found = row(
        db,
        "SELECT coalesce(sum(machine_s), 0) / 3600.0 AS machine_h,"
        " coalesce(sum(mass_g), 0) AS mass_g, coalesce(sum(cost), 0) AS cost FROM"
        " (SELECT CASE WHEN ended_at IS NULL THEN duration_s"
        "   ELSE (julianday(ended_at) - julianday(started_at)) * 86400 END AS machine_s,"
        "  json_extract(estimate, '$.mass_g') / copies AS mass_g,"
        "  json_extract(estimate, '$.cost') / copies AS cost"
        "  FROM attempts JOIN jobs ON jobs.id = job_id"
        "  WHERE member_id IN (SELECT value FROM json_each(?)) AND started_at >= ?"
        "  UNION ALL SELECT duration_s, json_extract(estimate, '$.mass_g') / copies,"
        "  json_extract(estimate, '$.cost') / copies"
        "  FROM attempts JOIN jobs ON jobs.id = job_id"
        "  WHERE member_id IN (SELECT value FROM json_each(?)) AND started_at IS NULL"
        "  AND attempts.state NOT IN ('finished', 'failed', 'cancelled'))",
        (json.dumps(members), since, json.dumps(members)),
    )
    return Used(**(found or {}))
