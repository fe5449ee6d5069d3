"""Open Know-How's "somebody has made this" comes from prints that really finished."""

from __future__ import annotations

from fabcoord.designs.okh.bundle import Made
from fabcoord.queue.made import made

from .room import Pi, Room


def told(room: Room) -> Made:
    with room.store.reading() as db:
        return made(db, room.design_id)


def test_a_print_that_failed_proves_nothing(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    pi.prints("printing", "failed")
    assert told(room) == Made(made=False, by_others=False)


def test_a_print_for_its_owner_proves_that_it_can_be_made(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    pi.prints("printing", "finished")
    assert told(room) == Made(made=True, by_others=False)


def test_a_print_for_somebody_else_proves_that_others_can(room: Room, pi: Pi) -> None:
    room.queued(member=room.eve)
    room.dispatch()
    pi.prints("printing", "finished")
    assert told(room) == Made(made=True, by_others=True)
