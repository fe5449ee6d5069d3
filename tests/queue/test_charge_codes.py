"""Charge codes when a print is asked for: there has to be such a code, and for this member."""

from __future__ import annotations

import json

import pytest

from fabcoord.errors import BadInput, NotAllowed
from fabcoord.queue import jobs
from fabcoord.store.values import now
from tests.queue.room import Room


def save(room: Room, name: str, *members: str, closed: bool = False) -> None:
    with room.store.writing() as db:
        db.conn.execute(
            "INSERT INTO charge_codes (name, members, created_at, closed_at) VALUES (?, ?, ?, ?)",
            (name, json.dumps(members) if members else None, now(), now() if closed else None),
        )


def test_a_lab_without_codes_only_notes_the_text(room: Room) -> None:
    assert room.job(room.ask(charge_code="Physics 101"))["charge_code"] == "Physics 101"


def test_where_there_are_codes_it_has_to_be_one_of_them(room: Room) -> None:
    save(room, "PHY")
    save(room, "OLD", closed=True)
    for code in ("Physics 101", "OLD"):
        with pytest.raises(BadInput, match="no open charge code"):
            room.ask(charge_code=code)
    assert room.ask(charge_code="phy")


def test_a_code_is_for_those_whom_it_names(room: Room) -> None:
    save(room, "CHEM", room.eve.id)
    assert room.ask(charge_code="CHEM", member=room.eve)
    job_id = room.ask(member=room.ben)
    with pytest.raises(NotAllowed, match="not yours"):
        room.ask(charge_code="CHEM", member=room.ben)
    with pytest.raises(NotAllowed), room.store.writing() as db:
        jobs.update(db, room.ben, job_id, {"charge_code": "CHEM"}, None)
