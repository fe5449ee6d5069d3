"""The lab's one SQLite file, opened by five rules that are kept here and nowhere else.

1. WAL; synchronous=NORMAL, and FULL for what must survive a power cut (``durable=True``, or
   `must_last` by who finds that out inside the transaction).
2. busy_timeout of 20 s and foreign keys on every connection; one connection per thread at a time.
3. Writes are ``BEGIN IMMEDIATE`` … ``COMMIT``: a deferred read-then-write fails at once in WAL.
4. Never on a network file system: WAL needs shared memory.
5. No telemetry samples in this file: the last value of each printer, and no more.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fabcoord.store.directories import fsync_directory, make_directory
from fabcoord.store.hub import Hub
from fabcoord.store.sqlite import Database

_BUSY_TIMEOUT_S = 20.0

Row = dict[str, Any]


class Store:
    """Access to the lab's database; safe to share between threads.

    Args:
        path: the SQLite file; made if missing.

    Attributes:
        hub: woken by each commit of this process, and by `events.Tail` for those of others.
        announce: called after a commit with the id of each run that was queued in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hub = Hub()
        self.announce: Callable[[str], None] = lambda run_id: None
        self._subscribers: dict[str, list[Callable[[Database, Any], None]]] = {}
        self._idle: list[Database] = []
        self._lock = threading.Lock()
        self._thread = threading.local()
        make_directory(path.parent)

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """A connection inside one read transaction: all reads see the same moment."""
        db = self._borrow()
        try:
            db.conn.execute("BEGIN")
            try:
                yield db
            finally:
                db.conn.rollback()
        finally:
            self._give_back(db)

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[Database]:
        """A connection inside ``BEGIN IMMEDIATE``, committed at the end unless an error leaves it.

        ``durable`` commits with synchronous=FULL: attempt states, clearance, tokens, money.
        """
        db = self._borrow()
        try:
            db.conn.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            db.conn.execute("BEGIN IMMEDIATE")
            db.before_commit, db.after_commit, db.announce = [], [], self.announce
            db.must_last = durable
            db.subscribers = self._subscribers
            try:
                yield db
                for call in db.before_commit:
                    call()
                for note in getattr(self._thread, "notes", ()):
                    note(db)
            except BaseException:
                db.conn.rollback()  # quiet where SQLite already rolled back, as on a full disk
                raise
            db.conn.execute("COMMIT")
            if db.must_last and not durable:
                self._sync_wal()
            done = db.after_commit
        finally:
            self._give_back(db)
        self.hub.wake()
        for tell in done:
            tell()

    @contextmanager
    def noting(self, note: Callable[[Database], None]) -> Iterator[None]:
        """While the block runs, the transactions of this thread end with ``note(db)``."""
        before = getattr(self._thread, "notes", ())
        self._thread.notes = (*before, note)
        try:
            yield
        finally:
            self._thread.notes = before

    def _sync_wal(self) -> None:
        """Bring to the disk what was committed without synchronous=FULL."""
        wal = self.path.with_name(f"{self.path.name}-wal")
        with wal.open("rb") as file:
            os.fsync(file.fileno())
        fsync_directory(wal.parent)  # it is made anew each time the lab is opened

    def subscribe(self, kind: str, call: Callable[[Database, Any], None]) -> None:
        """Have ``call(db, event)`` made inside the transaction of every event of this kind.

        This is how a higher room hears of a lower one, which never calls it.
        """
        self._subscribers.setdefault(kind, []).append(call)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    def _borrow(self) -> Database:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._open()

    def _give_back(self, db: Database) -> None:
        if db.conn.in_transaction:  # a commit or rollback failed: it must not wait in the pool
            db.close()
            return
        with self._lock:
            self._idle.append(db)

    def _open(self) -> Database:
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-512")
        return Database(connection)


def rows(db: Database, sql: str, params: dict[str, Any] | tuple[Any, ...] = ()) -> list[Row]:
    """The rows of a query inside the open transaction, as dicts."""
    cursor = db.conn.execute(sql, params)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def row(db: Database, sql: str, params: dict[str, Any] | tuple[Any, ...] = ()) -> Row | None:
    """The first row of a query, or None. With ``RETURNING`` it tells whether a change applied."""
    found = rows(db, sql, params)
    return found[0] if found else None


def value(db: Database, sql: str, params: dict[str, Any] | tuple[Any, ...] = ()) -> Any:
    """The first column of the first row, or None."""
    found = db.conn.execute(sql, params).fetchone()
    return found[0] if found else None
