"""Carries notices out of the outbox: in order per target, again until taken, never a storm.

What goes out together gets an id before it is sent and keeps it, so that a receiver who hears it
twice (after a crash between the sending and the note of it) can tell.
"""

from __future__ import annotations

import fcntl
import json
import logging
import random
import shutil
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fabcoord.config import Settings
from fabcoord.notices import news, targets
from fabcoord.notices.news import News
from fabcoord.queue import hours, policy
from fabcoord.queue.policy import Policy
from fabcoord.store.database import Row, Store, row, rows, value
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, now, parse_timestamp
from fabcoord.work import sandbox
from fabcoord.work.sandbox import Limits

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_PLATES_EVERY_S = 30.0
_GATHER_S = 2.0  # what comes within this time goes out together
_MOST_TOGETHER = 50
_MOST_SENDINGS, _WITHIN_S = 6, 600.0  # past that, news gathers into one digest
_GIVE_UP_AFTER_S = 24 * 3600.0
_FIRST_RETRY_S, _LONGEST_RETRY_S = 5.0, 3600.0
_AT_ONCE = 4
_LIMITS = Limits(memory_bytes=1 << 30, cpu_s=30, wall_s=40.0, file_size_bytes=1 << 20)


@dataclass(frozen=True, slots=True)
class Sending:
    """Notices that go to one target together."""

    target: Row
    delivery_id: str
    notices: list[Row]


Send = Callable[[Sending], str]


def next_sending(db: Database, target_id: str) -> Sending | None:
    """What is due at a target now, marked with its delivery id; None while nothing is."""
    target = row(db, "SELECT * FROM notice_targets WHERE id = ?", (target_id,))
    waiting = rows(
        db,
        "SELECT * FROM notices WHERE target_id = ? AND state = 'waiting' ORDER BY seq LIMIT ?",
        (target_id, _MOST_TOGETHER),
    )
    if target is None or not waiting or target["not_before"] > now():
        return None
    begun = waiting[0]["delivery_id"]
    if begun is not None:
        return Sending(target, begun, [one for one in waiting if one["delivery_id"] == begun])
    if waiting[0]["created_at"] > in_seconds(-_GATHER_S) or _sent_enough(db, target_id):
        return None
    delivery_id = str(uuid.uuid4())
    db.conn.execute(
        "UPDATE notices SET delivery_id = ? WHERE id IN (SELECT value FROM json_each(?))",
        (delivery_id, json.dumps([one["id"] for one in waiting])),
    )
    return Sending(target, delivery_id, waiting)


def note(db: Database, sending: Sending, error: str) -> None:
    """Write down how a sending went: done, to be tried again later, or given up after a day."""
    ids = json.dumps([one["id"] for one in sending.notices])
    too_old = sending.notices[0]["created_at"] < in_seconds(-_GIVE_UP_AFTER_S)
    state = "sent" if not error else "failed" if too_old else "waiting"
    db.conn.execute(
        "UPDATE notices SET state = ?, tries = tries + 1, error = ?, ended_at = ?"
        " WHERE id IN (SELECT value FROM json_each(?)) AND state = 'waiting'",
        (state, error[:500], None if state == "waiting" else now(), ids),
    )
    failures = sending.target["failures"] + 1 if error else 0
    pause_s = backoff_s(failures) * random.uniform(0.5, 1.0) if error else 0.0  # noqa: S311
    db.conn.execute(
        "UPDATE notice_targets SET failures = ?, not_before = ? WHERE id = ?",
        (failures, in_seconds(pause_s) if error else "", sending.target["id"]),
    )


def backoff_s(failures: int) -> float:
    """How long to leave a target alone after so many failures in a row."""
    return float(min(_FIRST_RETRY_S * 2.0 ** min(failures - 1, 20), _LONGEST_RETRY_S))


def payload(settings: Settings, sending: Sending) -> dict[str, Any]:
    """What a webhook receives."""
    return {
        "id": sending.delivery_id,
        "lab": settings.lab_name,
        "notices": [
            {
                **{name: one[name] for name in ("id", "kind", "subject", "title", "body")},
                "at": one["created_at"],
                "url": settings.public_url.rstrip("/") + one["path"],
            }
            for one in sending.notices
        ],
    }


def text(settings: Settings, sending: Sending) -> tuple[str, str]:
    """Title and body for people: of the one notice, or a digest of all."""
    found = payload(settings, sending)["notices"]
    if len(found) == 1:
        (only,) = found
        link = f"\n{only['url']}" if settings.public_url else ""
        return f"{settings.lab_name}: {only['title']}", f"{only['body']}{link}"
    lines = [f"• {one['title']}" + (f": {one['body']}" if one["body"] else "") for one in found]
    return f"{settings.lab_name}: {len(found)} notices", "\n".join(lines)


class Courier:
    """The threads of a worker that send notices; one courier per lab, whoever comes first."""

    def __init__(
        self, store: Store, settings: Settings, default: Policy, send: Send | None = None
    ) -> None:
        self._store, self._settings, self._default = store, settings, default
        self._send = send or self._send_apart
        self._stop = threading.Event()
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        path = self._settings.data_dir / "notices.lock"
        rounds = 0
        # Threads that stay: what they start dies with the thread that started it.
        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="notice")
        with path.open("w") as lock:
            while not self._stop.wait(_EVERY_S):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if rounds % round(_PLATES_EVERY_S / _EVERY_S) == 0:
                        self.look_at_plates()
                    rounds += 1
                    for target_id in self.waiting():
                        pool.submit(self.serve, target_id)
                except BlockingIOError:
                    pass  # another worker does it; perhaps it ends
                except Exception:
                    log.exception("looking for notices failed; trying again soon")
        pool.shutdown(wait=False, cancel_futures=True)

    def waiting(self) -> list[str]:
        """The targets for which something waits and nobody sends just now."""
        with self._store.reading() as db:
            found = rows(
                db,
                "SELECT DISTINCT target_id FROM notices JOIN notice_targets"
                " ON notice_targets.id = target_id WHERE state = 'waiting' AND not_before <= ?",
                (now(),),
            )
        with self._lock:
            free = [one["target_id"] for one in found if one["target_id"] not in self._busy]
            self._busy.update(free)
        return free

    def serve(self, target_id: str) -> bool:
        """Send what is due at one target; returns whether something was sent."""
        try:
            with self._store.writing() as db:
                sending = next_sending(db, target_id)
            if sending is None:
                return False
            error = self._send(sending)
            if error:
                log.warning("a notice to %s was not taken: %s", target_id, error)
            with self._store.writing() as db:
                note(db, sending, error)
            return not error
        except Exception:
            log.exception("a notice could not be sent; trying again soon")
            return False
        finally:
            with self._lock:
                self._busy.discard(target_id)

    def look_at_plates(self) -> None:
        """Tell of plates that have waited too long for somebody while the lab was open."""
        with self._store.reading() as db:
            late = self._late_plates(db)
        if late:
            with self._store.writing() as db:
                for one in late:
                    news.tell(db, one, news.who_hears(db, one.kind, None), once=True)

    def _late_plates(self, db: Database) -> list[News]:
        at = datetime.now(UTC)
        _, rules = policy.current(db, self._default)
        found = rows(
            db,
            "SELECT printer_spans.*, name FROM printer_spans JOIN printers ON id = printer_id"
            " WHERE printer_spans.state = 'awaiting_clearance' AND since < ?",
            (in_seconds(-60 * self._settings.clearance_notice_min),),
        )
        late = []
        for item in found:
            waited_s = hours.open_s(rules.hours, parse_timestamp(item["since"]), at)
            if waited_s >= 60 * self._settings.clearance_notice_min:
                words = f"Its plate has waited since {item['since'][:16].replace('T', ' ')} UTC."
                late.append(
                    News(
                        "printer.uncleared",
                        f"{item['printer_id']}@{item['since']}",
                        f"{item['name']} waits to be cleared",
                        words,
                        "/kiosk",
                    )
                )
        return late

    def _send_apart(self, sending: Sending) -> str:
        """Send in a process of its own; returns what went wrong, or nothing."""
        title, body = text(self._settings, sending)
        target = sending.target
        address = target["address"]
        is_mail = target["means"] == targets.Means.EMAIL
        if is_mail:
            mark = "&" if "?" in self._settings.mail_url else "?"
            address = f"{self._settings.mail_url}{mark}to={quote(address)}"
        request = {
            "means": target["means"],
            "address": address,
            "secret": target["secret"],
            "private": is_mail or targets.may_be_private(self._settings, target["member_id"]),
            "delivery_id": sending.delivery_id,
            "payload": payload(self._settings, sending),
            "title": title,
            "body": body,
        }
        return run_apart(
            self._settings.work_dir / "notices" / sending.delivery_id, request, self._stop.is_set
        )


def run_apart(
    cwd: Path, request: dict[str, Any], cancelled: Callable[[], bool] = lambda: False
) -> str:
    """Run `fabcoord.notices.send` with this request; returns what went wrong, or nothing."""
    cwd.mkdir(parents=True, exist_ok=True)
    path = cwd / "request.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(request))
    try:
        done = sandbox.run(
            [*sandbox.python_module("fabcoord.notices.send"), path.name],
            cwd=cwd, limits=_LIMITS, cancelled=cancelled,
        )  # fmt: skip
    finally:
        shutil.rmtree(cwd, ignore_errors=True)
    if done.ended_by != "itself":
        return "It took too long."
    try:
        answer = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        log.warning("sending a notice ended with %s: %s", done.returncode, done.stderr[-500:])
        return "Sending it failed; the log of the worker says why."
    return "" if answer["ok"] else str(answer["error"])


def _sent_enough(db: Database, target_id: str) -> bool:
    sent = value(
        db,
        "SELECT count(DISTINCT delivery_id) FROM notices WHERE target_id = ? AND ended_at > ?",
        (target_id, in_seconds(-_WITHIN_S)),
    )
    return int(sent) >= _MOST_SENDINGS
