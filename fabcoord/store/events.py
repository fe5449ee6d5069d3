"""The event outbox: every change tells of itself in the transaction that makes it."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import dataclass, field
from typing import Any

from fabcoord.store.database import Store, row, rows, value
from fabcoord.store.sqlite import Database
from fabcoord.store.values import now

_TAIL_INTERVAL_S = 0.1  # costs 0.17 % of a core; finds commits of other processes


@dataclass(frozen=True, slots=True)
class Event:
    """One change: ``kind`` is ``<thing>.<what happened>``, for example ``job.queued``."""

    seq: int
    at: str
    kind: str
    job_id: str | None = None
    printer_id: str | None = None
    attempt_id: str | None = None
    agent_id: str | None = None
    member_id: str | None = None  # whose thing it is about
    actor: str | None = None  # who did it: a member's name, ``agent:…``, or None for the server
    data: dict[str, Any] = field(default_factory=dict)


def emit(
    db: Database,
    kind: str,
    *,
    job_id: str | None = None,
    printer_id: str | None = None,
    attempt_id: str | None = None,
    agent_id: str | None = None,
    member_id: str | None = None,
    actor: str | None = None,
    **data: Any,
) -> None:
    """Write an event, and call who subscribed to its kind; inside the change's transaction."""
    at = now()
    cursor = db.conn.execute(
        "INSERT INTO events (at, kind, job_id, printer_id, attempt_id, agent_id, member_id, actor,"
        " data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(at, kind, job_id, printer_id, attempt_id, agent_id, member_id, actor),
            json.dumps(data, separators=(",", ":")),
        ),
    )
    for call in db.subscribers.get(kind, ()):
        seq = int(cursor.lastrowid or 0)
        about = (job_id, printer_id, attempt_id, agent_id, member_id, actor)
        call(db, Event(seq, at, kind, *about, data))


def last_seq(db: Database) -> int:
    """The number of the newest event; 0 when there is none."""
    return int(value(db, "SELECT coalesce(max(seq), 0) FROM events"))


def since(
    db: Database,
    seq: int,
    *,
    printer_id: str | None = None,
    job_id: str | None = None,
    limit: int = 500,
) -> list[Event]:
    """The events after ``seq``, oldest first, at most ``limit``."""
    found = rows(
        db,
        "SELECT * FROM events WHERE seq > :seq"
        " AND (:printer IS NULL OR printer_id = :printer) AND (:job IS NULL OR job_id = :job)"
        " ORDER BY seq LIMIT :limit",
        {"seq": seq, "printer": printer_id, "job": job_id, "limit": limit},
    )
    return [Event(**{**item, "data": json.loads(item["data"])}) for item in found]


def exists_for_agent(db: Database, seq: int, agent_id: str) -> bool:
    """Whether anything that an agent must come for happened after ``seq``."""
    return (
        row(
            db,
            "SELECT seq FROM events WHERE seq > ? AND agent_id = ? AND (kind IN ("
            "'attempt.offered', 'command.created', 'printer.configured', 'attempt.withdrawn'))"
            " LIMIT 1",
            (seq, agent_id),
        )
        is not None
    )


class Tail:
    """A thread that notices commits of other processes and wakes the store's hub."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event-tail", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        connection = sqlite3.connect(self._store.path)
        seen = -1
        while not self._stop.wait(_TAIL_INTERVAL_S):
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if version != seen:
                seen = version
                self._store.hub.wake()
        connection.close()
