"""Statistics, history and the audit log over the API: who may see whose, and what is never lost."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from fabcoord.designs import library
from fabcoord.designs.library import NewFile
from fabcoord.lab import Lab
from fabcoord.members import accounts
from fabcoord.queue.policy import Policy
from fabcoord.queue.record import Recorder
from fabcoord.store import audit
from fabcoord.store.database import rows
from fabcoord.store.events import emit
from fabcoord.store.values import in_seconds

from .conftest import Caller


@pytest.fixture
def past(lab: Lab, caller: Callable[[str], Caller]) -> Lab:
    """Ben printed three times and Eve once, one of Ben's failed."""
    for name in ("ben", "eve", "staff"):
        caller(name)
    prints = [("ben", "finished"), ("ben", "finished"), ("ben", "failed"), ("eve", "finished")]
    with lab.store.writing() as db:
        ben = accounts.by_name(db, "ben")
        assert ben is not None
        library.create(
            db, ben, title="Cube", licence="CC0-1.0", files=[NewFile("c.stl", "a" * 64, 1, "stl")]
        )
        for number, (name, outcome) in enumerate(prints):
            enter(db, number, name, outcome)
    assert Recorder(Policy()).catch_up(lab.store) == 4
    return lab


def enter(db: Any, number: int, member: str, outcome: str) -> None:
    """An attempt that ended, with all that it refers to."""
    at = in_seconds(-3600 + number)
    execute = db.conn.execute
    (member_id,) = execute("SELECT id FROM members WHERE name = ?", (member,)).fetchone()
    execute("INSERT OR IGNORE INTO agents (id, name, token_hash, created_at)"
            " VALUES ('a', 'Pi', 'x', ?)", (at,))  # fmt: skip
    execute("INSERT OR IGNORE INTO printers (id, name, machine, driver, created_at)"
            " VALUES ('p', '=Left', 'demo', 'virtual', ?)", (at,))  # fmt: skip
    execute(
        "INSERT INTO jobs (id, member_id, design_id, revision, file_id, state, copies, estimate,"
        " created_at, queued_at, updated_at) SELECT ?, ?, design_id, 1, id, 'collected', 1,"
        """ '{"mass_g": 10}', ?, ?, ? FROM files""",
        (f"j{number}", member_id, at, at, at),
    )
    execute(
        "INSERT INTO attempts (id, job_id, copy, printer_id, agent_id, state, token, gcode_sha256,"
        " gcode_size, file_name, progress, was_taken, created_at, started_at, ended_at)"
        " VALUES (?, ?, 1, 'p', 'a', ?, 't', 'g', 1, 'f', 0.5, 1, ?, ?, ?)",
        (f"t{number}", f"j{number}", outcome, at, at, in_seconds(-60 + number)),
    )


def test_staff_see_everything_and_members_their_own(
    past: Lab, caller: Callable[[str], Caller]
) -> None:
    everything = caller("staff")("GET", "/statistics").json
    assert (everything["prints"], everything["finished"], everything["mass_g"]) == (4, 3, 35.0)
    assert caller("ben")("GET", "/statistics").json["prints"] == 3
    assert caller("eve")("GET", "/statistics").json["success_rate"] == 1.0
    of_eve = caller("staff")("GET", "/statistics?member=eve").json
    assert of_eve["prints"] == 1


@pytest.mark.parametrize(
    "path",
    ["/statistics?member=eve", "/statistics/utilisation", "/audit", "/history?member=eve",
     "/history.csv?member=eve", "/statistics/member?member=eve"],
)  # fmt: skip
def test_members_see_nothing_of_others(
    past: Lab, caller: Callable[[str], Caller], path: str
) -> None:
    assert caller("ben")("GET", path).status_code == 403


def test_figures_by_every_dimension_as_json_and_csv(
    past: Lab, caller: Callable[[str], Caller]
) -> None:
    staff = caller("staff")
    for dimension in ("printer", "machine", "material", "design", "member", "cause"):
        items = staff("GET", f"/statistics/{dimension}").json["items"]
        assert sum(item["prints"] for item in items) == (1 if dimension == "cause" else 4)
        text = staff("GET", f"/statistics/{dimension}?format=csv").text
        assert len(list(csv.reader(io.StringIO(text)))) == len(items) + 1
    assert staff("GET", "/statistics/colour").status_code == 400
    assert staff("GET", "/statistics?days=0").status_code == 400
    assert staff("GET", "/statistics?from=yesterday").status_code == 400
    assert staff("GET", "/statistics/pace").json["factor"] == 1.0


def test_the_history_comes_in_pages_and_whole_as_csv_no_spreadsheet_runs(
    past: Lab, caller: Callable[[str], Caller]
) -> None:
    staff = caller("staff")
    seen, path = [], "/history?limit=3"
    while path:
        answer = staff("GET", path)
        seen += [item["attempt_id"] for item in answer.json["items"]]
        following = answer.json["next"]
        path = f"/history?limit=3&cursor={following}" if following else ""
    assert seen == ["t3", "t2", "t1", "t0"]
    answer = staff("GET", "/history.csv")
    assert answer.mimetype == "text/csv"
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [line["attempt_id"] for line in table] == seen
    assert {line["printer"] for line in table} == {"'=Left"}
    mine = caller("ben")("GET", "/history.csv").text
    assert mine.count("\r\n") == 4


def test_a_member_says_why_it_failed(past: Lab, caller: Callable[[str], Caller]) -> None:
    ben = caller("ben")
    answer = ben("PUT", "/attempts/t2/cause", json={"cause": "clog"})
    assert answer.status_code == 200, answer.text
    assert answer.json["cause"] == "clog"
    assert caller("eve")("PUT", "/attempts/t2/cause", json={"cause": "clog"}).status_code == 403
    assert ben("PUT", "/attempts/t0/cause", json={"cause": "clog"}).status_code == 409
    (item,) = caller("staff")("GET", "/statistics/cause").json["items"]
    assert item["name"] == "Nozzle clogged"


def test_no_event_can_be_changed_and_only_old_chatter_goes(lab: Lab) -> None:
    with lab.store.writing() as db:
        emit(db, "printer.cleared", actor="Ben", printer_id="p")
        for kind, actor in (("job.forecast", None), ("job.queued", None), ("job.forecast", "Ben")):
            db.conn.execute(
                "INSERT INTO events (at, kind, actor) VALUES ('2020-01-01', ?, ?)", (kind, actor)
            )
        emit(db, "job.forecast")
    for statement in (
        "UPDATE events SET actor = 'Eve'",
        "DELETE FROM events",
        "DELETE FROM events WHERE kind = 'job.queued'",
        "REPLACE INTO events (seq, at, kind) SELECT seq, at, 'x' FROM events WHERE actor = 'Ben'",
        "INSERT INTO retention VALUES ('printer.cleared', 0)",
        "UPDATE retention SET keep_days = 0",
    ):
        with pytest.raises(sqlite3.IntegrityError), lab.store.writing() as db:
            db.conn.execute(statement)
    assert audit.forget(lab.store) == 1
    assert audit.forget(lab.store) == 0
    with lab.store.reading() as db:
        kept = [(item["kind"], item["actor"]) for item in rows(db, "SELECT * FROM events")]
    assert ("job.forecast", "Ben") in kept
    assert ("job.forecast", None) in kept


def test_the_log_is_filtered_and_paged(lab: Lab, caller: Callable[[str], Caller]) -> None:
    staff = caller("staff")
    with lab.store.writing() as db:
        for number in range(5):
            emit(db, "printer.cleared", actor="Ben", printer_id=f"p{number % 2}")
        emit(db, "job.cancel", actor="Eve", job_id="j")
        emit(db, "attempt.finished", actor="agent:x", printer_id="p0")
    found = staff("GET", "/audit?actor=Ben&limit=3").json
    assert [item["kind"] for item in found["items"]] == ["printer.cleared"] * 3
    rest = staff("GET", f"/audit?actor=Ben&limit=3&cursor={found['next']}").json
    assert len(rest["items"]) == 2
    assert rest["next"] is None
    assert len(staff("GET", "/audit?about=p0").json["items"]) == 3
    assert [item["actor"] for item in staff("GET", "/audit?kind=job").json["items"]] == ["Eve"]
    assert staff("GET", "/audit?since=2999-01-01T00:00:00Z").json["items"] == []
    assert staff("GET", "/audit?since=soon").status_code == 400
