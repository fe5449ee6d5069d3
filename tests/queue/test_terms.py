"""Prints that a design's licence has something to say about wait for staff, or are not taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fabcoord.designs import library
from fabcoord.designs.licences import PaidPrints, PrintRules
from fabcoord.errors import Unprocessable
from fabcoord.queue import jobs

from .room import Room


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    licensed(room, "CC-BY-NC-SA-4.0")
    yield room
    room.store.close()


def licensed(room: Room, licence: str) -> None:
    with room.store.writing() as db:
        library.update(db, room.ben, room.design_id, {"licence": licence}, None)


def sliced(room: Room, **asked: object) -> dict[str, object]:
    job_id = room.ask(member=room.eve, **asked)
    room.slices_end()
    return room.job(job_id)


def test_a_paid_print_of_a_non_commercial_design_waits_for_staff_and_says_why(room: Room) -> None:
    job = sliced(room, charge_code="4711")
    assert job["state"] == "awaiting_approval"
    assert job["reason"] == (
        "CC-BY-NC-SA-4.0 is for non-commercial use, and the print is paid for. Staff decide."
    )
    room.do("approve", str(job["id"]))
    assert room.job(str(job["id"]))["state"] == "queued"


def test_nobody_minds_a_print_for_oneself(room: Room) -> None:
    assert sliced(room)["state"] == "queued"
    own = room.ask(charge_code="4711")  # the designer's own
    room.slices_end()
    assert room.job(own)["state"] == "queued"


def test_a_lab_may_refuse_such_prints_at_once(tmp_path: Path) -> None:
    room = Room(tmp_path, print_rules=PrintRules(PaidPrints.REFUSE))
    licensed(room, "CC-BY-NC-SA-4.0")
    with pytest.raises(Unprocessable, match="does not take such prints"):
        sliced(room, charge_code="4711")
    assert sliced(room)["state"] == "queued"
    room.store.close()


def test_a_lab_may_count_printing_at_cost_as_no_business(tmp_path: Path) -> None:
    room = Room(tmp_path, print_rules=PrintRules(PaidPrints.ALLOW))
    licensed(room, "CC-BY-NC-SA-4.0")
    assert sliced(room, charge_code="4711")["state"] == "queued"
    assert sliced(room, purpose="commercial")["state"] == "awaiting_approval"
    room.store.close()


def test_a_charge_code_that_comes_later_takes_the_job_out_of_the_queue(room: Room) -> None:
    job = sliced(room)
    with room.store.writing() as db:
        jobs.update(db, room.eve, str(job["id"]), {"charge_code": "4711"}, None)
    held = room.job(str(job["id"]))
    assert held["state"] == "held"
    assert "non-commercial" in held["reason"]
    room.do("release", str(job["id"]), room.eve)
    assert room.job(str(job["id"]))["state"] == "awaiting_approval"


def test_what_is_all_rights_reserved_is_printed_for_its_owner_only(room: Room) -> None:
    licensed(room, "LicenseRef-ours")
    assert sliced(room)["state"] == "awaiting_approval"
    own = room.ask()
    room.slices_end()
    assert room.job(own)["state"] == "queued"
