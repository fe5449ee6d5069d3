"""Charge codes: who may use them, and what becomes of a print that goes over the budget."""

from __future__ import annotations

from typing import Any

import pytest

from fabcoord.errors import BadInput, Conflict, NotAllowed
from fabcoord.queue import charge_codes, entitlements
from tests.queue.room import Pi, Room
from tests.queue.test_policy import ADMIN


def save(room: Room, code: str, **given: Any) -> None:
    with room.store.writing() as db:
        charge_codes.save(db, ADMIN, code, **given)


def cost(room: Room, each: float) -> None:
    """Slices cost so much from now on."""
    with room.store.writing() as db:
        db.conn.execute("UPDATE slices SET estimate = json_set(estimate, '$.cost', ?)", (each,))


def test_without_any_code_a_text_is_only_noted_and_with_one_it_has_to_be_there(room: Room) -> None:
    assert room.job(room.ask(charge_code="Physics 101"))["charge_code"] == "Physics 101"
    save(room, "PHY", title="Physics")
    with pytest.raises(BadInput, match="no charge code 'Physics 101'"):
        room.ask(charge_code="Physics 101")
    assert room.ask(charge_code="phy")


def test_a_code_is_for_those_whom_it_names(room: Room) -> None:
    with room.store.writing() as db:
        group = entitlements.save_group(db, ADMIN, "Chemists", {}, [room.eve.id])
    save(room, "CHEM", groups=[group])
    assert room.ask(charge_code="CHEM", member=room.eve)
    with pytest.raises(NotAllowed, match="not for you"):
        room.ask(charge_code="CHEM", member=room.ben)
    with room.store.reading() as db:
        assert [one["code"] for one in charge_codes.everything(db, room.eve)] == ["CHEM"]
        assert charge_codes.everything(db, room.ben) == []


def test_a_print_over_the_budget_waits_for_staff_and_a_used_up_code_is_refused(
    room: Room, pi: Pi
) -> None:
    room.queued()  # the slice is made once, and costs something from now on
    cost(room, 4.0)
    save(room, "PHY", budget=10.0)
    good = room.queued(2, charge_code="PHY")
    assert room.job(good)["state"] == "queued"
    over = room.queued(charge_code="PHY")
    assert room.job(over)["state"] == "awaiting_approval"
    assert "It costs 4.00, and PHY has 2.00 left of 10.00." in room.job(over)["reason"]
    with room.store.reading() as db:
        (shown,) = charge_codes.everything(db, ADMIN)
    assert (shown["spent"], shown["left"]) == (12.0, -2.0)
    with pytest.raises(Conflict, match="used up"):
        room.ask(charge_code="PHY")
    room.do("approve", over)
    assert room.job(over)["state"] == "queued"


def test_what_was_never_printed_costs_nothing(room: Room, pi: Pi) -> None:
    room.queued()
    cost(room, 4.0)
    save(room, "PHY", budget=5.0)
    first = room.queued(charge_code="PHY")
    room.do("cancel", first, room.ben)
    assert room.job(room.queued(charge_code="PHY"))["state"] == "queued"
