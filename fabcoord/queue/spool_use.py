"""What attempts take from spools: booked once each, whatever is said twice or late."""

from __future__ import annotations

import json

from fabcoord.store.database import Row, Store, row, value
from fabcoord.store.events import Event, emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import now


def subscribe(store: Store) -> None:
    """Have every print booked in the transaction that tells of it."""
    for kind in ("attempt.starting", "attempt.printing"):
        store.subscribe(kind, on_start)
    for kind in ("attempt.finished", "attempt.failed", "attempt.cancelled"):
        store.subscribe(kind, on_end)


def on_start(db: Database, event: Event) -> None:
    """Subscriber: a print begins, and will take what its slice says from the loaded spool."""
    attempt = row(db, "SELECT * FROM attempts WHERE id = ?", (event.attempt_id,))
    if attempt is not None:
        _open(db, attempt)


def on_end(db: Database, event: Event) -> None:
    """Subscriber: a print ended. What it took is settled: all of it, or as far as it came."""
    attempt = row(db, "SELECT * FROM attempts WHERE id = ?", (event.attempt_id,))
    if attempt is not None:
        finished = attempt["state"] == "finished"
        if finished:  # perhaps by the word of a person, with no start ever reported
            _open(db, attempt)
        reached = 1.0 if finished else min(max(attempt["progress"], 0.0), 1.0)
        _settle(db, attempt["id"], reached, wasted=not finished)


def change_spool(db: Database, printer_id: str, spool_id: str) -> None:
    """Another spool was put into a printer: the rest of a print that runs there is booked to it."""
    running = row(
        db,
        "SELECT attempts.*, part, spool_id, copy_mg, from_progress FROM spool_uses"
        " JOIN attempts ON attempts.id = attempt_id WHERE printer_id = ? AND mass_mg IS NULL",
        (printer_id,),
    )
    if running is None:
        return
    reached = min(max(running["progress"], running["from_progress"]), 1.0)
    _settle(db, running["id"], reached, wasted=False)
    db.conn.execute(
        "INSERT INTO spool_uses (attempt_id, part, spool_id, copy_mg, from_progress, started_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (running["id"], running["part"] + 1, spool_id, running["copy_mg"], reached, now()),
    )


def copy_mass_g(db: Database, attempt: Row) -> float:
    """What one copy weighs by the slice that this attempt prints, or by the job's estimate."""
    sliced = value(
        db,
        "SELECT estimate FROM slices WHERE gcode_sha256 = ? AND state = 'done' LIMIT 1",
        (attempt["gcode_sha256"],),
    )
    mass_g = json.loads(sliced).get("mass_g") if sliced else None
    if mass_g is None:
        found = row(db, "SELECT estimate, copies FROM jobs WHERE id = ?", (attempt["job_id"],))
        total = json.loads(found["estimate"]).get("mass_g") if found else None
        mass_g = (total or 0.0) / found["copies"] if found else 0.0
    return max(0.0, float(mass_g))


def _open(db: Database, attempt: Row) -> None:
    """Promise the copy to the loaded spool, unless this attempt was ever booked before."""
    spool_id = value(db, "SELECT id FROM spools WHERE printer_id = ?", (attempt["printer_id"],))
    if spool_id is not None:
        db.conn.execute(
            "INSERT INTO spool_uses (attempt_id, part, spool_id, copy_mg, from_progress,"
            " started_at) VALUES (?, 0, ?, ?, 0.0, ?) ON CONFLICT DO NOTHING",
            (attempt["id"], spool_id, round(copy_mass_g(db, attempt) * 1000), now()),
        )


def _settle(db: Database, attempt_id: str, reached: float, *, wasted: bool) -> None:
    """Fix what the open part took, at most once; parts add up to the copy exactly."""
    part = row(
        db, "SELECT * FROM spool_uses WHERE attempt_id = ? AND mass_mg IS NULL", (attempt_id,)
    )
    if part is None:
        return
    before_mg = round(part["copy_mg"] * part["from_progress"])
    mass_mg = max(0, round(part["copy_mg"] * reached) - before_mg)
    db.conn.execute(
        "UPDATE spool_uses SET mass_mg = :mass, wasted = :wasted, settled_at = :now,"
        " report = CASE WHEN (SELECT spoolman_id FROM spools WHERE id = spool_id) IS NULL"
        "  OR :mass = 0 THEN '' ELSE 'pending' END"
        " WHERE attempt_id = :attempt AND part = :part AND mass_mg IS NULL",
        {
            "mass": mass_mg,
            "wasted": int(wasted),
            "now": now(),
            "attempt": attempt_id,
            "part": part["part"],
        },
    )
    if wasted:  # then all that went into it is waste, also from a spool that was changed
        db.conn.execute("UPDATE spool_uses SET wasted = 1 WHERE attempt_id = ?", (attempt_id,))
    _warn_when_low(db, part["spool_id"], mass_mg)


def _warn_when_low(db: Database, spool_id: str, mass_mg: int) -> None:
    """Tell of a spool whose end is near, at the print that brought it there."""
    found = row(
        db,
        "SELECT spools.*, initial_mg - adjusted_mg - (SELECT coalesce(sum(mass_mg), 0)"
        "  FROM spool_uses WHERE spool_id = spools.id) AS left_mg FROM spools WHERE id = ?",
        (spool_id,),
    )
    if found and found["left_mg"] <= found["low_mg"] < found["left_mg"] + mass_mg:
        emit(
            db, "spool.low", printer_id=found["printer_id"], spool_id=spool_id,
            material=found["material"], colour=found["colour"],
            remaining_g=found["left_mg"] / 1000,
        )  # fmt: skip
