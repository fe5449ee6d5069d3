"""Who did what: the events of people, and the one way in which chatter is ever forgotten.

Triggers refuse to change any event, and to remove one unless the table ``retention`` names its
kind, nobody's name is on it, and it is older than that table allows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fabcoord.store.database import Store, rows
from fabcoord.store.sqlite import Database

_AT_ONCE = 2000  # a transaction stays short


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the log is wanted; empty fields leave everything in.

    ``kind`` is a kind of event or its beginning up to the dot, such as ``printer``; ``about`` is
    the id of a job, printer, attempt, agent or member. Times are RFC 3339.
    """

    actor: str = ""
    kind: str = ""
    about: str = ""
    since: str = ""
    until: str = ""


def log(
    db: Database, asked: Asked, *, before: int | None = None, limit: int = 50
) -> tuple[list[dict[str, Any]], int | None]:
    """What persons did, newest first, and where the next page begins (or None)."""
    found = rows(
        db,
        "SELECT * FROM audit WHERE (:before IS NULL OR seq < :before)"
        " AND (:actor = '' OR actor = :actor)"
        " AND (:kind = '' OR kind = :kind OR kind LIKE :kind || '.%')"
        " AND (:about = '' OR :about IN (job_id, printer_id, attempt_id, agent_id, member_id))"
        " AND (:since = '' OR at >= :since) AND (:until = '' OR at < :until)"
        " ORDER BY seq DESC LIMIT :limit",
        {
            "before": before,
            "limit": limit + 1,
            "actor": asked.actor,
            "kind": asked.kind,
            "about": asked.about,
            "since": asked.since,
            "until": asked.until,
        },
    )
    items = [{**item, "data": json.loads(item["data"])} for item in found[:limit]]
    return items, items[-1]["seq"] if len(found) > limit else None


def forget(store: Store) -> int:
    """Remove chatter that is older than the rules of ``retention``; returns how many events."""
    with store.writing() as db:
        cursor = db.conn.execute(
            "DELETE FROM events WHERE seq IN (SELECT seq FROM retention JOIN events"
            " ON events.kind = retention.kind AND actor IS NULL"
            " AND at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || keep_days || ' days')"
            " LIMIT ?)",
            (_AT_ONCE,),
        )
        return cursor.rowcount


def rules(db: Database) -> list[dict[str, Any]]:
    """Which kinds of event are forgotten, and after how many days."""
    return rows(db, "SELECT kind, keep_days FROM retention ORDER BY kind")
