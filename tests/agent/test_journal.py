"""The journal on disk."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict
from pathlib import Path

import pytest

from fabcoord.agent.held import Stage
from fabcoord.agent.journal import Journal
from fabcoord.agent.messages import CommandResult

from .doubles import offer, printer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_what_was_written_is_there_after_a_restart(path: Path) -> None:
    journal = Journal(path)
    journal.accept(offer())
    journal.set_printers((asdict(printer(api_key="k")),))
    journal.finish_command(CommandResult("c1", True))
    again = Journal(path)  # the first was never closed, as after a crash
    assert [(h.attempt_id, h.stage) for h in again.held()] == [("a1", Stage.ACCEPTED)]
    assert [(e.seq, e.kind) for e in again.unsent()] == [(1, "accepted")]
    assert again.printers() == (printer(api_key="k"),)
    assert again.command_results() == (CommandResult("c1", True),)
    assert again.epoch == journal.epoch


def test_nobody_else_can_read_it(path: Path) -> None:
    Journal(path)
    assert path.stat().st_mode & 0o077 == 0


def test_commits_are_durable(path: Path) -> None:
    journal = Journal(path)
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_offer_is_taken_once(path: Path) -> None:
    journal = Journal(path)
    assert journal.accept(offer()) is not None
    assert journal.accept(offer()) is None
    assert not journal.decline(offer(), "No.")
    assert len(journal.unsent()) == 1


def test_the_mark_is_made_once_and_only_after_the_transfer(path: Path) -> None:
    journal = Journal(path)
    journal.accept(offer())
    assert journal.mark_start("a1") is None
    journal.move("a1", Stage.TRANSFERRING, "transferring")
    assert journal.mark_start("a1") is not None
    assert journal.mark_start("a1") is None
    journal.move("a1", Stage.TRANSFERRING)
    assert journal.mark_start("a1") is None


def test_a_marked_attempt_is_never_taken_again(path: Path) -> None:
    journal = Journal(path)
    journal.accept(offer())
    journal.move("a1", Stage.TRANSFERRING, "transferring")
    journal.mark_start("a1")
    journal.move("a1", Stage.ENDED, "failed")
    journal.acknowledged(99)
    journal.acknowledged(journal.unsent()[-1].seq if journal.unsent() else 0)
    assert journal.accept(offer()) is None
    assert journal.accept(offer(token="another")) is None


def test_what_was_given_back_may_be_offered_again(path: Path) -> None:
    journal = Journal(path)
    assert journal.decline(offer(), "Busy.")
    assert journal.accept(offer()) is None  # the server has not heard of it yet
    journal.acknowledged(1)
    assert journal.accept(offer()) is not None


def test_a_new_token_replaces_one_that_was_not_used(path: Path) -> None:
    journal = Journal(path)
    journal.accept(offer())
    again = journal.accept(offer(token="fresh"))
    assert again is not None
    assert journal.held()[0].token == "fresh"


def test_acknowledged_events_are_forgotten(path: Path) -> None:
    journal = Journal(path)
    for number in range(3):
        journal.accept(offer(f"a{number}"))
    journal.acknowledged(2)
    journal.acknowledged(1)
    assert [event.seq for event in journal.unsent()] == [3]


def test_an_old_copy_of_a_journal_does_not_repeat_numbers(path: Path) -> None:
    journal = Journal(path)
    journal.accept(offer("a1"))
    journal.accept(offer("a2"))
    journal.acknowledged(10)  # the server has heard ten events of this epoch
    assert [event.attempt_id for event in journal.unsent()] == ["a1", "a2"]
    assert journal.unsent()[0].seq > 10
    journal.accept(offer("a3"))
    numbers = [event.seq for event in journal.unsent()]
    assert numbers == sorted(set(numbers))
    journal.acknowledged(numbers[-1])
    assert journal.unsent() == ()


def test_a_full_disk_changes_nothing_by_halves(path: Path) -> None:
    journal = Journal(path)
    journal.accept(offer("a1"))
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")

    def fill() -> None:
        for number in range(2, 500):
            journal.accept(offer(f"a{number}"))

    with pytest.raises(sqlite3.OperationalError, match="full"):
        fill()
    assert len(journal.held()) == len(journal.unsent())
    journal._db.execute("PRAGMA max_page_count = 100000")
    assert journal.accept(offer("later")) is not None


def test_a_later_process_is_newer_whatever_the_clock_says(path: Path) -> None:
    journal = Journal(path)
    journal._set("instance_started_at", "2999-01-01T00:00:00.000Z")
    assert journal.new_instance_start() == "2999-01-01T00:00:00.001Z"
