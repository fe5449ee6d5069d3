"""Guesses when queued jobs will start and end, by playing the queue forward in the background."""

from __future__ import annotations

import fcntl
import heapq
import json
import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fabcoord.queue import hours, spools
from fabcoord.queue.board import Board, offering_of
from fabcoord.queue.learning import Learnt
from fabcoord.queue.match import Offering, Wish, spool_objection, why_not
from fabcoord.queue.policy import Hours, Policy
from fabcoord.queue.schedule import Schedule, Waiting
from fabcoord.store.database import Row, Store, row, rows
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import timestamp

log = logging.getLogger(__name__)

_EVERY_S = 5.0
_MOST_STARTS = 50_000
_HORIZON_S = 60 * 86_400.0
_RATE_EVERY_S = 86_400.0
# A guess is told as exactly as it can be known: (up to so many seconds ahead, to this many).
_GRAIN = ((3600.0, 60), (6 * 3600.0, 300), (48 * 3600.0, 3600), (math.inf, 6 * 3600))


@dataclass(frozen=True, slots=True)
class Expected:
    """When a job should start and end, in seconds from now."""

    start_s: float
    end_s: float


def forecast(
    schedule: Schedule,
    printers: Sequence[Offering],
    free_in_s: Mapping[str, float],
    at: datetime,
    lab_hours: Hours | None = None,
    learnt: Learnt | None = None,
) -> dict[str, Expected]:
    """Play the queue forward: each printer that is free takes the best job, and so on.

    Args:
        schedule: what waits; it is used up.
        printers: those of the lab.
        free_in_s: when each printer can begin; one that is not named there is out of reach.
        at: the present.
        lab_hours: when somebody is there to clear plates; always, unless given.
        learnt: how long prints and cleared plates really take here.

    Returns:
        What is expected of each job that a printer in reach will take within two months.
    """
    opening = lab_hours or Hours()
    known_of = learnt or Learnt()
    paces = [known_of.pace(one.machine, one.printer_id) for one in printers]
    clearings_s = [known_of.clearing_s(one.printer_id) for one in printers]
    free = [(free_in_s[one.printer_id], index) for index, one in enumerate(printers)
            if one.printer_id in free_in_s]  # fmt: skip
    heapq.heapify(free)
    expected: dict[str, Expected] = {}
    rated_s = 0.0
    for _ in range(_MOST_STARTS):
        if not free or not len(schedule) or free[0][0] > _HORIZON_S:
            break
        start_s, index = heapq.heappop(free)
        if start_s - rated_s > _RATE_EVERY_S:
            rated_s = start_s
            schedule.rate(at.timestamp() + start_s)
        window = hours.window(opening, at + timedelta(seconds=start_s))
        job = None if window.quiet_until else schedule.best(
            printers[index], window_s=window.left_s, night=window.night, marked=window.marked
        )  # fmt: skip
        if job is None:
            later_s = _try_again_s(opening, window, at, start_s)
            if later_s is not None:
                heapq.heappush(free, (later_s, index))
            continue
        assumed = known_of.pace(job.wish.machine, job.wish.printer_id)
        end_s = start_s + job.facts.copy_s * paces[index] / assumed
        schedule.take(job.id)
        schedule.charge(job.member, job.facts.copy_s, at.timestamp() + start_s)
        known = expected.get(job.id)
        expected[job.id] = Expected(
            min(start_s, known.start_s) if known else start_s,
            max(end_s, known.end_s) if known else end_s,
        )
        heapq.heappush(free, (end_s + clearings_s[index], index))
    return expected


def _try_again_s(
    opening: Hours, window: hours.Window, at: datetime, start_s: float
) -> float | None:
    """When a printer that got nothing may get something; None when nothing will change."""
    here = at + timedelta(seconds=start_s)
    if window.quiet_until is not None:
        return (window.quiet_until - at).total_seconds()
    if window.left_s == math.inf:
        return None
    following = hours.opens_at(opening, here + timedelta(seconds=window.left_s + 60.0))
    return None if following is None else (following - at).total_seconds()


def refresh(store: Store, board: Board, at: datetime | None = None) -> None:
    """Work the forecast out anew and keep it with the jobs; writes only what changed visibly."""
    moment = at or datetime.now(UTC)
    with store.reading() as db:
        board.follow(db, moment)
        machines = rows(db, "SELECT * FROM printers WHERE deleted_at IS NULL")
        left_g = spools.left_in_printers(db)
        free_in_s = _free_in_s(db, machines, board.learnt)
        known = {
            item["id"]: item
            for item in rows(
                db,
                "SELECT id, position, expected_start, expected_end, reason, estimate, copies,"
                " misfits FROM jobs"
                " WHERE state = 'queued'",
            )
        }
        stale = row(
            db, "SELECT 1 FROM jobs WHERE position IS NOT NULL AND state != 'queued' LIMIT 1"
        )
    waiting = [job for job in board.schedule.in_order() if job.id in known]
    offerings = [offering_of(printer) for printer in machines]
    expected = forecast(
        board.schedule.copy(), offerings, free_in_s, moment, board.policy.hours, board.learnt
    )
    explain = _Explainer(board, machines, left_g, moment)
    changes = []
    for place, job in enumerate(waiting, start=1):
        guess = expected.get(job.id)
        start = _told(moment, guess.start_s) if guess else None
        end = _told(moment, guess.end_s) if guess else None
        reason = explain.why(job, guess, known[job.id])
        before = known[job.id]
        if (place, start, end, reason) != (
            *(before["position"], before["expected_start"], before["expected_end"]),
            before["reason"],
        ):
            changes.append((place, start, end, reason, job.id))
    if changes or stale:
        _keep(store, changes, timestamp(moment))


class Forecaster:
    """The thread of a worker that keeps the forecast fresh; one per lab, whoever comes first.

    It takes at most a twentieth of the processor: a large queue is forecast less often.
    """

    def __init__(self, store: Store, default: Policy, lock: Path) -> None:
        self._store, self._board, self._lock_path = store, Board(default), lock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="forecast", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        with self._lock_path.open("w") as lock:
            while not self._stop.is_set():
                rest_s = _EVERY_S
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    began = time.monotonic()
                    refresh(self._store, self._board)
                    rest_s = max(_EVERY_S, 20.0 * (time.monotonic() - began))
                except BlockingIOError:
                    pass  # another worker does it; perhaps it ends
                except Exception:
                    log.exception("the forecast failed; trying again soon")
                self._stop.wait(rest_s)


class _Explainer:
    """Finds the words for why a job waits; the same wish is looked at once."""

    def __init__(
        self, board: Board, machines: Sequence[Row], left_g: Mapping[str, float], at: datetime
    ) -> None:
        self._board, self._machines, self._left_g = board, machines, left_g
        self._window = hours.window(board.policy.hours, at)
        self._known: dict[tuple[Wish, str], str] = {}

    def why(self, job: Waiting, guess: Expected | None, asked: Row) -> str:
        if blocked := self._board.blocked.get(job.member):
            return f"Waits: {blocked}"
        if short := self._why_short(job, asked):
            return short
        any_length = self._window.night or (self._window.marked and job.overnight)
        if not any_length and job.facts.copy_s > self._window.left_s:
            hours_words = f"{job.facts.copy_s / 3600.0:.1f} h"
            if guess is None:
                return (
                    f"Takes {hours_words}, longer than the lab is open: ask for it overnight,"
                    " or split it."
                )
            return f"Takes {hours_words} and would not end before the lab closes: waits for then."
        if guess is not None:
            return "Waits for a printer."
        key = job.wish, asked["misfits"]
        if key not in self._known:
            misfits = json.loads(asked["misfits"])
            self._known[key] = why_it_waits(job.wish, self._machines, misfits)
        return self._known[key]

    def _why_short(self, job: Waiting, asked: Row) -> str | None:
        """Why no spool that is loaded does, where that is all that is in the way."""
        if not self._left_g:
            return None
        able = [one for one in self._machines if why_not(job.wish, offering_of(one)) is None]
        margin = self._board.policy.spool_margin
        short = [
            spool_objection(asked, one["name"], self._left_g.get(one["id"]), margin) for one in able
        ]
        return f"Waits: {' '.join(str(one) for one in short[:3])}" if short and all(short) else None


def why_it_waits(
    wish: Wish, machines: Sequence[Row], misfits: Mapping[str, str] | None = None
) -> str:
    """One sentence for a job that no printer in reach can take.

    Args:
        misfits: why machine models cannot print the part, where that is known.
    """
    refusals = [why_not(wish, offering_of(printer)) for printer in machines]
    if all(refusals):
        told = dict.fromkeys(
            (misfits or {}).get(printer["machine"], str(refusal))
            for printer, refusal in zip(machines, refusals, strict=True)
        )
        return f"No printer of this lab can take it: {' '.join(list(told)[:5])}"
    able = [one for one, refusal in zip(machines, refusals, strict=True) if refusal is None]
    states = [f"{one['name']} is {one['state'].replace('_', ' ')}" for one in able]
    states += [
        f"{one['name']} waits for maintenance: {one['overdue']}"
        for one in machines
        if one["overdue"] and why_not(wish, replace(offering_of(one), overdue="")) is None
    ]
    if all(one["state"] in ("idle", "busy", "awaiting_clearance") for one in able):
        return "Waits for a printer; it is too far off to say when."
    return f"Waits until a printer is back: {', '.join(states[:5])}."


def _free_in_s(db: Database, machines: Sequence[Row], learnt: Learnt) -> dict[str, float]:
    pace = {one["id"]: learnt.pace(one["machine"], one["id"]) for one in machines}
    left = {
        item["printer_id"]: item["remaining_s"]
        or (item["duration_s"] or 0.0) * pace.get(item["printer_id"], 1.0)
        for item in rows(
            db,
            "SELECT printer_id, remaining_s, duration_s FROM attempts"
            " WHERE state NOT IN ('finished', 'failed', 'cancelled', 'unknown')",
        )
    }
    free_in_s = {}
    for printer in machines:
        clearing_s = learnt.clearing_s(printer["id"])
        if printer["state"] == "idle":
            free_in_s[printer["id"]] = 0.0
        elif printer["state"] == "awaiting_clearance":
            free_in_s[printer["id"]] = clearing_s
        elif printer["state"] == "busy":
            free_in_s[printer["id"]] = left.get(printer["id"], 3600.0) + clearing_s
    return free_in_s


def _told(at: datetime, ahead_s: float) -> str:
    """The moment ``ahead_s`` from ``at``, rounded: a guess that moves by less is no news."""
    grain_s = next(grain for limit, grain in _GRAIN if ahead_s <= limit)
    whole_s = round((at.timestamp() + ahead_s) / grain_s) * grain_s
    return timestamp(datetime.fromtimestamp(whole_s, UTC))


def _keep(
    store: Store, changes: list[tuple[int, str | None, str | None, str, str]], moment: str
) -> None:
    with store.writing() as db:
        for place, start, end, reason, job_id in changes:
            told = row(
                db,
                "UPDATE jobs SET position = ?, expected_start = ?, expected_end = ?, reason = ?,"
                " forecast_at = ? WHERE id = ? AND state = 'queued' RETURNING member_id",
                (place, start, end, reason, moment, job_id),
            )
            if told is not None:
                emit(db, "job.forecast", job_id=job_id, member_id=told["member_id"],
                     position=place, expected_start=start)  # fmt: skip
        db.conn.execute(
            "UPDATE jobs SET position = NULL, expected_start = NULL, expected_end = NULL"
            " WHERE position IS NOT NULL AND state != 'queued'"
        )
