"""Which printer may take which job: nozzle, heat, enclosure, spool, maintenance, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fabcoord.errors import BadInput, NotAllowed
from fabcoord.printers import machines
from fabcoord.queue import forecast, spools, upkeep
from fabcoord.queue.board import offering_of
from fabcoord.queue.match import spool_objection
from tests.queue.room import Pi, Room
from tests.queue.test_policy import rule


def loaded(room: Room, printer_id: str, **changes: Any) -> None:
    from fabcoord.queue import printers

    with room.store.writing() as db:
        printers.update(db, room.staff, printer_id, changes, None)


def reason(room: Room, job_id: str) -> str:
    """What the forecast says of a job."""
    forecast.refresh(room.store, room.board, datetime.now(UTC))
    return str(room.job(job_id)["reason"])


def printer_row(room: Room, printer_id: str) -> dict[str, Any]:
    return room.row("SELECT * FROM printers WHERE id = ?", printer_id)


def test_a_job_goes_only_to_the_nozzle_that_it_asks_for(room: Room, pi: Pi) -> None:
    room.maintenance(room.printers[1])
    with room.store.writing() as db:  # the demo model knows presets of one nozzle only
        db.conn.execute("UPDATE printers SET nozzle_mm = 0.6 WHERE id = ?", (room.printers[0],))
    job_id = room.queued(nozzle_mm=0.4)
    assert room.dispatch() == 0
    room.maintenance(room.printers[1], on=False)
    assert room.dispatch() == 1
    assert room.job(job_id)["printer_id"] == room.printers[1]


def test_the_wrong_nozzle_is_told_in_words(room: Room, pi: Pi) -> None:
    job_id = room.queued(nozzle_mm=0.4)
    with room.store.writing() as db:
        db.conn.execute("UPDATE printers SET nozzle_mm = 0.6")
    assert "Left has a 0.6 mm nozzle, not 0.4 mm." in reason(room, job_id)


def test_a_nozzle_that_cannot_be_is_refused(room: Room) -> None:
    with pytest.raises(BadInput, match="nozzle"):
        room.ask(nozzle_mm=40.0)


def test_a_nozzle_without_presets_needs_a_person_and_says_which_there_are(
    room: Room, pi: Pi
) -> None:
    job = room.job(room.ask(nozzle_mm=0.8))
    assert job["state"] == "needs_attention"
    assert "0.8" in job["reason"]


def test_a_machine_that_may_not_get_as_hot_as_the_material_needs_is_left_out(
    room: Room, pi: Pi, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = machines.all_machines()
    cold = replace(known["demo"], max_hotend_c=205)
    monkeypatch.setattr(machines, "machine", lambda name: cold if name == "demo" else known[name])
    job = room.job(room.ask())
    assert job["state"] == "needs_attention"
    assert "PLA needs 215 °C at the nozzle, and Demo printer may have 205 °C" in job["reason"]


def test_a_part_that_fits_only_machines_of_other_labs_is_told_why_here(room: Room, pi: Pi) -> None:
    job_id = room.queued()
    with room.store.writing() as db:
        db.conn.execute(
            'UPDATE jobs SET machines = \'["prusa_mk3s"]\', misfits = \'{"demo":"Too wide."}\''
        )
    room.board._seq = -1
    assert reason(room, job_id) == "No printer of this lab can take it: Too wide."


def test_what_the_policy_wants_enclosed_waits_for_an_enclosure(room: Room, pi: Pi) -> None:
    rule(room, enclosed_materials=["ABS"])
    for printer_id in room.printers:
        loaded(room, printer_id, material="ABS")
    job_id = room.queued(material="ABS")
    assert room.dispatch() == 0
    assert "Left has no enclosure, which ABS needs." in reason(room, job_id)
    loaded(room, room.printers[1], tags=["enclosed"])
    assert room.dispatch() == 1
    assert room.job(job_id)["printer_id"] == room.printers[1]


def test_a_machine_model_can_be_enclosed_by_itself(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = printer_row(room, room.printers[0])
    assert "enclosed" not in offering_of(row).tags
    known = machines.all_machines()
    closed = known | {"demo": replace(known["demo"], enclosed=True)}
    monkeypatch.setattr(machines, "all_machines", lambda: closed)
    assert "enclosed" in offering_of(row).tags


def test_who_is_not_trained_is_told_that_and_not_that_it_does_not_fit(room: Room, pi: Pi) -> None:
    rule(room, training=["demo"])
    assert "You are not trained on Left." in reason(room, room.queued())


def test_a_spool_is_enough_with_a_margin_and_an_unknown_one_is_trusted() -> None:
    job = {"estimate": '{"mass_g": 200}', "copies": 2}
    assert spool_objection(job, "Left", None, 1.05) is None
    assert spool_objection(job, "Left", 105.0, 1.05) is None
    assert spool_objection(job, "Left", 104.0, 1.05) == (
        "The spool in Left has 104 g left and the print takes 100 g. Ask for another spool to be"
        " loaded."
    )


def spool_of(room: Room, printer_id: str, left_g: float) -> None:
    with room.store.writing() as db:
        spool_id = spools.create(db, room.staff, {"material": "PLA", "initial_g": left_g})
        spools.load(db, room.staff, printer_id, spool_id)


def test_a_job_too_heavy_for_one_spool_goes_to_the_other(room: Room, pi: Pi) -> None:
    left, right = room.printers
    spool_of(room, left, 2.0)
    spool_of(room, right, 900.0)
    job_id = room.queued()  # 2.5 g
    assert room.dispatch() == 1
    assert room.job(job_id)["printer_id"] == right
    second = room.queued(member=room.eve)
    with room.store.writing() as db:  # the other one is busy, and then gone
        db.conn.execute("UPDATE printers SET deleted_at = 'now' WHERE id = ?", (right,))
    assert room.dispatch() == 0
    assert "The spool in Left has 2 g left and the print takes 2 g" in reason(room, second)
    spool_of(room, left, 500.0)
    assert room.dispatch() == 1


# Maintenance


def hours_of(room: Room, printer_id: str, machine_h: float) -> None:
    """The printer has printed so many hours."""
    with room.store.writing() as db:
        db.conn.execute(
            "UPDATE printers SET machine_s = ? WHERE id = ?", (machine_h * 3600, printer_id)
        )


def test_a_printer_that_is_overdue_gets_nothing_until_somebody_did_it(room: Room, pi: Pi) -> None:
    left, right = room.printers
    room.maintenance(right)
    with room.store.writing() as db:
        task_id = upkeep.add_task(db, room.staff, left, "Grease the rods", 10.0)
    hours_of(room, left, 9.9)
    first = room.queued()
    assert room.dispatch() == 1
    attempt_id = pi.prints("starting", "printing")
    with room.store.writing() as db:
        db.conn.execute(
            "UPDATE attempts SET started_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour')"
        )
    pi.says("finished", attempt_id)
    pi.sync()
    room.clear(left, attempt_id)
    assert room.job(first)["state"] == "awaiting_pickup"
    shown = room.printer(left)
    assert shown["machine_h"] == pytest.approx(10.9, abs=0.01)
    assert shown["maintenance_due"].startswith("Grease the rods (0.9 h overdue)")
    second = room.queued(member=room.eve)
    assert room.dispatch() == 0
    assert "Left waits for maintenance: Grease the rods" in reason(room, second)
    with room.store.writing() as db:
        upkeep.log(db, room.staff, left, task_id=task_id, note="with PTFE")
    assert room.printer(left)["maintenance_due"] is None
    assert room.dispatch() == 1
    with room.store.reading() as db:
        kept = upkeep.of_printer(db, left)
    (entry,) = kept["log"]
    assert (entry["actor"], entry["title"], entry["note"]) == (
        "Ada",
        "Grease the rods",
        "with PTFE",
    )
    assert kept["tasks"][0]["left_h"] == pytest.approx(10.0)


def test_only_staff_plan_and_note_maintenance(room: Room) -> None:
    for call in (
        lambda db: upkeep.add_task(db, room.ben, room.printers[0], "Oil", 5.0),
        lambda db: upkeep.log(db, room.ben, room.printers[0], note="did it"),
    ):
        with pytest.raises(NotAllowed), room.store.writing() as db:
            call(db)
