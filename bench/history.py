"""Times statistics and history over 100,000 ended attempts, beside counting the rows themselves.

    .venv/bin/python bench/history.py [--prints 100000] [--days 1095] [--rounds 20]

Each figure is one answer as the page or a client asks for it, in milliseconds. "Counting the rows"
is what a program without daily sums does: GROUP BY over the history.
"""

from __future__ import annotations

import argparse
import random
import statistics as of
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fabcoord.queue import history, learning, record, statistics
from fabcoord.queue.statistics import Period
from fabcoord.store import audit
from fabcoord.store.audit import Asked
from fabcoord.store.database import Store, rows
from fabcoord.store.migrations import migrate
from fabcoord.store.sqlite import Database
from fabcoord.store.values import timestamp

_PRINTERS, _MEMBERS, _DESIGNS = 40, 400, 3000
_ZONE = ZoneInfo("UTC")


def fill(store: Store, prints: int, days: int) -> Period:
    """Ended attempts spread over the days, with their sums; and as many acts of people."""
    rng = random.Random(1)
    last = datetime.now(UTC)
    with store.writing() as db:
        for number in range(prints):
            ended = last - timedelta(days=days * (prints - number) / prints)
            printer = rng.randrange(_PRINTERS)
            lasted_s = rng.lognormvariate(8.5, 1.0)
            record.keep(db, _ended(number, ended, printer, lasted_s, rng), _ZONE)
        db.conn.executemany(
            "INSERT INTO events (at, kind, printer_id, actor) VALUES (?, 'printer.cleared', ?, ?)",
            ((timestamp(last), f"p{n % _PRINTERS}", f"m{n % _MEMBERS}") for n in range(prints)),
        )
        for day in range(days):
            text = (last.date() - timedelta(day)).isoformat()
            db.conn.executemany(
                "INSERT INTO printer_days VALUES (?, ?, ?, ?)",
                ((text, f"p{n}", state, 28_800.0) for n in range(_PRINTERS)
                 for state in ("busy", "idle", "offline")),
            )  # fmt: skip
    return Period((last.date() - timedelta(days)).isoformat(), last.date().isoformat())


def _ended(
    number: int, ended: datetime, printer: int, lasted_s: float, rng: random.Random
) -> dict[str, Any]:
    began = ended - timedelta(seconds=lasted_s)
    return {
        "id": f"t{number}",
        "job_id": f"j{number}",
        "printer_id": f"p{printer}",
        "design_id": f"d{rng.randrange(_DESIGNS)}",
        "member_id": f"m{rng.randrange(_MEMBERS)}",
        "machine": f"model{printer % 6}",
        "loaded_material": rng.choice(["PLA", "PETG", "ABS"]),
        "asked_material": None,
        "state": rng.choices(["finished", "failed", "cancelled"], [85, 10, 5])[0],
        "cause": "",
        "reason": "",
        "progress": 0.5,
        "estimate": '{"mass_g": 20}',
        "copies": 1,
        "duration_s": lasted_s,
        "queued_at": timestamp(began - timedelta(seconds=rng.lognormvariate(7, 1.5))),
        "created_at": timestamp(began),
        "started_at": timestamp(began),
        "ended_at": timestamp(ended),
    }


def timed(store: Store, rounds: int, work: Callable[[Database], object]) -> str:
    """Median and longest of so many rounds, in milliseconds."""
    took = []
    for _ in range(rounds):
        with store.reading() as db:
            began = time.perf_counter()
            work(db)
            took.append((time.perf_counter() - began) * 1e3)
    return f"{of.median(took):10.1f} {max(took):10.1f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prints", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=1095)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "lab.db")
        migrate(store)
        with store.writing() as db:
            # A made-up history has no jobs and printers to refer to.
            db.conn.execute("DROP TABLE prints")
            db.conn.execute(
                "CREATE TABLE prints (attempt_id TEXT PRIMARY KEY, job_id TEXT, design_id TEXT,"
                " member_id TEXT, printer_id TEXT, machine TEXT, material TEXT, outcome TEXT,"
                " cause TEXT, day TEXT, estimate_s REAL, duration_s REAL, waited_s REAL,"
                " mass_g REAL, ended_at TEXT)"
            )
            db.conn.execute("CREATE INDEX prints_ended ON prints(ended_at, attempt_id)")
            db.conn.execute("CREATE INDEX prints_member ON prints(member_id, ended_at)")
            db.conn.execute("CREATE INDEX prints_printer ON prints(printer_id, ended_at)")
            db.conn.execute("CREATE INDEX prints_job ON prints(job_id)")
        began = time.perf_counter()
        whole = fill(store, given.prints, given.days)
        each_us = (time.perf_counter() - began) / given.prints * 1e6
        month = Period((date.fromisoformat(whole.last) - timedelta(30)).isoformat(), whole.last)
        print(f"{given.prints} prints in {given.days} days; keeping one takes {each_us:.0f} µs")
        print(f"{'':44} {'median ms':>10} {'longest':>10}")
        for name, work in asked(whole, month).items():
            print(f"{name:44} {timed(store, given.rounds, work)}")
        store.close()


def asked(whole: Period, month: Period) -> dict[str, Callable[[Database], object]]:
    """What is timed, by its name."""
    found: dict[str, Callable[[Database], object]] = {
        "totals, days and waits, all years": lambda db: statistics.overview(db, whole),
        "totals, days and waits, a month": lambda db: statistics.overview(db, month),
    }
    for name in ("printer", "machine", "material", "design", "member", "cause"):
        found[f"by {name}, all years"] = lambda db, name=name: statistics.by(db, name, whole)  # type: ignore[misc]
    return found | {
        "one member's own, all years": lambda db: statistics.overview(db, whole, "m7"),
        "utilisation of 40 printers, a month": lambda db: statistics.utilisation(db, month, _ZONE),
        "what was learnt": learning.read,
        "a page of the history": lambda db: history.search(db, whole),
        "a page of the audit log": lambda db: audit.log(db, Asked()),
        "a page of the log of one person": lambda db: audit.log(db, Asked(actor="m7")),
        "counting the rows: by member, all years": lambda db: rows(
            db,
            "SELECT member_id, outcome, count(*), sum(duration_s), sum(mass_g) FROM prints"
            " WHERE day BETWEEN ? AND ? GROUP BY 1, 2",
            (whole.first, whole.last),
        ),
        "counting the rows: all six dimensions": lambda db: [
            rows(
                db,
                f"SELECT {name}, outcome, count(*), sum(duration_s), sum(mass_g) FROM prints"  # noqa: S608
                " WHERE day BETWEEN ? AND ? GROUP BY 1, 2",
                (whole.first, whole.last),
            )
            for name in ("printer_id", "machine", "material", "design_id", "member_id", "cause")
        ],
    }


if __name__ == "__main__":
    main()
