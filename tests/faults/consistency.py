"""Whether the files of a lab, as a crash or a power cut left them, still tell one true story."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from fabcoord.agent import identity
from fabcoord.queue.states import ENDED, LIVE
from fabcoord.store.database import Store
from fabcoord.store.migrations import migrate
from fabcoord.store.values import secret_hash
from tests.faults.plant import Site

Begun = Mapping[tuple[str, str], int]  # (printer, number of the print) -> starts seen there
Told = Sequence[Mapping[str, Any]]
_LIVE = tuple(state.value for state in LIVE)
_ENDED = tuple(state.value for state in ENDED)


def problems(site: Site, told: Told, begun: Begun) -> list[str]:
    """All that is wrong; the lab is opened as a start of the server would open it.

    Args:
        told: what somebody was told is done.
        begun: how often each printer began each print, seen at the printer.
    """
    database = site.lab / "lab.db"
    if not database.exists():
        return [f"{said['kind']}: all is lost" for said in told]
    try:
        store = Store(database)
        migrate(store)
        store.close()
        with closing(_open(database)) as db:
            found = [*_broken(db, "lab.db"), *_of_lab(db), *_of_blobs(db, site.lab / "blobs")]
            found += [f"lost: {dict(said)}" for said in told if not _is_kept(db, site, said)]
            prints = dict(db.execute(_PRINTS).fetchall())
            marked: Counter[tuple[str, str]] = Counter()
            for place in site.agents():
                found += _of_agent(place / "journal.sqlite", db, prints, marked)
            for (printer, number), count in begun.items():
                if marked[printer, number] < count:
                    found.append(f"{printer} began print {number}, of which no journal knows")
        work = site.lab / "work/work.db"
        if work.exists():
            with closing(_open(work)) as db:
                found += _broken(db, "work.db")
    except sqlite3.Error as error:
        return [f"it does not open: {error!r}"]
    return found


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    return connection


def _broken(db: sqlite3.Connection, name: str) -> Iterator[str]:
    for [verdict] in db.execute("PRAGMA integrity_check"):
        if verdict != "ok":
            yield f"{name}: {verdict}"
    for row in db.execute("PRAGMA foreign_key_check"):
        yield f"{name}: a reference of {row[0]} leads nowhere"


def _of_lab(db: sqlite3.Connection) -> Iterator[str]:
    attempts = db.execute("SELECT * FROM attempts").fetchall()
    open_ones = [one for one in attempts if one["state"] not in _ENDED]
    for what in ("printer_id", "job_id"):
        per = Counter((one[what], one["copy"] if what == "job_id" else 0) for one in open_ones)
        yield from (f"{n} open attempts of {what} {key}" for key, n in per.items() if n > 1)
    clear = {one["id"]: one["plate_clear"] for one in db.execute("SELECT * FROM printers")}
    said = dict(
        db.execute(
            "SELECT attempt_id, kind FROM events WHERE kind LIKE 'attempt.%'"
            " AND kind NOT IN ('attempt.report_refused') ORDER BY seq"
        ).fetchall()
    )
    for one in attempts:
        if one["state"] in _LIVE and clear[one["printer_id"]]:
            yield f"attempt {one['id']} is {one['state']} on a plate that is called clear"
        told = str(said.get(one["id"])).removeprefix("attempt.").replace("withdrawn", "cancelled")
        if told != one["state"]:
            yield f"attempt {one['id']} is {one['state']}, its last event says {told}"
    for job in db.execute("SELECT * FROM jobs"):
        done = [
            a["copy"] for a in attempts if a["job_id"] == job["id"] and a["state"] == "finished"
        ]
        if job["copies_done"] != len(set(done)) or len(done) != len(set(done)):
            yield f"job {job['id']}: {job['copies_done']} copies done, finished: {done}"
        if job["state"] in ("awaiting_pickup", "collected") and len(done) < job["copies"]:
            yield f"job {job['id']} is {job['state']}, but {len(done)} copies are printed"
    for [entry] in db.execute(
        "SELECT seq FROM ledger_entries WHERE seq NOT IN (SELECT entry FROM ledger_lines)"
    ):
        yield f"entry {entry} of the ledger books nothing"


def _of_blobs(db: sqlite3.Connection, blobs: Path) -> Iterator[str]:
    named = db.execute(
        "SELECT sha256 FROM files UNION SELECT gcode_sha256 FROM slices WHERE state = 'done'"
        " UNION SELECT gcode_sha256 FROM attempts"
    )
    for [sha256] in named:
        path = blobs / sha256[:2] / sha256
        if not path.exists():
            yield f"blob {sha256[:8]} is lost"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            yield f"blob {sha256[:8]} is not what its name says"


def _of_agent(
    journal: Path,
    db: sqlite3.Connection,
    prints: Mapping[str, str],
    marked: Counter[tuple[str, str]],
) -> Iterator[str]:
    """A journal against the server, which it heard; counts the starts that it knows of."""
    if not journal.exists():
        return
    if not journal.exists() or not journal.stat().st_size:
        return  # a printer that this agent began shows up below as one that nobody began
    with closing(_open(journal)) as kept:
        yield from _broken(kept, journal.parent.name)
        if not kept.execute("SELECT 1 FROM sqlite_master WHERE name = 'event'").fetchone():
            return  # cut while it was made, before anything was written into it
        meta = dict(kept.execute("SELECT key, value FROM meta").fetchall())
        attempts = kept.execute("SELECT * FROM attempt").fetchall()
        [unsent] = kept.execute("SELECT min(seq) FROM event").fetchone()
    heard = (int(meta.get("next_seq", 1)) if unsent is None else unsent) - 1
    server = db.execute("SELECT acked FROM agents WHERE epoch = ?", (meta.get("epoch"),)).fetchone()
    if heard > 0 and (server is None or server["acked"] < heard):
        kept_there = server["acked"] if server else "none"
        yield f"{journal.parent.name} heard that event {heard} is kept; kept: {kept_there}"
    for one in attempts:
        state = db.execute(
            "SELECT state FROM attempts WHERE id = ?", (one["attempt_id"],)
        ).fetchone()
        confirmed = one["stage"] in ("transferring", "starting", "printing", "unknown")
        if confirmed and (state is None or state["state"] == "offered"):
            yield f"a confirmed start is lost: {one['attempt_id']}"
    marked.update(
        (one["printer_id"], prints.get(one["attempt_id"], "?")) for one in attempts if one["marked"]
    )


def _has(db: sqlite3.Connection, sql: str, *values: object) -> bool:
    return db.execute(sql, values).fetchone() is not None


def _is_kept(db: sqlite3.Connection, site: Site, said: Mapping[str, Any]) -> bool:
    """Whether what somebody was told is so."""
    if said["kind"] == "paired":
        place = site.root / said["place"]
        return place.exists() and identity.load(place) is not None
    sql, names = _PROMISES[said["kind"]]
    values = [said[name] for name in names]
    if said["kind"] == "token":
        values = [secret_hash(said["token"])]
    return _has(db, sql, *values)


_PRINTS = (
    "SELECT attempts.id, replace(title, 'Part ', '') FROM attempts JOIN jobs ON jobs.id = job_id"
    " JOIN designs ON designs.id = design_id"
)
_PROMISES: dict[str, tuple[str, tuple[str, ...]]] = {
    "job": ("SELECT 1 FROM jobs WHERE id = ?", ("id",)),
    "approved": ("SELECT 1 FROM jobs WHERE id = ? AND approved", ("id",)),
    "retried": ("SELECT 1 FROM jobs WHERE id = ? AND retried_at IS NOT NULL", ("id",)),
    "cleared": (
        "SELECT 1 FROM events WHERE (kind, printer_id, attempt_id) IS ('printer.cleared', ?, ?)",
        ("printer", "attempt"),
    ),
    "resolved": ("SELECT 1 FROM attempts WHERE id = ? AND state = ?", ("attempt", "outcome")),
    "deposit": ("SELECT 1 FROM ledger_entries WHERE note = ?", ("note",)),
    "token": ("SELECT 1 FROM tokens WHERE hash = ?", ("token",)),
}
