"""The queue in memory: a `Schedule` that follows the database by its events."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fabcoord.printers import machines
from fabcoord.queue import learning, limits, policy
from fabcoord.queue.fairshare import JobFacts
from fabcoord.queue.learning import Learnt
from fabcoord.queue.match import ENCLOSED, Offering, Wish
from fabcoord.queue.policy import Policy
from fabcoord.queue.schedule import Schedule, Waiting
from fabcoord.store import events
from fabcoord.store.database import Row, rows
from fabcoord.store.sqlite import Database
from fabcoord.store.values import parse_timestamp, timestamp

_FRESHEN_EVERY_S = 1.0
_TIDY_EVERY_S = 60.0
_MOST_EVENTS = 5000  # behind by more than this, reading everything anew is quicker
_MOVED = 0.03  # learnt lengths that differ by less make no other order
_HALF_LIVES = 8  # what was used longer ago than this counts less than half a percent
_REBUILD = ("policy.changed", "training.changed", "group.changed", "member.shares")
_LOADED = ("printer.configured", "spool.", "batch.")  # what is on a spool may have changed

_WAITING = (
    "SELECT jobs.*, jobs.copies - (SELECT count(DISTINCT copy) FROM attempts"
    "  WHERE job_id = jobs.id AND attempts.state NOT IN ('failed', 'cancelled')) AS copies_left"
)
_GOES_ON = (
    "NOT EXISTS (SELECT 1 FROM batches WHERE batches.id = batch_id AND paused_at IS NOT NULL)"
)
_EVERY_WAITING = f"{_WAITING} FROM jobs WHERE state IN ('queued', 'printing') AND {_GOES_ON}"
# CROSS JOIN keeps SQLite from going through all that waits to find the few that are named.
_NAMED_WAITING = (
    f"{_WAITING} FROM json_each(?) AS named CROSS JOIN jobs ON jobs.id = named.value"
    f" WHERE +state IN ('queued', 'printing') AND {_GOES_ON}"
)
_USED = (
    "SELECT attempts.id, member_id, attempts.state, attempts.created_at, started_at, ended_at,"
    " duration_s FROM attempts JOIN jobs ON jobs.id = job_id"
)


class Board:
    """What waits, in its order, and what of the lab's policy decides about it.

    Args:
        default: the policy of a lab that never changed it.
    """

    def __init__(self, default: Policy) -> None:
        self._default = default
        self._seq = -1
        self._booked: dict[str, tuple[str, float, float]] = {}  # attempt -> member, s, when
        self._trained: dict[str, set[str]] = {}  # machine that needs training -> members
        self.blocked: dict[str, str] = {}  # member -> why nothing more of theirs may start
        # (job, machine model, nozzle) -> why no plan could be made; tried again every minute
        self.misfits: dict[tuple[str, str, float | None], str] = {}
        # (job, printer) -> why the loaded spool does not do; looked at again with each job's news
        self.short: dict[tuple[str, str], str] = {}
        self.policy = default
        self.learnt = Learnt()
        self.version = 0
        self.schedule = Schedule(default.weights, 0.0)
        self._tidied_s = self._freshened_s = 0.0

    def follow(self, db: Database, at: datetime) -> None:
        """Take in what happened since the last call; all of it the first time."""
        last = events.last_seq(db)
        if self._seq < 0 or last - self._seq > _MOST_EVENTS or last < self._seq:
            self._read_all(db, at)
        elif last > self._seq:
            self._read_news(db, at)
        self._seq = last
        if at.timestamp() - self._freshened_s >= _FRESHEN_EVERY_S:
            self._freshened_s = at.timestamp()
            self.schedule.freshen(at.timestamp())
        if at.timestamp() - self._tidied_s >= _TIDY_EVERY_S:
            self._tidied_s = at.timestamp()
            self.misfits.clear()
            self.short.clear()
            for member in list(self.blocked):  # a new day or week may have begun
                self._limit(db, member, at)

    def wish_of(self, job: Row) -> Wish:
        """What a job's row asks of a printer, training of its member included."""
        models = None if job["machines"] is None else frozenset(json.loads(job["machines"]))
        untrained = frozenset(
            name for name, members in self._trained.items() if job["member_id"] not in members
        )
        tags = frozenset(json.loads(job["tags"]))
        if job["material"] in self.policy.enclosed_materials:
            tags |= {ENCLOSED}
        return Wish(
            *(job["machine"], job["material"], job["colour"], job["printer_id"]),
            *(models, tags, job["nozzle_mm"], untrained),
        )

    def _read_all(self, db: Database, at: datetime) -> None:
        self.version, self.policy = policy.current(db, self._default)
        self.learnt = learning.read(db)
        self._trained = {name: set() for name in self.policy.training}
        valid = rows(db, "SELECT * FROM trainings WHERE coalesce(expires_at, '~') > ?",
                     (timestamp(at),))  # fmt: skip
        for item in valid:
            self._trained.get(item["machine"], set()).add(item["member_id"])
        self.schedule = Schedule(self.policy.weights, at.timestamp())
        self._booked, self.blocked = {}, {}
        for item in rows(db, "SELECT id, shares FROM members WHERE shares != 1.0"):
            self.schedule.entitle(item["id"], item["shares"])
        for item in rows(db, _EVERY_WAITING):
            self._put(item)
        since = at.timestamp() - _HALF_LIVES * self.policy.weights.half_life_h * 3600.0
        ended_after = timestamp(datetime.fromtimestamp(max(since, 0.0), UTC))
        for item in rows(
            db,
            f"{_USED} WHERE ended_at > ? OR ended_at IS NULL",
            (ended_after,),
        ):
            self._book(item, at)
        self.schedule.rate(at.timestamp())
        if self._limits_matter(db):
            for member in {job.member for job in self.schedule}:
                self._limit(db, member, at)

    def _read_news(self, db: Database, at: datetime) -> None:
        jobs: set[str] = set()
        attempts: set[str] = set()
        seq = self._seq
        while news := events.since(db, seq):
            seq = news[-1].seq
            for event in news:
                if event.kind in _REBUILD:
                    self._read_all(db, at)
                    return
                if event.kind == "job.forecast":
                    continue
                if event.kind.startswith(_LOADED):
                    self.short.clear()
                if event.job_id:
                    jobs.add(event.job_id)
                if event.attempt_id:
                    attempts.add(event.attempt_id)
        self._reload(db, jobs, attempts, at)

    def _reload(self, db: Database, jobs: set[str], attempts: set[str], at: datetime) -> None:
        if jobs:
            found = rows(db, _NAMED_WAITING, (json.dumps(sorted(jobs)),))
            for job_id in jobs - {item["id"] for item in found}:
                self.schedule.remove(job_id)
            for item in found:
                self._put(item)
        if attempts:
            named = "attempts.id IN (SELECT value FROM json_each(?))"
            found = rows(db, f"{_USED} WHERE {named}", (json.dumps(sorted(attempts)),))
            for item in found:
                self._book(item, at)
            for member in {item["member_id"] for item in found}:
                self._limit(db, member, at)

    def _put(self, job: Row) -> None:
        if job["copies_left"] < 1:
            self.schedule.remove(job["id"])
            return
        self.schedule.put(self.waiting(job))

    def waiting(self, job: Row) -> Waiting:
        """What the schedule needs to know of a job's row (with its ``copies_left``)."""
        estimate = json.loads(job["estimate"])
        pace = self.learnt.pace(job["machine"], job["printer_id"])
        facts = JobFacts(
            queued_s=_seconds(job["queued_at"] or job["created_at"]),
            copy_s=pace * float(estimate.get("duration_s") or 0.0) / job["copies"],
            due_s=_seconds(job["due_at"]) if job["due_at"] else None,
            job_class=job["class"],
        )
        return Waiting(
            job["id"], job["member_id"], self.wish_of(job), facts, job["copies_left"],
            bool(job["overnight"]),
        )  # fmt: skip

    def _book(self, attempt: Row, at: datetime) -> None:
        """Charge an attempt: by its estimate while it runs, by its length when it has ended."""
        if before := self._booked.pop(attempt["id"], None):
            self.schedule.charge(before[0], -before[1], before[2])
        if attempt["ended_at"] is None:
            booked = (attempt["member_id"], attempt["duration_s"] or 0.0, at.timestamp())
            self._booked[attempt["id"]] = booked
        elif attempt["started_at"]:
            ended_s = _seconds(attempt["ended_at"])
            booked = (attempt["member_id"], ended_s - _seconds(attempt["started_at"]), ended_s)
        else:
            return
        self.schedule.charge(*booked)

    def _learn(self, db: Database, at: datetime) -> None:
        """Take over what was learnt. Lengths are worked out anew only where they moved visibly."""
        news = learning.read(db)
        scopes = {(job.wish.machine, job.wish.printer_id) for job in self.schedule}
        moved = any(
            abs(news.pace(*scope) / self.learnt.pace(*scope) - 1.0) > _MOVED for scope in scopes
        )
        if moved:
            self._read_all(db, at)
        else:
            self.learnt = Learnt(self.learnt.paces, news.clearings)

    def _limits_matter(self, db: Database) -> bool:
        return self.policy.member_limits != policy.Limits() or bool(
            rows(db, "SELECT 1 FROM groups WHERE limits != '{}' LIMIT 1")
        )

    def _limit(self, db: Database, member: str, at: datetime) -> None:
        reason = limits.why_blocked(db, self.policy, member, at)
        self.schedule.block(member, reason is not None)
        if reason is None:
            self.blocked.pop(member, None)
        else:
            self.blocked[member] = reason


def offering_of(printer: Row) -> Offering:
    """What a printer's row has to offer."""
    kept = (printer["id"], printer["name"], printer["machine"])
    tags: list[Any] = json.loads(printer["tags"])
    if machines.all_machines()[printer["machine"]].enclosed:
        tags.append(ENCLOSED)
    return Offering(
        *(*kept, printer["material"], printer["colour"], frozenset(tags)),
        *(printer["nozzle_mm"], printer["overdue"]),
    )


def _seconds(text: str) -> float:
    return parse_timestamp(text).timestamp()
