"""The agent's memory on disk: held attempts, events not yet acknowledged, results of commands.

Every change of an attempt and the event that tells of it are one transaction, committed with
``synchronous=FULL``: after a power cut the journal never knows less than the printer was told.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fabcoord.agent.clock import rfc3339
from fabcoord.agent.held import Held, Place, Stage
from fabcoord.agent.messages import AgentEvent, CommandResult, Offer, PrinterConfig

JournalError = sqlite3.Error  # what every method raises when the disk is full or broken

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS attempt (
    attempt_id TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    printer_id TEXT NOT NULL,
    gcode_sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    stage TEXT NOT NULL,
    reported TEXT NOT NULL,
    layers INTEGER,
    duration_s REAL,
    marked INTEGER NOT NULL DEFAULT 0,  -- a start may have been sent; never goes back to 0
    changed_s INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    attempt_id TEXT NOT NULL,
    token TEXT NOT NULL,
    at TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS command (
    command_id TEXT PRIMARY KEY, ok INTEGER NOT NULL, reason TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS place (  -- how far a streamed print had come
    attempt_id TEXT PRIMARY KEY, line INTEGER NOT NULL, state TEXT NOT NULL, at TEXT NOT NULL
) STRICT;
"""
_HELD = "attempt_id, token, printer_id, gcode_sha256, size, stage, reported, layers, duration_s"
_KEEP_ENDED_S = 90 * 86_400


class Journal:
    """The journal of one agent. Methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # it holds keys of printers
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=15)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        with self._change():
            self._set_default("epoch", uuid.uuid4().hex)
            self._set_default("next_seq", "1")
            forgotten = int(time.time()) - _KEEP_ENDED_S
            self._db.execute(
                "DELETE FROM attempt WHERE stage = 'ended' AND changed_s < ?", (forgotten,)
            )
            self._db.execute(
                "DELETE FROM place WHERE attempt_id NOT IN (SELECT attempt_id FROM attempt)"
            )
        self.epoch = self._meta("epoch")

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        with self._lock:
            self._db.close()

    # Attempts

    def held(self, printer_id: str | None = None) -> tuple[Held, ...]:
        """Attempts that have not ended, oldest first; of one printer or of all."""
        sql = f"SELECT {_HELD} FROM attempt WHERE stage != 'ended'"  # noqa: S608
        with self._lock:
            rows = self._db.execute(f"{sql} ORDER BY rowid").fetchall()
        found = (_held(row) for row in rows)
        return tuple(item for item in found if printer_id in (None, item.printer_id))

    def accept(self, offer: Offer) -> Held | None:
        """Take an offer and tell the server; None if it was taken before.

        The same attempt may be taken again only if it was given back without a start, and the
        server has heard of that.
        """
        return self._take(offer, Stage.ACCEPTED, "accepted", "")

    def decline(self, offer: Offer, reason: str) -> bool:
        """Tell the server that an offer is not taken; False if it was answered before."""
        return self._take(offer, Stage.ENDED, "declined", reason) is not None

    def _take(self, offer: Offer, stage: Stage, kind: str, reason: str) -> Held | None:
        with self._change():
            waiting = "SELECT 1 FROM event WHERE attempt_id = ? AND token = ? LIMIT 1"
            if self._db.execute(waiting, (offer.attempt_id, offer.token)).fetchone():
                return None
            row = self._db.execute(
                f"INSERT INTO attempt ({_HELD}, changed_s) VALUES (?,?,?,?,?,?,?,?,?,?)"  # noqa: S608
                " ON CONFLICT (attempt_id) DO UPDATE SET token = excluded.token,"
                " printer_id = excluded.printer_id, gcode_sha256 = excluded.gcode_sha256,"
                " size = excluded.size, stage = excluded.stage, reported = excluded.reported,"
                " layers = excluded.layers, duration_s = excluded.duration_s,"
                " changed_s = excluded.changed_s"
                " WHERE marked = 0 AND (stage = 'ended' OR"
                "  (stage = 'accepted' AND token != excluded.token))"
                f" RETURNING {_HELD}",
                (
                    *(offer.attempt_id, offer.token, offer.printer_id, offer.gcode_sha256),
                    *(offer.size, stage, kind, offer.layers, offer.duration_s, int(time.time())),
                ),
            ).fetchone()
            if row is not None:
                self._event(kind, offer.attempt_id, offer.token, reason)
            return _held(row) if row is not None else None

    def mark_start(self, attempt_id: str) -> Held | None:
        """Write, durably, that a start is about to be sent; None if it must not be sent.

        The mark can be made once in the life of an attempt.
        """
        with self._change():
            row = self._db.execute(
                "UPDATE attempt SET stage = 'starting', reported = 'starting', marked = 1,"  # noqa: S608
                " changed_s = ? WHERE attempt_id = ? AND stage = 'transferring' AND marked = 0"
                f" RETURNING {_HELD}",
                (int(time.time()), attempt_id),
            ).fetchone()
            if row is None:
                return None
            held = _held(row)
            self._event("starting", held.attempt_id, held.token, "")
            return held

    def move(self, attempt_id: str, stage: Stage, kind: str = "", reason: str = "") -> Held:
        """Bring an attempt to another stage; with ``kind``, tell the server in the same breath."""
        marks = stage in (Stage.STARTING, Stage.PRINTING, Stage.UNKNOWN)
        with self._change():
            row = self._db.execute(
                "UPDATE attempt SET stage = ?, marked = max(marked, ?), changed_s = ?,"  # noqa: S608
                " reported = CASE WHEN ? = '' THEN reported ELSE ? END"
                f" WHERE attempt_id = ? RETURNING {_HELD}",
                (stage, int(marks), int(time.time()), kind, kind, attempt_id),
            ).fetchone()
            held = _held(row)
            if kind:
                self._event(kind, held.attempt_id, held.token, reason)
            return held

    # Places

    def note_places(self, places: Mapping[str, Place]) -> None:
        """Remember how far streamed prints have come, by attempt: one write for all of them."""
        at = rfc3339()
        with self._change():
            self._db.executemany(
                "INSERT OR REPLACE INTO place (attempt_id, line, state, at) VALUES (?, ?, ?, ?)",
                [(key, one.line, json.dumps(one.state), at) for key, one in places.items()],
            )

    def places(self) -> dict[str, Place]:
        """How far prints had come when it was last written, newest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT attempt_id, line, state, at FROM place ORDER BY at DESC, rowid DESC"
            ).fetchall()
        return {row[0]: Place(row[1], json.loads(row[2]), row[3]) for row in rows}

    # Events

    def unsent(self, limit: int = 200) -> tuple[AgentEvent, ...]:
        """The oldest events that the server has not acknowledged."""
        with self._lock:
            rows = self._db.execute(
                "SELECT seq, kind, attempt_id, token, at, reason FROM event ORDER BY seq LIMIT ?",
                (limit,),
            ).fetchall()
        return tuple(AgentEvent(*row) for row in rows)

    def acknowledged(self, seq: int) -> None:
        """Forget the events up to ``seq``.

        A number beyond the newest event means that this journal is an older copy of one that
        the server has met. The numbers that follow then start after it, or the server would
        take what is new for a repetition.
        """
        with self._lock:
            oldest, newest = self._db.execute("SELECT min(seq), max(seq) FROM event").fetchone()
        beyond = seq >= int(self._meta("next_seq"))
        if not beyond and (oldest is None or seq < oldest):
            return
        with self._change():
            if beyond:
                # Further than any number in use, so that no two rows meet on the way.
                shift = seq + (newest or 0) + 1
                self._db.execute("UPDATE event SET seq = seq + ?", (shift,))
                self._set("next_seq", str(shift + (newest or 0) + 1))
            else:
                self._db.execute("DELETE FROM event WHERE seq <= ?", (seq,))

    # Commands

    def finish_command(self, result: CommandResult) -> None:
        """Remember what became of a command."""
        with self._change():
            self._db.execute(
                "INSERT OR REPLACE INTO command (command_id, ok, reason) VALUES (?, ?, ?)",
                (result.command_id, int(result.ok), result.reason),
            )

    def command_results(self) -> tuple[CommandResult, ...]:
        """Results that the server may not have heard yet."""
        with self._lock:
            rows = self._db.execute("SELECT command_id, ok, reason FROM command").fetchall()
        return tuple(CommandResult(row[0], bool(row[1]), row[2]) for row in rows)

    def forget_commands(self, command_ids: set[str]) -> None:
        """Forget results whose command the server has stopped repeating."""
        with self._change():
            self._db.executemany(
                "DELETE FROM command WHERE command_id = ?", [(item,) for item in command_ids]
            )

    # The rest

    def printers(self) -> tuple[PrinterConfig, ...]:
        """The printers that the server listed last, so that the agent can work without it."""
        return tuple(PrinterConfig(**item) for item in json.loads(self._meta("printers") or "[]"))

    def set_printers(self, printers: tuple[dict[str, Any], ...]) -> None:
        """Remember the printers, given as JSON objects of `PrinterConfig`."""
        with self._change():
            self._set("printers", json.dumps(printers))

    def check(self) -> None:
        """Write something durable; raises JournalError while that is impossible."""
        with self._change():
            self._set("checked_at", rfc3339())

    def new_instance_start(self) -> str:
        """The start of this process as RFC 3339: later than that of every process before it.

        The newer of two processes wins at the server, and the clock of a Raspberry Pi may have
        gone back at a reboot.
        """
        now = datetime.now(UTC)
        last = self._meta("instance_started_at")
        if last:
            now = max(now, datetime.fromisoformat(last) + timedelta(milliseconds=1))
        text = rfc3339(now)
        with self._change():
            self._set("instance_started_at", text)
        return text

    def _event(self, kind: str, attempt_id: str, token: str, reason: str) -> None:
        seq = int(self._meta_in_change("next_seq"))
        self._db.execute(
            "INSERT INTO event (seq, kind, attempt_id, token, at, reason) VALUES (?,?,?,?,?,?)",
            (seq, kind, attempt_id, token, rfc3339(), reason[:500]),
        )
        self._set("next_seq", str(seq + 1))

    def _meta(self, key: str) -> str:
        with self._lock:
            return self._meta_in_change(key)

    def _meta_in_change(self, key: str) -> str:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def _set(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def _set_default(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)", (key, value))

    @contextmanager
    def _change(self) -> Iterator[None]:
        """One durable transaction; rolled back whole on any error."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def _held(row: tuple[Any, ...]) -> Held:
    attempt_id, token, printer_id, sha256, size, stage, reported, layers, duration_s = row
    return Held(
        attempt_id=attempt_id,
        token=token,
        printer_id=printer_id,
        gcode_sha256=sha256,
        size=size,
        stage=Stage(stage),
        reported=reported,
        layers=layers,
        duration_s=duration_s,
    )
