"""Keeps the lab's history as it happens: each attempt's end, each hour of each printer.

Subscribes to events, so a row of the history is committed with what it tells of, or not at all.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fabcoord.errors import Conflict
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import attempts, causes, hours, learning, policy
from fabcoord.queue.policy import Policy
from fabcoord.store.database import Row, Store, row, rows, value
from fabcoord.store.events import Event, emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import now, parse_timestamp

DIMENSIONS = ("printer", "machine", "material", "design", "member")
WAIT = "wait"  # the dimension whose keys are lengths of waits, see `wait_class`
LAB = "lab"
CAUSE = "cause"
_STEPS_PER_DOUBLING = 4

_ENDED = (
    "SELECT attempts.*, jobs.member_id, jobs.design_id, jobs.material AS asked_material,"
    " jobs.copies, jobs.estimate, jobs.queued_at, printers.machine,"
    " printers.material AS loaded_material"
    " FROM attempts JOIN jobs ON jobs.id = job_id"
    " JOIN printers ON printers.id = attempts.printer_id"
)
_MISSING = (
    f"{_ENDED} WHERE attempts.ended_at IS NOT NULL AND was_taken"  # noqa: S608
    " AND NOT EXISTS (SELECT 1 FROM prints WHERE attempt_id = attempts.id) ORDER BY ended_at"
)


class Recorder:
    """Writes history. ``default`` is the policy of a lab that never changed it: its time zone."""

    def __init__(self, default: Policy) -> None:
        self._default = default

    def register(self, store: Store) -> None:
        """Hear of everything that is worth keeping."""
        for state in ("finished", "failed", "cancelled"):
            store.subscribe(f"attempt.{state}", self._on_attempt_ended)
        store.subscribe("printer.changed", self._on_printer_changed)
        store.subscribe("printer.configured", self._on_printer_configured)
        store.subscribe("printer.cleared", self._on_printer_cleared)

    def catch_up(self, store: Store) -> int:
        """Write what is missing, as in a lab that is older than its history; returns how much."""
        with store.reading() as db:
            if not rows(db, f"{_MISSING} LIMIT 1"):
                return 0
        with store.writing() as db:
            missing = rows(db, _MISSING)
            zone = self._zone(db)
            for item in missing:
                keep(db, item, zone)
        return len(missing)

    def _on_attempt_ended(self, db: Database, event: Event) -> None:
        found = row(db, f"{_ENDED} WHERE attempts.id = ?", (event.attempt_id,))
        if found is None or not found["was_taken"]:
            return
        keep(db, found, self._zone(db))
        if _tells_the_pace(db, found):
            learning.learn_pace(
                db, found["printer_id"], found["machine"], found["duration_s"], _lasted_s(found)
            )

    def _on_printer_changed(self, db: Database, event: Event) -> None:
        if event.printer_id is not None:
            _turn(db, event.printer_id, str(event.data["state"]), event.at, self._zone(db))

    def _on_printer_configured(self, db: Database, event: Event) -> None:
        if event.printer_id is None:
            return
        if event.data.get("deleted"):
            _close(db, event.printer_id, event.at, self._zone(db))
        else:
            db.conn.execute(
                "INSERT OR IGNORE INTO printer_spans SELECT id, state, ? FROM printers"
                " WHERE id = ?",
                (event.at, event.printer_id),
            )

    def _on_printer_cleared(self, db: Database, event: Event) -> None:
        span = row(db, "SELECT * FROM printer_spans WHERE printer_id = ?", (event.printer_id,))
        if span is None or span["state"] != "awaiting_clearance" or event.attempt_id is None:
            return
        _, rules = policy.current(db, self._default)
        first, last = parse_timestamp(span["since"]), parse_timestamp(event.at)
        learning.learn_clearing(db, span["printer_id"], hours.open_s(rules.hours, first, last))

    def _zone(self, db: Database) -> ZoneInfo:
        _, rules = policy.current(db, self._default)
        return ZoneInfo(rules.hours.timezone)


def keep(db: Database, ended: Row, zone: ZoneInfo) -> None:
    """Write one ended attempt into the history and its sums."""
    outcome = ended["state"]
    share = 1.0 if outcome == "finished" else float(ended["progress"])
    estimate = json.loads(ended["estimate"])
    is_first = value(db, "SELECT 1 FROM prints WHERE job_id = ?", (ended["job_id"],)) is None
    waited_s = _between_s(ended["queued_at"], ended["created_at"]) if is_first else None
    cause = ended["cause"]
    if outcome == "failed" and not cause:
        cause = causes.given_away(ended["reason"])
    facts = {
        "attempt_id": ended["id"],
        **{name: ended[name] for name in ("job_id", "design_id", "member_id", "printer_id")},
        "machine": ended["machine"],
        "material": ended["loaded_material"] or ended["asked_material"] or "",
        "outcome": outcome,
        "cause": cause,
        "day": parse_timestamp(ended["ended_at"]).astimezone(zone).date().isoformat(),
        "estimate_s": ended["duration_s"],
        "duration_s": _lasted_s(ended),
        "waited_s": waited_s,
        "mass_g": share * float(estimate.get("mass_g") or 0.0) / ended["copies"],
        "ended_at": ended["ended_at"],
    }
    columns = ", ".join(facts)
    db.conn.execute(
        f"INSERT INTO prints ({columns}) VALUES ({', '.join(':' + name for name in facts)})",  # noqa: S608
        facts,
    )
    for dimension in DIMENSIONS:
        name = dimension if dimension in ("machine", "material") else f"{dimension}_id"
        _add(db, dimension, facts[name], facts)
    _add(db, LAB, "", facts)
    if _is_counted(outcome, cause):
        _add(db, CAUSE, cause, facts)
    if waited_s is not None:
        _add(db, WAIT, wait_class(waited_s), facts)


def set_cause(db: Database, member: Member, attempt_id: str, cause: str, note: str = "") -> None:
    """A person says why a print failed. Its member or staff may, as often as they like.

    Raises Conflict for an attempt that did not fail and was not stopped.
    """
    causes.checked(cause)
    attempt = attempts.get_row(db, attempt_id)
    owner = value(db, "SELECT member_id FROM jobs WHERE id = ?", (attempt["job_id"],))
    if owner != member.id:
        member.require(Permission.RUN_PRINTERS)
    kept = row(db, "SELECT * FROM prints WHERE attempt_id = ?", (attempt_id,))
    if kept is None or kept["outcome"] == "finished":
        raise Conflict(
            f"The attempt is {attempt['state']}; only what failed or was stopped has a cause.",
            extra={"state": attempt["state"]},
        )
    db.conn.execute("UPDATE attempts SET cause = ? WHERE id = ?", (cause, attempt_id))
    db.conn.execute("UPDATE prints SET cause = ? WHERE attempt_id = ?", (cause, attempt_id))
    if _is_counted(kept["outcome"], kept["cause"]):
        _add(db, CAUSE, kept["cause"], kept, sign=-1)
    if _is_counted(kept["outcome"], cause):
        _add(db, CAUSE, cause, kept)
    emit(db, "attempt.cause", attempt_id=attempt_id, job_id=attempt["job_id"],
         printer_id=attempt["printer_id"], member_id=owner, actor=member.name, cause=cause,
         note=note[:200])  # fmt: skip


def wait_class(waited_s: float) -> str:
    """The key under which waits of about this length are counted: a ninth apart at most."""
    step = round(_STEPS_PER_DOUBLING * math.log2(max(waited_s, 1.0)))
    return f"{step:03d}"


def wait_of(key: str) -> float:
    """The length in seconds that a key of `wait_class` stands for."""
    return float(2.0 ** (int(key) / _STEPS_PER_DOUBLING))


def split_by_day(first: datetime, last: datetime, zone: ZoneInfo) -> list[tuple[str, float]]:
    """The seconds from ``first`` to ``last`` on each day by the clock of ``zone``."""
    parts: list[tuple[str, float]] = []
    here, last = first.astimezone(zone), last.astimezone(zone)
    while here < last:
        midnight = datetime.combine(here.date() + timedelta(days=1), datetime.min.time(), zone)
        until = min(midnight, last, key=datetime.timestamp)
        parts.append((here.date().isoformat(), until.timestamp() - here.timestamp()))
        here = until
    return parts


def _is_counted(outcome: str, cause: str) -> bool:
    """Whether a print belongs to the causes: what was stopped does once a person said why."""
    return outcome == "failed" or (outcome == "cancelled" and cause != "")


def _add(db: Database, dimension: str, key: str, facts: Row, sign: int = 1) -> None:
    db.conn.execute(
        "INSERT INTO prints_daily VALUES (:dimension, :day, :key, :outcome, :n, :s, :g)"
        " ON CONFLICT DO UPDATE SET prints = prints + :n, duration_s = duration_s + :s,"
        " mass_g = mass_g + :g",
        {
            "dimension": dimension,
            "day": facts["day"],
            "key": key,
            "outcome": facts["outcome"],
            "n": sign,
            "s": sign * facts["duration_s"],
            "g": sign * facts["mass_g"],
        },
    )


def _tells_the_pace(db: Database, ended: Row) -> bool:
    """Whether an attempt ran by itself from beginning to end, so that its length says something."""
    if ended["state"] != "finished" or not ended["duration_s"] or not ended["started_at"]:
        return False
    if not str(ended["ended_by"] or "").startswith("agent:"):
        return False  # a person settled it, some time after
    return (
        value(
            db,
            "SELECT 1 FROM events WHERE job_id = ? AND attempt_id = ?"
            " AND kind IN ('attempt.paused', 'attempt.unknown')",
            (ended["job_id"], ended["id"]),
        )
        is None
    )


def _lasted_s(ended: Row) -> float:
    return _between_s(ended["started_at"], ended["ended_at"]) or 0.0


def _between_s(first: str | None, last: str) -> float | None:
    if first is None:
        return None
    return max(0.0, (parse_timestamp(last) - parse_timestamp(first)).total_seconds())


def _turn(db: Database, printer_id: str, state: str, at: str, zone: ZoneInfo) -> None:
    span = row(db, "SELECT state FROM printer_spans WHERE printer_id = ?", (printer_id,))
    if span is not None and span["state"] == state:
        return  # only the reason changed
    _close(db, printer_id, at, zone)
    db.conn.execute("INSERT INTO printer_spans VALUES (?, ?, ?)", (printer_id, state, at))


def _close(db: Database, printer_id: str, at: str, zone: ZoneInfo) -> None:
    span = row(db, "DELETE FROM printer_spans WHERE printer_id = ? RETURNING *", (printer_id,))
    if span is None:
        return
    first, last = parse_timestamp(span["since"]), parse_timestamp(at or now())
    for day, seconds in split_by_day(first, last, zone):
        db.conn.execute(
            "INSERT INTO printer_days VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET seconds = seconds + excluded.seconds",
            (day, printer_id, span["state"], seconds),
        )
