"""Batches: asked for together, in the order of their deadlines, paused, reprinted, on plates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fabcoord.designs import library
from fabcoord.designs.library import NewFile
from fabcoord.errors import BadInput, Conflict, NotAllowed, NotFound
from fabcoord.queue import batches
from fabcoord.store.values import parse_timestamp, timestamp
from tests.queue.room import Pi, Room


@pytest.fixture
def bolt(room: Room) -> str:
    """A second design, with another mesh."""
    with room.store.writing() as db:
        design_id = library.create(
            db, room.ben, title="Bolt", licence="CC0-1.0",
            files=[NewFile("bolt.stl", "c" * 64, 684, "stl")],
        )  # fmt: skip
    room.check_ends()
    return design_id


def ask(room: Room, *items: dict[str, Any], **asked: Any) -> str:
    with room.store.writing() as db:
        return batches.create(
            db, room.preparation, room.ben, {"title": "Robot", "items": list(items), **asked}
        )


def do(room: Room, batch_id: str, verb: str) -> list[str]:
    with room.store.writing() as db:
        return batches.act(db, room.preparation, room.ben, batch_id, verb)


def get(room: Room, batch_id: str) -> dict[str, Any]:
    with room.store.reading() as db:
        return batches.get(db, room.ben, batch_id)


def states(room: Room, batch_id: str) -> list[str]:
    return [job["state"] for job in get(room, batch_id)["jobs"]]


def test_each_item_is_a_job_with_its_part_of_the_time(room: Room, bolt: str) -> None:
    due = datetime.now(UTC) + timedelta(hours=30)
    items = ({"design_id": room.design_id, "copies": 2}, {"design_id": bolt, "copies": 3})
    batch = get(room, ask(room, *items, due_at=timestamp(due), colour="red"))
    assert (batch["title"], batch["member"], batch["state"]) == ("Robot", "Ben", "open")
    assert (batch["copies"], batch["copies_done"]) == (5, 0)
    first, second = batch["jobs"]
    assert (first["title"], second["title"]) == ("Cube", "Bolt")
    assert first["colour"] == second["colour"] == "red"
    half = parse_timestamp(first["due_at"])
    assert abs(half - (due - timedelta(hours=15))) < timedelta(minutes=1)
    assert parse_timestamp(second["due_at"]) == parse_timestamp(timestamp(due))


def test_all_of_a_batch_is_asked_for_or_nothing(room: Room) -> None:
    with pytest.raises(NotFound):
        ask(room, {"design_id": room.design_id}, {"design_id": "nowhere"})
    assert room.count_of("SELECT count(*) FROM jobs") == 0
    for wrong in ({"items": []}, {"title": " "}, {"due_at": "tomorrow"}):
        with pytest.raises(BadInput):
            ask(room, {"design_id": room.design_id}, **wrong)


def test_a_paused_batch_begins_nothing_and_what_prints_goes_on(room: Room, pi: Pi) -> None:
    batch_id = ask(room, {"design_id": room.design_id, "copies": 3}, {"design_id": room.design_id})
    room.slices_end()
    room.maintenance(room.printers[1])
    assert room.dispatch() == 1
    attempt_id = pi.prints("starting", "printing")
    do(room, batch_id, "pause")
    assert get(room, batch_id)["state"] == "paused"
    room.maintenance(room.printers[1], on=False)
    assert room.dispatch() == 0
    assert states(room, batch_id) == ["printing", "held"]
    pi.says("finished", attempt_id)
    pi.sync()
    assert states(room, batch_id) == ["held", "held"]
    with pytest.raises(Conflict, match="paused already"):
        do(room, batch_id, "pause")
    do(room, batch_id, "resume")
    assert set(states(room, batch_id)) == {"queued"}
    assert room.dispatch() >= 1


def test_what_a_person_held_stays_held_when_the_batch_goes_on(room: Room, pi: Pi) -> None:
    batch_id = ask(room, {"design_id": room.design_id}, {"design_id": room.design_id})
    room.slices_end()
    job_id = get(room, batch_id)["jobs"][0]["id"]
    room.do("hold", job_id, room.ben)
    do(room, batch_id, "pause")
    do(room, batch_id, "resume")
    assert states(room, batch_id) == ["held", "queued"]


def test_resuming_a_batch_is_no_release(room: Room, pi: Pi) -> None:
    room.release = "manual"
    with room.store.writing() as db:
        from fabcoord.queue import policy
        from tests.queue.test_policy import ADMIN

        policy.change(db, ADMIN, {"release": "badge"})
    batch_id = ask(room, {"design_id": room.design_id})
    do(room, batch_id, "pause")  # while it is being sliced
    do(room, batch_id, "resume")
    room.slices_end()
    assert states(room, batch_id) == ["held"]
    assert "kiosk" in get(room, batch_id)["jobs"][0]["reason"]


def test_a_batch_is_cancelled_whole(room: Room, pi: Pi) -> None:
    batch_id = ask(room, {"design_id": room.design_id}, {"design_id": room.design_id})
    room.slices_end()
    assert len(do(room, batch_id, "cancel")) == 2
    assert get(room, batch_id)["state"] == "ended"
    with pytest.raises(Conflict):
        do(room, batch_id, "cancel")


def test_only_its_member_and_staff_steer_a_batch(room: Room) -> None:
    batch_id = ask(room, {"design_id": room.design_id})
    with pytest.raises(NotAllowed), room.store.writing() as db:
        batches.act(db, room.preparation, room.eve, batch_id, "cancel")
    with room.store.writing() as db:
        batches.act(db, room.preparation, room.staff, batch_id, "cancel")


def test_only_failed_copies_are_retried_and_finished_ones_reprinted_on_request(
    room: Room, pi: Pi
) -> None:
    batch_id = ask(room, {"design_id": room.design_id, "copies": 2})
    room.slices_end()
    room.maintenance(room.printers[1])
    for end in ("finished", "failed"):
        room.dispatch()
        attempt_id = pi.prints("starting", "printing", end)
        room.clear(room.printers[0], attempt_id)
    (job,) = get(room, batch_id)["jobs"]
    assert (job["state"], job["copies_done"]) == ("needs_attention", 1)
    do(room, batch_id, "retry")
    room.dispatch()
    pi.prints("starting", "printing", "finished")
    assert [one["copy"] for one in room.job(job["id"])["attempts"]] == [1, 2, 2]
    assert get(room, batch_id)["state"] == "done"
    with room.store.writing() as db:  # one of them warped
        (again,) = batches.reprint(db, room.preparation, room.ben, job["id"], copies=1)
    assert room.job(again)["batch_id"] == batch_id
    assert room.job(again)["copies"] == 1
    assert get(room, batch_id)["state"] == "open"


# Plates


def test_items_that_ask_the_same_share_one_plate_and_one_slice(room: Room, bolt: str) -> None:
    batch_id = ask(
        room,
        {"design_id": room.design_id, "copies": 2, "rotation": [90, 0, 0]},
        {"design_id": bolt, "copies": 3},
        {"design_id": bolt, "material": "PETG"},
        plate=True,
    )
    first, second = get(room, batch_id)["jobs"]
    assert [(part["name"], part["copies"]) for part in first["parts"]] == [
        ("cube.stl", 2),
        ("bolt.stl", 3),
    ]
    assert (first["copies"], second["material"]) == (1, "PETG")
    assert first["title"] == "Cube and 1 more"
    assert get(room, batch_id)["copies"] == 2 + 3 + 1
    assert room.count_of("SELECT count(*) FROM slices") == 2
    ask(
        room,
        {"design_id": bolt, "copies": 3},
        {"design_id": room.design_id, "copies": 2, "rotation": [90, 0, 0]},
        plate=True,
    )
    assert room.count_of("SELECT count(*) FROM slices") == 2, "the same plate in another order"


def test_a_plate_waits_for_the_check_of_each_of_its_parts(room: Room) -> None:
    with room.store.writing() as db:
        unchecked = library.create(
            db, room.ben, title="Nut", licence="CC0-1.0",
            files=[NewFile("nut.stl", "d" * 64, 684, "stl")],
        )  # fmt: skip
    items = ({"design_id": room.design_id}, {"design_id": unchecked})
    batch_id = ask(room, *items, plate=True)
    assert states(room, batch_id) == ["checking"]
    room.check_ends()
    assert states(room, batch_id) == ["slicing"]
    room.slices_end()
    assert states(room, batch_id) == ["queued"]


def test_a_part_that_failed_on_a_plate_is_printed_again_alone(
    room: Room, bolt: str, pi: Pi
) -> None:
    items = ({"design_id": room.design_id}, {"design_id": bolt, "scale": 2.0})
    batch_id = ask(room, *items, plate=True)
    room.slices_end()
    (plate,) = get(room, batch_id)["jobs"]
    room.dispatch()
    pi.prints("starting", "printing", "finished")
    with room.store.writing() as db:
        (again,) = batches.reprint(db, room.preparation, room.ben, plate["id"], parts=[1])
    alone = room.job(again)
    assert (alone["title"], alone["scale"], alone["parts"]) == ("Bolt", 2.0, None)
    with pytest.raises(BadInput), room.store.writing() as db:
        batches.reprint(db, room.preparation, room.ben, plate["id"], parts=[2])
