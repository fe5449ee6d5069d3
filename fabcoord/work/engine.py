"""The engine: huey carries run ids to workers, the ledger decides who works on what."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import huey
from huey.registry import Message
from huey.serializer import Serializer

from fabcoord.store.database import Store
from fabcoord.store.sqlite import Database
from fabcoord.work import ledger
from fabcoord.work.ledger import Run, RunState

log = logging.getLogger(__name__)

_SWEEP_EVERY_S = 2.0

Commit = Callable[[Database], None]


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of run.

    Attributes:
        kind: its name in the ledger.
        work: does the work outside any transaction, asking the second argument now and then
            whether to stop; returns what writes the result. It is called in the transaction that
            ends the run, and only if this worker still holds it.
        gave_up: writes into the subject that there will be no result, and why.
        every_s: how often it is done by the clock; None for only when asked for.
    """

    kind: str
    work: Callable[[str, Callable[[], bool]], Commit]
    gave_up: Callable[[Database, str, str], None]
    every_s: float | None = None


@dataclass
class Engine:
    """Sends run ids to workers and, in a worker process, executes them.

    Args:
        store: the lab's database, which holds the ledger.
        directory: where huey keeps its file.
        url: ``redis://…`` or ``postgresql://…`` to spread work over machines; empty for SQLite.
    """

    store: Store
    directory: Path
    url: str = ""
    tasks: dict[str, Task] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.huey = _make_huey(self.directory, self.url)
        self._execute = self.huey.task(name="run")(self.execute)
        self.store.announce = self.announce

    def register(self, task: Task) -> None:
        """Learn how to do one kind of run."""
        self.tasks[task.kind] = task

    def announce(self, run_id: str) -> None:
        """Hint to the workers that this run waits; duplicates are harmless.

        What was asked for is committed by now, so a broker that does not answer is no reason to
        refuse it: a sweep announces the run again.
        """
        try:
            self._execute(run_id)
        except Exception:
            log.exception("run %s could not be announced; a sweep will do it", run_id)

    def execute(self, run_id: str) -> None:
        """Claim and do one run; returns quietly when it is not to be had, or not yet."""
        with self.store.writing() as db:
            run = None if ledger.must_wait(db, run_id) else ledger.claim(db, run_id)
        if run is None:
            return
        try:
            self._do(run)
        finally:
            with self.store.reading() as db:
                waiting = ledger.patient(db)
            for patient_id in waiting:
                self.announce(patient_id)

    def _do(self, run: Run) -> None:
        task = self.tasks[run.kind]
        lease = _Lease(self.store, run)
        try:
            with lease:
                commit = task.work(run.subject, lease.stopped)
            with self.store.writing(durable=True) as db:
                if ledger.finish(db, run, RunState.DONE):
                    commit(db)
                else:
                    log.warning("run %s was cancelled or lost; its result is dropped", run.id)
        except sqlite3.OperationalError:
            raise  # a full disk, a lock: the lease runs out, and a sweep has it tried again
        except Exception as error:
            log.exception("run %s (%s %s) failed", run.id, run.kind, run.subject)
            reason = f"internal error: {type(error).__name__}"
            with self.store.writing(durable=True) as db:
                if ledger.finish(db, run, RunState.FAILED, reason):
                    task.gave_up(db, run.subject, reason)

    def sweep(self) -> None:
        """Announce lost runs again and give up those that killed their worker too often."""
        with self.store.writing(durable=True) as db:
            swept = ledger.sweep(db)
            for kind, subject in swept.given_up:
                self.tasks[kind].gave_up(db, subject, "it ended its worker three times")
            for task in self.tasks.values():
                if task.every_s is not None:
                    ledger.enqueue_due(db, task.kind, task.every_s)
        for run_id in swept.waiting:
            self.announce(run_id)

    def consume(self, workers: int) -> None:
        """Work until SIGTERM or SIGINT; call from the main thread of a worker process."""
        stop = threading.Event()
        sweeper = threading.Thread(target=self._sweep_until, args=(stop,), daemon=True)
        sweeper.start()
        consumer = self.huey.create_consumer(
            workers=workers,
            worker_type="thread",
            # SqliteHuey polls: a constant short delay wakes at once and costs little.
            initial_delay=0.02,
            max_delay=0.05,
            backoff=1.1,
            periodic=False,
            check_worker_health=False,
        )
        try:
            consumer.run()
        finally:
            stop.set()

    def _sweep_until(self, stop: threading.Event) -> None:
        while not stop.wait(_SWEEP_EVERY_S):
            try:
                self.sweep()
            except Exception:
                log.exception("the sweep of the run ledger failed")


class _Lease:
    """Renews a run in a thread of its own until the work ends."""

    def __init__(self, store: Store, run: Run) -> None:
        self._store, self._run = store, run
        self._ended = threading.Event()
        self._stop_work = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def stopped(self) -> bool:
        return self._stop_work.is_set()

    def _renew(self) -> None:
        while not self._ended.wait(ledger.RENEW_EVERY_S):
            try:
                with self._store.writing() as db:
                    held = ledger.renew(db, self._run)
            except sqlite3.OperationalError:
                log.warning("could not renew run %s; trying again", self._run.id)
                continue
            if not held:
                self._stop_work.set()
                return

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def _make_huey(directory: Path, url: str) -> Any:
    options: dict[str, Any] = {"results": False, "utc": True, "serializer": _RunIdSerializer()}
    if url.startswith(("redis://", "rediss://")):
        return huey.PriorityRedisHuey("fabcoord", url=url, **options)
    if url.startswith(("postgres://", "postgresql://")):
        return huey.PostgresHuey("fabcoord", dsn=url, **options)
    directory.mkdir(parents=True, exist_ok=True)
    return huey.SqliteHuey("fabcoord", filename=str(directory / "work.db"), **options)


class _RunIdSerializer(Serializer):  # type: ignore[misc]
    """Carries messages as JSON, so that who can write to the broker cannot run code here."""

    def _serialize(self, data: Message) -> bytes:
        return json.dumps([data.id, data.name, list(data.args)]).encode()

    def _deserialize(self, data: bytes) -> Message:
        message_id, name, args = json.loads(data)
        fields = dict.fromkeys(Message._fields) | {"retries": 0, "retry_delay": 0}
        return Message(**fields | {"id": message_id, "name": name, "args": args, "kwargs": {}})
