"""The ledger of runs: whatever workers do, each run is committed once at most."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from fabcoord.store.database import Store, row, rows, value
from fabcoord.store.migrations import migrate
from fabcoord.work import ledger
from fabcoord.work.ledger import Run, RunState, Sweep


def enqueue(store: Store, subject: str = "cube", **options: int) -> str:
    with store.writing() as db:
        return ledger.enqueue(db, "slice", subject, **options)


def claim(store: Store, run_id: str) -> Run | None:
    with store.writing() as db:
        return ledger.claim(db, run_id)


def renew(store: Store, run: Run) -> bool:
    with store.writing() as db:
        return ledger.renew(db, run)


def finish(store: Store, run: Run) -> bool:
    with store.writing() as db:
        return ledger.finish(db, run, RunState.DONE)


def cancel(store: Store, subject: str = "cube") -> None:
    with store.writing() as db:
        ledger.cancel(db, "slice", subject)


def sweep(store: Store) -> Sweep:
    with store.writing() as db:
        return ledger.sweep(db)


def expire(store: Store, run_id: str) -> None:
    """As when the worker died and the time of its lease has passed."""
    with store.writing() as db:
        db.conn.execute("UPDATE runs SET lease_until = '2000' WHERE id = ?", (run_id,))


def state(store: Store, run_id: str) -> str:
    with store.reading() as db:
        return str(value(db, "SELECT state FROM runs WHERE id = ?", (run_id,)))


def claimed(store: Store, run_id: str) -> Run:
    run = claim(store, run_id)
    assert run is not None
    return run


def test_what_is_asked_for_twice_is_queued_once(store: Store) -> None:
    first = enqueue(store)
    assert enqueue(store) == first
    run = claimed(store, first)
    assert enqueue(store) == first, "also while it runs"
    assert finish(store, run)
    assert enqueue(store) != first, "what is done is made anew when asked for again"


def test_runs_are_announced_after_the_commit_only(store: Store) -> None:
    announced: list[str] = []
    store.announce = announced.append
    with contextlib.suppress(RuntimeError), store.writing() as db:
        ledger.enqueue(db, "slice", "cube")
        raise RuntimeError
    assert announced == []
    run_id = enqueue(store)
    assert announced == [run_id]


def test_a_run_is_claimed_by_one_worker(store: Store) -> None:
    run_id = enqueue(store)
    run = claimed(store, run_id)
    assert (run.kind, run.subject, run.attempt) == ("slice", "cube", 1)
    assert claim(store, run_id) is None
    assert claim(store, "no such run") is None


def test_a_worker_that_lost_its_lease_can_neither_renew_nor_commit(store: Store) -> None:
    run_id = enqueue(store)
    lost = claimed(store, run_id)
    expire(store, run_id)
    taken_over = claimed(store, run_id)
    assert taken_over.attempt == 2
    assert not renew(store, lost)
    assert not finish(store, lost)
    assert renew(store, taken_over)
    assert finish(store, taken_over)
    assert not finish(store, taken_over), "and nobody commits twice"
    assert state(store, run_id) == "done"


def test_renewing_in_time_keeps_the_run(store: Store) -> None:
    run_id = enqueue(store)
    run = claimed(store, run_id)
    expire(store, run_id)
    assert renew(store, run), "late, but nobody else has taken it"
    assert claim(store, run_id) is None


def test_a_cancelled_run_is_neither_begun_nor_committed(store: Store) -> None:
    waiting = enqueue(store, "waiting")
    cancel(store, "waiting")
    assert claim(store, waiting) is None
    running = claimed(store, enqueue(store))
    cancel(store)
    assert not renew(store, running), "its worker hears of it at the next renewal"
    assert not finish(store, running)
    assert state(store, running.id) == "cancelled"
    assert claim(store, enqueue(store)) is not None, "who asks again has it made"


def test_the_sweep_queues_again_what_lost_its_worker(store: Store) -> None:
    run_id = enqueue(store)
    claimed(store, run_id)
    assert sweep(store).waiting == (), "its worker is alive"
    expire(store, run_id)
    assert sweep(store).waiting == (run_id,)
    assert state(store, run_id) == "queued"
    assert sweep(store).waiting == (), "announced a moment ago"


def test_the_sweep_announces_what_was_never_announced_most_urgent_first(store: Store) -> None:
    low, high = enqueue(store, "a", priority=1), enqueue(store, "b", priority=9)
    with store.writing() as db:
        db.conn.execute("UPDATE runs SET enqueued_at = '2000'")
    assert sweep(store).waiting == (high, low)


def test_a_run_that_kills_its_workers_is_given_up(store: Store) -> None:
    run_id = enqueue(store)
    for attempt in range(1, ledger.MAX_ATTEMPTS + 1):
        assert claimed(store, run_id).attempt == attempt
        assert sweep(store).given_up == ()
        expire(store, run_id)
        if attempt < ledger.MAX_ATTEMPTS:
            sweep(store)
    assert claim(store, run_id) is None
    assert sweep(store).given_up == (("slice", "cube"),)
    with store.reading() as db:
        found = row(db, "SELECT state, error FROM runs WHERE id = ?", (run_id,))
    assert found == {"state": "failed", "error": "its worker died 3 times"}


class Workers(RuleBasedStateMachine):
    """Workers that come, stall, die and wake again, in any order, over a real database."""

    runs = Bundle("runs")
    claims = Bundle("claims")

    @initialize()
    def open(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.store = Store(Path(self.directory.name) / "lab.db")
        migrate(self.store)
        self.committed: list[str] = []
        self.cancelled: set[str] = set()
        self.given_up = 0

    @rule(target=runs, subject=st.sampled_from(["cube", "knob"]))
    def ask(self, subject: str) -> str:
        return enqueue(self.store, subject)

    @rule(target=claims, run_id=runs)
    def claim(self, run_id: str) -> object:
        run = claim(self.store, run_id)
        if run is None:
            return multiple()
        assert run.attempt <= ledger.MAX_ATTEMPTS
        assert run_id not in self.committed
        assert run_id not in self.cancelled
        return run

    @rule(run=claims)
    def renew(self, run: Run) -> None:
        held = renew(self.store, run)
        assert not (held and (run.id in self.committed or run.id in self.cancelled))

    @rule(run=claims)
    def commit(self, run: Run) -> None:
        if finish(self.store, run):
            assert run.id not in self.committed, "committed twice"
            assert run.id not in self.cancelled, "nobody wanted it any more"
            self.committed.append(run.id)

    @rule(run_id=runs)
    def let_the_lease_run_out(self, run_id: str) -> None:
        expire(self.store, run_id)

    @rule(subject=st.sampled_from(["cube", "knob"]))
    def cancel(self, subject: str) -> None:
        with self.store.writing() as db:
            live = rows(
                db,
                "SELECT id FROM runs WHERE subject = ? AND state IN ('queued', 'running')",
                (subject,),
            )
            ledger.cancel(db, "slice", subject)
        self.cancelled |= {item["id"] for item in live}

    @rule()
    def sweep(self) -> None:
        self.given_up += len(sweep(self.store).given_up)

    @invariant()
    def every_run_is_where_its_history_says(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.reading() as db:
            found = rows(db, "SELECT * FROM runs")
            live = rows(
                db,
                "SELECT count(*) AS n FROM runs WHERE state IN ('queued', 'running')"
                " GROUP BY kind, subject",
            )
        states = {item["id"]: item["state"] for item in found}
        assert {run_id for run_id in states if states[run_id] == "done"} == set(self.committed)
        assert {run_id for run_id in states if states[run_id] == "cancelled"} == self.cancelled
        assert list(states.values()).count("failed") == self.given_up
        assert all(item["n"] == 1 for item in live), "two live runs of one subject"
        assert all(item["attempts"] <= ledger.MAX_ATTEMPTS for item in found)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.directory.cleanup()


TestWorkers = Workers.TestCase
TestWorkers.settings = settings(
    max_examples=60,
    derandomize=True,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_a_run_that_nobody_waits_for_lets_the_others_go_first(store: Store) -> None:
    with store.writing() as db:
        picture = ledger.enqueue(db, "pictures", "cube")
        assert not ledger.must_wait(db, picture)
        slice_ = ledger.enqueue(db, "slice", "cube", priority=10)
        assert ledger.must_wait(db, picture)
        assert not ledger.must_wait(db, slice_)
        assert ledger.patient(db) == [picture]
        db.conn.execute("UPDATE runs SET created_at = '2000' WHERE id = ?", (picture,))
        assert not ledger.must_wait(db, picture), "but not for ever"
