"""The engine: real consumers, killed for real; nothing is lost and nothing is done twice."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fabcoord.store.database import Store, row, rows
from fabcoord.store.sqlite import Database
from fabcoord.work import ledger
from fabcoord.work.engine import Commit, Engine, Task, _RunIdSerializer

from .worker import make_engine, note

ROOT = Path(__file__).parents[2]
LONGEST_S = 30.0


def until(happened: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not happened():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


def results(store: Store) -> list[str]:
    with store.reading() as db:
        return [item["value"] for item in rows(db, "SELECT value FROM settings")]


def only_run(store: Store) -> dict[str, object]:
    with store.reading() as db:
        found = row(db, "SELECT state, attempts, error FROM runs")
    assert found is not None
    return found


def expire(store: Store) -> None:
    with store.writing() as db:
        db.conn.execute("UPDATE runs SET lease_until = '2000' WHERE state = 'running'")


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts worker processes; all are ended after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        script = "from tests.work.worker import main; main()"
        process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def engine(tmp_path: Path, store: Store) -> Engine:
    """What the server has of the engine; shares its database with the workers."""
    engine = make_engine(tmp_path)
    store.announce = engine.announce
    return engine


def test_killed_in_the_middle_a_run_is_done_once_by_the_next_worker(
    tmp_path: Path,
    store: Store,
    engine: Engine,
    start_worker: Callable[[], subprocess.Popen[bytes]],
) -> None:
    worker = start_worker()
    with store.writing() as db:
        ledger.enqueue(db, "count", "cube")
    child_file = tmp_path / "child"
    until(child_file.exists, "the work began")
    child = psutil.Process(int(child_file.read_text()))
    worker.kill()
    worker.wait()
    until(lambda: not child.is_running(), "the child died with its worker")
    child_file.unlink()
    assert only_run(store)["state"] == "running"
    assert results(store) == []

    expire(store)
    second = start_worker()
    until(child_file.exists, "the sweep had it begun again")
    (tmp_path / "go").touch()
    until(lambda: only_run(store)["state"] == "done", "the run was done")
    second.send_signal(signal.SIGTERM)
    assert second.wait(LONGEST_S) == 0
    assert results(store) == ["cube itself"]
    assert only_run(store)["attempts"] == 2


def test_a_cancelled_run_ends_its_child_and_writes_nothing(
    tmp_path: Path,
    store: Store,
    engine: Engine,
    start_worker: Callable[[], subprocess.Popen[bytes]],
) -> None:
    start_worker()
    with store.writing() as db:
        ledger.enqueue(db, "count", "cube")
    child_file = tmp_path / "child"
    until(child_file.exists, "the work began")
    child = psutil.Process(int(child_file.read_text()))
    with store.writing() as db:
        ledger.cancel(db, "count", "cube")
    until(lambda: not child.is_running(), "the child was ended")
    assert only_run(store)["state"] == "cancelled"
    assert results(store) == []


def test_announcing_a_run_many_times_does_it_once(tmp_path: Path, store: Store) -> None:
    engine = make_engine(tmp_path)
    (tmp_path / "go").touch()
    store.announce = lambda run_id: None
    with store.writing() as db:
        run_id = ledger.enqueue(db, "count", "cube")
    for _ in range(3):
        engine.execute(run_id)
    engine.execute("no such run")
    assert results(store) == ["cube itself"]


def simple(store: Store, tmp_path: Path, work: Callable[[], Commit]) -> Engine:
    """An engine whose runs do ``work`` here and now."""
    engine = Engine(store, tmp_path / "work")

    def do(_subject: str, _stopped: Callable[[], bool]) -> Commit:
        return work()

    def gave_up(db: Database, subject: str, reason: str) -> None:
        note(db, f"{subject} given up: {reason}")

    engine.register(Task("simple", do, gave_up))
    store.announce = engine.execute
    return engine


def test_an_error_in_the_work_is_told_to_who_waits(store: Store, tmp_path: Path) -> None:
    def fail() -> Commit:
        raise ZeroDivisionError

    simple(store, tmp_path, fail)
    with store.writing() as db:
        ledger.enqueue(db, "simple", "cube")
    assert only_run(store) == {
        "state": "failed",
        "attempts": 1,
        "error": "internal error: ZeroDivisionError",
    }
    assert results(store) == ["cube given up: internal error: ZeroDivisionError"]


@pytest.mark.parametrize(
    ("error", "state", "told"),
    [
        (sqlite3.OperationalError("disk full"), "running", []),
        (ZeroDivisionError(), "failed", ["cube given up: internal error: ZeroDivisionError"]),
    ],
)
def test_a_full_disk_leaves_the_run_to_the_sweep_and_a_defect_is_told(
    store: Store, tmp_path: Path, error: Exception, state: str, told: list[str]
) -> None:
    def broken(db: Database) -> None:
        note(db, "half of it")
        raise error

    engine = simple(store, tmp_path, lambda: broken)
    store.announce = lambda run_id: None
    with store.writing() as db:
        run_id = ledger.enqueue(db, "simple", "cube")
    with contextlib.suppress(sqlite3.OperationalError):
        engine.execute(run_id)
    assert only_run(store)["state"] == state
    assert results(store) == told


def test_a_worker_that_was_overtaken_drops_its_result(store: Store, tmp_path: Path) -> None:
    def overtaken() -> Commit:
        expire(store)
        with store.reading() as db:
            run_id = str(row(db, "SELECT id FROM runs")["id"])  # type: ignore[index]
        with store.writing() as db:
            assert ledger.claim(db, run_id) is not None
        return lambda db: note(db, "late")

    simple(store, tmp_path, overtaken)
    with store.writing() as db:
        ledger.enqueue(db, "simple", "cube")
    assert results(store) == []
    assert only_run(store)["state"] == "running"


def test_what_is_given_up_is_told_in_the_transaction_that_gives_it_up(
    store: Store, tmp_path: Path
) -> None:
    engine = simple(store, tmp_path, lambda: lambda db: None)
    store.announce = lambda run_id: None
    with store.writing() as db:
        ledger.enqueue(db, "simple", "cube")
        db.conn.execute("UPDATE runs SET state = 'running', attempts = 3, lease_until = '2000'")
    engine.sweep()
    assert results(store) == ["cube given up: it ended its worker three times"]
    assert only_run(store)["state"] == "failed"
    engine.sweep()
    assert len(results(store)) == 1


def test_a_broker_that_does_not_answer_refuses_no_request(store: Store, tmp_path: Path) -> None:
    engine = Engine(store, tmp_path / "work")

    def broken(_run_id: str) -> None:
        raise ConnectionError("the broker is away")

    engine._execute = broken
    with store.writing() as db:
        run_id = ledger.enqueue(db, "simple", "cube")
    with store.reading() as db:
        assert row(db, "SELECT id FROM runs WHERE state = 'queued'") == {"id": run_id}


def test_messages_are_json_so_that_a_broker_cannot_run_code_here(tmp_path: Path) -> None:
    serializer = _RunIdSerializer()
    engine = make_engine(tmp_path)
    message = engine.huey.serialize_task(engine._execute.s("r1"))
    assert b"r1" in message
    assert message.startswith(b"[")
    assert serializer._deserialize(message).args == ["r1"]
    with pytest.raises(ValueError, match=r"."):
        serializer._deserialize(b"\x80\x04cos\nsystem\n")
