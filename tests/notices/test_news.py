"""What happens to a job is told to its member, and to the lab what the lab must do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fabcoord.config import Settings
from fabcoord.members.roles import Member
from fabcoord.notices import news, targets
from fabcoord.queue import jobs
from tests.queue.room import Pi, Room


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path, approval="staff")
    news.register(room.store)
    yield room
    room.close()


def target(room: Room, member: Member, **given: object) -> str:
    with room.store.writing() as db:
        return targets.add(
            db, member, Settings(room.directory),
            {"means": "webhook", "address": "https://example.org/x"} | given,
        )[0]  # fmt: skip


def told(room: Room, target_id: str) -> list[str]:
    found = room.table("SELECT title FROM notices WHERE target_id = ? ORDER BY seq", target_id)
    return [item["title"] for item in found]


def test_a_member_hears_of_their_job_and_of_nobody_elses(room: Room) -> None:
    ben, eve = target(room, room.ben), target(room, room.eve)
    lab = target(room, room.staff, lab=True)
    job_id = room.queued()
    room.do("approve", job_id)
    room.slices_end()
    room.dispatch()
    pi = Pi(room)
    pi.sync()
    room.dispatch()
    pi.prints("starting", "printing", "failed")
    room.do("retry", job_id)
    room.slices_end()
    other = room.queued()
    room.do("reject", other, reason="Too big.")
    assert told(room, ben) == ["Cube was approved", "Cube needs you", "Cube was rejected"]
    assert told(room, eve) == []
    assert told(room, lab)[:1] == ["Cube of Ben waits for approval"]
    (reason,) = room.table("SELECT body FROM notices WHERE kind = 'job.rejected'")
    assert "Too big." in reason["body"]


def test_a_job_that_is_printed_is_told_of(room: Room) -> None:
    ben = target(room, room.ben, kinds=["job.awaiting_pickup"])
    job_id = room.queued()
    room.do("approve", job_id)
    room.slices_end()
    pi = Pi(room)
    pi.sync()
    room.dispatch()
    pi.prints("starting", "printing", "finished")
    assert told(room, ben) == ["Cube is ready to collect"]


def test_the_lab_is_not_told_what_a_private_design_is(room: Room) -> None:
    lab = target(room, room.staff, lab=True)
    with room.store.writing() as db:
        db.conn.execute("UPDATE designs SET visibility = 'private'")
    room.queued()
    assert told(room, lab) == ["A print of Ben waits for approval"]


def test_news_is_undone_with_what_it_tells_of(room: Room) -> None:
    target(room, room.ben)
    job_id = room.queued()
    with pytest.raises(RuntimeError), room.store.writing() as db:  # noqa: PT012
        jobs.act(db, room.preparation, room.staff, job_id, "reject", "No.")
        raise RuntimeError
    assert room.count_of("SELECT count(*) FROM notices") == 0
