"""The outbox: events live and die with the change they tell of, and wake whoever waits."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from fabcoord.store import events
from fabcoord.store.database import Store
from fabcoord.store.events import Event, Tail, emit, since
from fabcoord.store.hub import Hub
from fabcoord.store.sqlite import Database


def all_events(store: Store) -> list[Event]:
    with store.reading() as db:
        return since(db, 0)


def test_an_event_tells_what_happened_to_whom(store: Store) -> None:
    with store.writing() as db:
        emit(db, "job.queued", job_id="j1", member_id="m1", actor="Ada", reason="Waits.")
    (event,) = all_events(store)
    assert (event.kind, event.job_id, event.member_id, event.actor) == (
        *("job.queued", "j1", "m1", "Ada"),
    )
    assert event.data == {"reason": "Waits."}
    assert event.printer_id is None


def test_an_event_is_undone_with_its_change(store: Store) -> None:
    with pytest.raises(RuntimeError), store.writing() as db:  # noqa: PT012
        emit(db, "job.queued")
        raise RuntimeError
    assert all_events(store) == []


def test_numbers_only_grow_even_after_the_newest_is_gone(store: Store) -> None:
    with store.writing() as db:
        for _ in range(3):
            db.conn.execute("INSERT INTO events (at, kind) VALUES ('2020', 'job.forecast')")
        db.conn.execute("DELETE FROM events")
        emit(db, "job.printing")
    assert [event.seq for event in all_events(store)] == [4]


def test_since_replays_what_came_after_and_what_it_is_about(store: Store) -> None:
    with store.writing() as db:
        for number in range(6):
            emit(db, f"k{number}", job_id="j" + str(number % 2), printer_id="p" + str(number % 3))
    with store.reading() as db:
        assert [event.seq for event in since(db, 4)] == [5, 6]
        assert [event.seq for event in since(db, 0, job_id="j1")] == [2, 4, 6]
        assert [event.seq for event in since(db, 2, printer_id="p0")] == [4]
        assert [event.seq for event in since(db, 0, job_id="j0", printer_id="p2")] == [3]
        assert [event.seq for event in since(db, 0, limit=2)] == [1, 2]
        assert events.last_seq(db) == 6


def test_a_subscriber_acts_in_the_same_transaction(store: Store) -> None:
    def follow(db: Database, event: Event) -> None:
        emit(db, "slice.wanted", data_of=event.seq)

    store.subscribe("file.checked", follow)
    with store.writing() as db:
        emit(db, "file.checked")
        emit(db, "file.pictured")
    assert [event.kind for event in all_events(store)] == [
        *("file.checked", "slice.wanted", "file.pictured"),
    ]
    assert all_events(store)[1].data == {"data_of": 1}


def test_a_subscriber_that_fails_undoes_the_whole_change(store: Store) -> None:
    def fail(_db: Database, _event: Event) -> None:
        raise ValueError("no")

    store.subscribe("file.checked", fail)
    with pytest.raises(ValueError, match="no"), store.writing() as db:
        emit(db, "file.checked")
    assert all_events(store) == []


def test_only_what_an_agent_must_come_for_wakes_it(store: Store) -> None:
    with store.writing() as db:
        emit(db, "attempt.printing", agent_id="a1")
        emit(db, "attempt.offered", agent_id="a2")
    with store.reading() as db:
        assert not events.exists_for_agent(db, 0, "a1")
        assert events.exists_for_agent(db, 0, "a2")
        assert not events.exists_for_agent(db, 2, "a2")


def test_a_commit_wakes_the_hub_and_a_rollback_does_not(store: Store) -> None:
    before = store.hub.count
    with pytest.raises(RuntimeError), store.writing():
        raise RuntimeError
    assert store.hub.count == before
    with store.writing() as db:
        emit(db, "job.queued")
    assert store.hub.count == before + 1


def test_a_commit_of_another_process_is_noticed(store: Store) -> None:
    tail = Tail(store)
    tail.start()
    try:
        assert store.hub.wait(-1, 10) >= 0
        seen = store.hub.count
        while (count := store.hub.wait(seen, 0.3)) != seen:  # its first look counts as news
            seen = count
        script = (
            "import sys; from pathlib import Path\n"
            "from fabcoord.store.database import Store\n"
            "from fabcoord.store.events import emit\n"
            "with Store(Path(sys.argv[1])).writing() as db: emit(db, 'job.queued')"
        )
        subprocess.run([sys.executable, "-c", script, str(store.path)], check=True)
        assert store.hub.wait(seen, 10) > seen
    finally:
        tail.stop()
    assert [event.kind for event in all_events(store)] == ["job.queued"]


def test_who_waits_at_the_hub_is_woken_once_something_happens() -> None:
    hub, heard = Hub(), []
    waiter = threading.Thread(target=lambda: heard.append(hub.wait(0, 30)))
    waiter.start()
    hub.wake()
    waiter.join(10)
    assert heard == [1]


def test_who_comes_late_to_the_hub_does_not_wait() -> None:
    hub = Hub()
    hub.wake()
    assert hub.wait(0, 30) == 1


def test_a_hub_without_news_lets_go_after_the_time() -> None:
    hub = Hub()
    assert hub.wait(0, 0.01) == 0


def test_a_closed_hub_keeps_nobody() -> None:
    hub = Hub()
    waiter = threading.Thread(target=lambda: hub.wait(0, 30))
    waiter.start()
    hub.close()
    waiter.join(10)
    assert not waiter.is_alive()
    hub.wait(0, 30)
    assert hub.closed
