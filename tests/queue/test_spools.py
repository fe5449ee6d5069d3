"""Spools: what is left on them, and that each print takes from them once."""

from __future__ import annotations

from typing import Any

import pytest

from fabcoord.agent.messages import PrinterTelemetry, PrintTelemetry
from fabcoord.errors import BadInput, Conflict, Stale
from fabcoord.queue import spool_csv, spools

from .room import Pi, Room

COPY_G = 2.5  # what the room's slices say


def add(room: Room, **given: Any) -> str:
    with room.store.writing() as db:
        return spools.create(db, room.staff, {"material": "PLA", "initial_g": 1000.0} | given)


def load(room: Room, spool_id: str, printer: int = 0) -> None:
    with room.store.writing() as db:
        spools.load(db, room.staff, room.printers[printer], spool_id)


def spool(room: Room, spool_id: str) -> dict[str, Any]:
    with room.store.reading() as db:
        return spools.get(db, spool_id)


def starts(room: Room, pi: Pi) -> str:
    """A print that runs on the left printer; the attempt's id."""
    room.queued(printer_id=room.printers[0])
    room.dispatch()
    return pi.prints("starting", "printing")


def reaches(pi: Pi, attempt_id: str, progress: float) -> None:
    printer_id = pi.room.attempt(attempt_id)["printer_id"]
    running = PrintTelemetry(attempt_id, "x.gcode", progress)
    pi.machines[printer_id] = PrinterTelemetry(printer_id, "printing", print=running)
    pi.sync()


def ends(pi: Pi, attempt_id: str, how: str = "finished") -> None:
    printer_id = pi.room.attempt(attempt_id)["printer_id"]
    pi.machines[printer_id] = PrinterTelemetry(printer_id, "ready")
    pi.says(how, attempt_id)
    pi.sync()


def test_loading_a_spool_sets_what_the_printer_has(room: Room) -> None:
    spool_id = add(room, material="PETG", colour="blue")
    load(room, spool_id)
    printer = room.printer(room.printers[0])
    assert (printer["material"], printer["colour"]) == ("PETG", "blue")
    assert printer["spool_id"] == spool_id
    assert spool(room, spool_id)["opened_on"] is not None


def test_a_spool_is_in_one_printer_and_a_printer_has_one_spool(room: Room) -> None:
    first, second = add(room), add(room)
    load(room, first, 0)
    load(room, second, 0)
    load(room, second, 1)
    assert spool(room, first)["printer_id"] is None
    assert spool(room, second)["printer_id"] == room.printers[1]
    assert room.printer(room.printers[0])["spool_id"] is None


def test_a_finished_print_takes_its_copy_once_however_often_it_is_told(room: Room, pi: Pi) -> None:
    spool_id = add(room)
    load(room, spool_id)
    attempt_id = starts(room, pi)
    again = pi.request()
    ends(pi, attempt_id)
    pi.send(again)
    pi.says("finished", attempt_id, token=room.attempt(attempt_id)["token"])
    pi.epoch = "after a restart"
    pi.sync()
    assert spool(room, spool_id)["remaining_g"] == 1000.0 - COPY_G
    assert spool(room, spool_id)["wasted_g"] == 0


def test_while_it_prints_what_is_left_follows_the_progress(room: Room, pi: Pi) -> None:
    spool_id = add(room)
    load(room, spool_id)
    attempt_id = starts(room, pi)
    reaches(pi, attempt_id, 0.4)
    assert spool(room, spool_id)["remaining_g"] == 1000.0 - 0.4 * COPY_G


@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_what_ended_early_took_as_much_as_it_came_far_and_that_is_waste(
    room: Room, pi: Pi, how: str
) -> None:
    spool_id = add(room)
    load(room, spool_id)
    attempt_id = starts(room, pi)
    reaches(pi, attempt_id, 0.4)
    ends(pi, attempt_id, how)
    assert spool(room, spool_id)["used_g"] == spool(room, spool_id)["wasted_g"] == 0.4 * COPY_G


def test_an_offer_that_was_never_taken_takes_nothing(room: Room, pi: Pi) -> None:
    spool_id = add(room)
    load(room, spool_id)
    room.queued(printer_id=room.printers[0])
    room.dispatch()
    room.offers_run_out()
    assert spool(room, spool_id)["used_g"] == 0


def test_a_doubt_that_a_person_settles_is_booked_once(room: Room, pi: Pi) -> None:
    spool_id = add(room)
    load(room, spool_id)
    attempt_id = starts(room, pi)
    room.leases_run_out()
    room.resolve(attempt_id, "finished")
    pi.says("finished", attempt_id)
    pi.sync()
    assert spool(room, spool_id)["used_g"] == COPY_G


def test_a_spool_changed_during_a_print_gets_the_rest_of_it(room: Room, pi: Pi) -> None:
    first, second = add(room), add(room)
    load(room, first)
    attempt_id = starts(room, pi)
    reaches(pi, attempt_id, 0.6)
    load(room, second)
    ends(pi, attempt_id)
    assert spool(room, first)["used_g"] == 0.6 * COPY_G
    assert spool(room, second)["used_g"] == pytest.approx(0.4 * COPY_G)


def test_a_transaction_that_fails_books_nothing_and_the_next_one_does(room: Room, pi: Pi) -> None:
    spool_id = add(room)
    load(room, spool_id)
    attempt_id = starts(room, pi)
    pi.says("finished", attempt_id)

    def power_cut(*_: Any) -> None:
        raise OSError("the power went")

    room.store.subscribe("job.awaiting_pickup", power_cut)
    with pytest.raises(OSError, match="power"):
        pi.sync()
    assert room.attempt(attempt_id)["state"] == "printing"
    assert room.count_of("SELECT count(*) FROM spool_uses WHERE mass_mg IS NOT NULL") == 0
    room.store._subscribers["job.awaiting_pickup"].remove(power_cut)
    pi.sync()
    assert spool(room, spool_id)["used_g"] == COPY_G


def test_a_running_print_is_counted_whole_before_the_next_is_promised(room: Room, pi: Pi) -> None:
    load(room, add(room, initial_g=4.0))
    starts(room, pi)
    with room.store.reading() as db:
        assert spools.left_in_printers(db) == {room.printers[0]: 4.0 - COPY_G}


def test_weighing_states_what_is_left(room: Room) -> None:
    spool_id = add(room, empty_g=200.0)
    with room.store.writing() as db:
        spools.weigh(db, room.staff, spool_id, gross_g=700.0)
    assert spool(room, spool_id)["remaining_g"] == 500.0
    other_id = add(room)
    with pytest.raises(BadInput, match="empty"), room.store.writing() as db:
        spools.weigh(db, room.staff, other_id, gross_g=700.0)


def test_the_print_that_brings_a_spool_near_its_end_warns_once(room: Room, pi: Pi) -> None:
    spool_id = add(room, initial_g=102.0)
    load(room, spool_id)
    ends(pi, starts(room, pi))
    room.clear(room.printers[0])
    ends(pi, starts(room, pi))
    assert room.count_of("SELECT count(*) FROM events WHERE kind = 'spool.low'") == 1
    assert spool(room, spool_id)["is_low"]


def test_a_spool_does_not_leave_a_printer_in_the_middle_of_a_print(room: Room, pi: Pi) -> None:
    spool_id = add(room)
    load(room, spool_id)
    starts(room, pi)
    with pytest.raises(Conflict), room.store.writing() as db:
        spools.unload(db, room.staff, room.printers[0])
    with pytest.raises(Conflict):
        load(room, spool_id, 1)


def test_changes_name_what_is_wrong_and_refuse_what_is_stale(room: Room) -> None:
    with pytest.raises(BadInput) as refused:
        add(room, material="", initial_g=-1.0, opened_on="yesterday")
    assert {"material", "initial_g", "opened_on"} <= set(refused.value.fields)
    spool_id = add(room)
    with room.store.writing() as db:
        spools.update(db, room.staff, spool_id, {"colour": "red"}, 1)
    with pytest.raises(Stale), room.store.writing() as db:
        spools.update(db, room.staff, spool_id, {"colour": "blue"}, 1)


def test_a_table_of_spools_goes_out_and_comes_in_as_it_was(room: Room) -> None:
    add(room, colour="=cmd|red", price_minor=1990, note="half, “used”")
    with room.store.writing() as db:
        table = spool_csv.export(db)
        assert "'=cmd" in table
        assert spool_csv.take(db, room.staff, table) == {"added": 0, "changed": 1}
        assert spool_csv.export(db) == table
        blank = table.replace(spools.everyone(db)[0]["id"], "")
        assert spool_csv.take(db, room.staff, blank) == {"added": 1, "changed": 0}
    with pytest.raises(BadInput, match="Line 2"), room.store.writing() as db:
        spool_csv.take(db, room.staff, "material,initial_g\nPLA,much\n")
