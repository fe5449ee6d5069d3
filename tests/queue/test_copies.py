"""One job, its copies and its printers, from being asked for to being collected."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabcoord.agent.messages import CommandResult
from fabcoord.errors import BadInput, Conflict, NotAllowed, NotFound, Stale, Unprocessable
from fabcoord.queue import attempts, forecast, jobs, printers
from fabcoord.queue.control import control
from fabcoord.store.database import rows

from .room import Pi, Room


def states_of(room: Room, job_id: str) -> list[str]:
    return [one["state"] for one in room.job(job_id)["attempts"]]


def test_a_job_goes_from_its_file_to_the_persons_hands(room: Room, pi: Pi) -> None:
    job_id = room.ask()
    assert room.job(job_id)["state"] == "slicing"
    room.slices_end()
    job = room.job(job_id)
    assert (job["state"], job["reason"]) == ("queued", "Waits for a printer.")
    assert job["estimate"]["duration_s"] == 600
    assert room.dispatch() == 1
    assert room.job(job_id)["state"] == "printing"
    attempt_id = pi.prints("transferring", "starting", "printing", "finished")
    job = room.job(job_id)
    assert (job["state"], job["copies_done"]) == ("awaiting_pickup", 1)
    printer = room.printer(room.attempt(attempt_id)["printer_id"])
    assert printer["state"] == "awaiting_clearance"
    assert printer["plate_attempt_id"] == attempt_id
    room.do("collect", job_id, room.ben)
    assert room.job(job_id)["state"] == "collected"


def test_nothing_starts_until_somebody_says_that_the_plate_is_clear(room: Room, pi: Pi) -> None:
    left, right = room.printers
    room.maintenance(right)
    room.queued()
    room.dispatch()
    attempt_id = pi.prints("printing", "finished")
    second = room.queued()
    assert room.dispatch() == 0
    assert room.job(second)["state"] == "queued"
    room.clear(left, attempt_id)
    pi.sync()
    assert room.dispatch() == 1
    assert room.job(second)["state"] == "printing"


def test_a_new_printer_begins_uncleared_and_maintenance_never_clears(room: Room, pi: Pi) -> None:
    with room.store.writing() as db:
        new = printers.create(db, room.staff, room.settings("New"))
    pi.shows(new, "ready")
    pi.sync()
    assert room.printer(new)["state"] == "awaiting_clearance"
    room.maintenance(new)
    room.maintenance(new, on=False)
    assert room.printer(new)["state"] == "awaiting_clearance"
    room.clear(new)
    assert room.printer(new)["state"] == "idle"


def test_who_looked_at_another_print_cannot_clear_this_one(room: Room, pi: Pi) -> None:
    room.queued(2)
    room.maintenance(room.printers[1])
    room.dispatch()
    first = pi.prints("printing", "finished")
    left = room.printers[0]
    room.clear(left, first)
    pi.sync()
    room.dispatch()
    second = pi.prints("printing", "finished")
    with pytest.raises(Conflict, match="Another print has been on this plate"):
        room.clear(left, first)
    room.clear(left, second)
    room.clear(left, second)  # a second tap does no harm


def test_a_plate_cannot_be_cleared_under_a_running_print(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    attempt_id = pi.prints("printing")
    with pytest.raises(Conflict):
        room.clear(room.attempt(attempt_id)["printer_id"], attempt_id)


def test_an_offer_onto_a_plate_that_was_filled_meanwhile_is_withdrawn(room: Room, pi: Pi) -> None:
    job_id = room.queued()
    room.dispatch()
    (offer,) = pi.sync().offers
    pi.shows(offer.printer_id, "printing", None, "vase.gcode")
    pi.take(offer.attempt_id, offer.token)
    pi.send(pi.request(printers=()))  # the event is heard before the telemetry
    assert room.attempt(offer.attempt_id)["state"] == "accepted"
    second = room.queued()
    pi.sync()
    room.dispatch()
    offer = next(
        one for one in pi.sync().offers if room.attempt(one.attempt_id)["job_id"] == second
    )
    pi.shows(offer.printer_id, "printing", None, "vase.gcode")
    pi.sync()  # now the telemetry comes first
    pi.take(offer.attempt_id, offer.token)
    answer = pi.sync()
    assert room.attempt(offer.attempt_id)["state"] == "cancelled"
    assert {one.attempt_id: one.state for one in answer.attempts}[offer.attempt_id] == "cancelled"
    assert room.job(second)["state"] == "queued"
    assert room.job(job_id)["state"] == "printing"


def test_a_print_that_somebody_else_started_keeps_us_away(room: Room, pi: Pi) -> None:
    left = room.printers[0]
    room.maintenance(room.printers[1])
    pi.shows(left, "printing", None, "vase.gcode")
    pi.sync()
    room.queued()
    assert room.dispatch() == 0
    assert room.printer(left)["reason"] == "Prints 'vase.gcode', which fabcoord did not start."
    with pytest.raises(Conflict, match="nothing of ours"), room.store.writing() as db:
        control(db, room.staff, left, "cancel")
    pi.shows(left, "ready")
    pi.sync()
    assert room.printer(left)["state"] == "awaiting_clearance"
    assert room.dispatch() == 0
    room.clear(left)
    assert room.dispatch() == 1


def test_copies_go_to_all_free_printers_and_are_counted_once(room: Room, pi: Pi) -> None:
    job_id = room.queued(3)
    assert room.dispatch() == 2
    assert room.job(job_id)["reason"].startswith("Copy ")
    for offer in pi.sync().offers:
        pi.take(offer.attempt_id, offer.token)
    pi.sync()
    first, second = list(pi.held)
    pi.says("finished", first)
    pi.sync()
    assert (room.job(job_id)["state"], room.job(job_id)["copies_done"]) == ("printing", 1)
    pi.says("finished", second)
    pi.sync()
    job = room.job(job_id)
    assert (job["state"], job["copies_done"]) == ("queued", 2)
    for printer_id in room.printers:
        room.clear(printer_id)
    assert room.dispatch() == 1
    pi.prints("finished")
    assert room.job(job_id)["state"] == "awaiting_pickup"
    assert sorted(one["copy"] for one in room.job(job_id)["attempts"]) == [1, 2, 3]


def test_silence_becomes_doubt_and_is_never_printed_again_by_itself(room: Room, pi: Pi) -> None:
    job_id = room.queued()
    room.dispatch()
    attempt_id = pi.prints("printing")
    room.leases_run_out()
    job = room.job(job_id)
    assert job["state"] == "needs_attention"
    assert "nobody knows how it ended" in job["reason"]
    printer_id = room.attempt(attempt_id)["printer_id"]
    assert room.printer(printer_id)["state"] == "attention"
    pi.shows(printer_id, "ready")
    assert pi.sync().offers == ()
    assert room.dispatch() == 0
    with pytest.raises(Conflict):
        room.clear(printer_id)
    room.resolve(attempt_id, "finished", plate_clear=True)
    assert room.job(job_id)["state"] == "awaiting_pickup"
    assert room.printer(printer_id)["state"] == "idle"


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("finished", "awaiting_pickup"),
        ("failed", "needs_attention"),
        ("still_printing", "printing"),
    ],
)
def test_a_doubt_ends_as_the_person_says(room: Room, pi: Pi, outcome: str, state: str) -> None:
    job_id = room.queued()
    room.dispatch()
    attempt_id = pi.prints("printing", "unknown")
    room.resolve(attempt_id, outcome)
    assert room.job(job_id)["state"] == state
    assert "Ben says" in room.attempt(attempt_id)["reason"]
    if outcome != "still_printing":
        with pytest.raises(Conflict):
            room.resolve(attempt_id, outcome)


def test_an_outcome_that_means_nothing_is_refused(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    attempt_id = pi.prints("unknown")
    with pytest.raises(BadInput):
        room.resolve(attempt_id, "exploded")


def test_a_late_report_settles_a_doubt_and_so_does_what_is_seen(room: Room, pi: Pi) -> None:
    job_id = room.queued()
    room.dispatch()
    attempt_id = pi.prints("printing")
    room.leases_run_out()
    pi.shows(room.attempt(attempt_id)["printer_id"], "printing", attempt_id, "fc.gcode")
    pi.sync()
    assert room.attempt(attempt_id)["state"] == "printing"
    assert room.job(job_id)["state"] == "printing"
    room.leases_run_out()
    pi.says("finished", attempt_id)
    pi.sync()
    assert room.job(job_id)["state"] == "awaiting_pickup"


def test_a_job_retried_while_in_doubt_waits_for_the_doubt_not_for_a_printer(
    room: Room, pi: Pi
) -> None:
    job_id = room.queued()
    room.dispatch()
    attempt_id = pi.prints("printing", "unknown")
    room.do("retry", job_id)
    job = room.job(job_id)
    assert job["state"] == "needs_attention"
    assert "settle" in job["reason"]
    room.resolve(attempt_id, "finished")
    assert room.job(job_id)["state"] == "awaiting_pickup"


def test_a_settled_doubt_lets_the_other_copies_go_on(room: Room, pi: Pi) -> None:
    job_id = room.queued(3)
    room.maintenance(room.printers[1])
    room.dispatch()
    attempt_id = pi.prints("printing", "unknown")
    room.resolve(attempt_id, "finished")
    job = room.job(job_id)
    assert (job["state"], job["reason"]) == ("queued", "Waits for a printer.")


def test_news_of_one_copy_does_not_settle_the_failure_of_another(room: Room, pi: Pi) -> None:
    job_id = room.queued(2)
    room.dispatch()
    for offer in pi.sync().offers:
        pi.take(offer.attempt_id, offer.token)
    pi.sync()
    first, second = list(pi.held)
    pi.says("failed", first, reason="The nozzle is blocked.")
    pi.sync()
    reason = room.job(job_id)["reason"]
    assert "The nozzle is blocked." in reason
    pi.says("printing", second)
    pi.says("finished", second)
    pi.sync()
    job = room.job(job_id)
    assert (job["state"], job["reason"], job["copies_done"]) == ("needs_attention", reason, 1)
    room.do("retry", job_id)
    assert room.job(job_id)["state"] == "queued"


def test_cancelling_takes_offers_back_and_asks_agents_to_stop(room: Room, pi: Pi) -> None:
    job_id = room.queued(2)
    room.dispatch()
    first = pi.sync().offers[0]
    pi.take(first.attempt_id, first.token)
    pi.sync()
    room.do("cancel", job_id, room.ben)
    assert sorted(states_of(room, job_id)) == ["accepted", "cancelled"]
    (command,) = pi.sync().commands
    assert (command.kind, command.attempt_id) == ("cancel", first.attempt_id)
    assert pi.sync().commands == (command,), "until the agent says what became of it"
    pi.results.append(CommandResult(command.command_id, True))
    pi.says("cancelled", first.attempt_id)
    assert pi.sync().commands == ()
    job = room.job(job_id)
    assert (job["state"], job["copies_done"]) == ("cancelled", 0)


def test_rejecting_a_job_stops_its_copies_too(room: Room, pi: Pi) -> None:
    job_id = room.queued(2)
    room.dispatch()
    for offer in pi.sync().offers:
        pi.take(offer.attempt_id, offer.token)
    pi.sync()
    first, second = list(pi.held)
    pi.says("failed", first)
    pi.sync()
    room.do("reject", job_id)
    assert [one.attempt_id for one in pi.sync().commands] == [second]


def test_what_prints_on_after_its_job_was_cancelled_in_doubt_is_stopped(room: Room, pi: Pi) -> None:
    job_id = room.queued()
    room.dispatch()
    attempt_id = pi.prints("printing", "unknown")
    room.do("cancel", job_id)
    assert pi.sync().commands == ()
    pi.shows(room.attempt(attempt_id)["printer_id"], "printing", attempt_id, "fc.gcode")
    assert [one.kind for one in pi.sync().commands] == ["cancel"]
    assert room.job(job_id)["state"] == "cancelled"


def test_a_slice_that_nobody_waits_for_is_not_made(room: Room) -> None:
    one, other = room.ask(), room.ask()
    room.do("cancel", one)
    assert room.count_of("SELECT count(*) FROM runs WHERE state = 'queued' AND kind = 'slice'") == 1
    room.do("cancel", other)
    assert room.count_of("SELECT count(*) FROM runs WHERE state = 'queued' AND kind = 'slice'") == 0
    room.do("retry", one)
    room.slices_end()
    assert room.job(one)["state"] == "queued"


def test_approval_and_release_hold_a_job_until_they_are_given(tmp_path: Path) -> None:
    room = Room(tmp_path, approval="staff", release="manual")
    job_id = room.queued()
    assert room.job(job_id)["state"] == "awaiting_approval"
    with pytest.raises(NotAllowed):
        room.do("approve", job_id, room.ben)
    room.do("approve", job_id)
    assert room.job(job_id)["state"] == "held"
    room.do("release", job_id, room.ben)
    assert room.job(job_id)["state"] == "queued"
    room.do("hold", job_id, room.ben)
    room.do("release", job_id, room.ben)
    assert room.job(job_id)["state"] == "queued", "neither is asked for twice"
    room.close()


def test_a_part_that_fits_no_printer_needs_a_person(room: Room) -> None:
    with room.store.writing() as db:
        db.conn.execute("UPDATE checks SET state = 'pending'")
    job_id = room.ask()
    room.check_ends(size_mm=(500, 500, 500))
    job = room.job(job_id)
    assert job["state"] == "needs_attention"
    assert "500 × 500 × 500 mm" in job["reason"]


def test_a_file_that_cannot_be_printed_fails_its_job(room: Room) -> None:
    with room.store.writing() as db:
        db.conn.execute("UPDATE checks SET state = 'pending'")
    job_id = room.ask()
    assert room.job(job_id)["state"] == "checking"
    room.check_ends("unprintable")
    assert room.job(job_id)["state"] == "failed"
    assert room.job(job_id)["reason"]


def test_a_slicer_that_fails_needs_a_person_and_says_why(room: Room) -> None:
    job_id = room.ask()
    room.slices_end(error="The mesh is too thin.")
    job = room.job(job_id)
    assert (job["state"], job["reason"]) == ("needs_attention", "The mesh is too thin.")


def test_a_lab_without_printers_says_so(tmp_path: Path) -> None:
    room = Room(tmp_path, count=0)
    job_id = room.ask()
    assert "no printer yet" in room.job(job_id)["reason"]
    room.close()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"copies": 0}, "copies"),
        ({"copies": -1}, "copies"),
        ({"copies": 201}, "copies"),
        ({"machine": "prusa_mk9"}, "machine"),
        ({"preset": "fine"}, "preset"),
        ({"due_at": "tomorrow"}, "due_at"),
        ({"scale": 0}, "scale"),
        ({"scale": -1}, "scale"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_by_name(
    room: Room, asked: dict[str, object], field: str
) -> None:
    with pytest.raises((BadInput, Unprocessable)) as caught:
        room.ask(**{"copies": 1} | asked)  # type: ignore[arg-type]
    assert field in caught.value.fields
    assert room.count_of("SELECT count(*) FROM jobs") == 0


@pytest.mark.parametrize(
    "asked", [{"printer_id": "nowhere"}, {"file_id": "nowhere"}, {"revision": 0}, {"revision": 9}]
)
def test_a_wish_for_what_is_not_there_is_not_found(room: Room, asked: dict[str, object]) -> None:
    with pytest.raises(NotFound):
        room.ask(**asked)  # type: ignore[arg-type]


def test_only_its_member_and_staff_change_a_job(room: Room) -> None:
    job_id = room.queued()
    with pytest.raises(NotAllowed):
        room.do("cancel", job_id, room.eve)
    with pytest.raises(NotAllowed), room.store.writing() as db:
        jobs.update(db, room.eve, job_id, {"note": "mine"}, None)
    with room.store.writing() as db:
        jobs.update(db, room.ben, job_id, {"note": "red, please"}, None)
    job = room.job(job_id)
    assert job["note"] == "red, please"
    with pytest.raises(Stale), room.store.writing() as db:
        jobs.update(db, room.ben, job_id, {"note": "blue"}, job["version"] - 1)


def test_only_its_member_and_staff_control_a_print(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    attempt_id = pi.prints("printing")
    printer_id = room.attempt(attempt_id)["printer_id"]
    with pytest.raises(NotAllowed), room.store.writing() as db:
        control(db, room.eve, printer_id, "pause")
    for _ in range(2):
        with room.store.writing() as db:
            control(db, room.ben, printer_id, "pause")
    assert [one.kind for one in pi.sync().commands] == ["pause"], "asked twice is asked once"
    with pytest.raises(Conflict), room.store.writing() as db:
        control(db, room.ben, printer_id, "resume")


def test_a_printer_with_a_print_cannot_be_removed_or_rebuilt(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    printer_id = room.attempt(pi.prints("printing"))["printer_id"]
    with pytest.raises(Conflict), room.store.writing() as db:
        printers.delete(db, room.staff, printer_id)
    with pytest.raises(Conflict), room.store.writing() as db:
        printers.update(db, room.staff, printer_id, {"machine": "prusa_mini"}, None)
    with room.store.writing() as db:
        printers.update(db, room.staff, printer_id, {"name": "Renamed"}, None)
    assert room.printer(printer_id)["name"] == "Renamed"


def test_a_printer_gives_its_secrets_to_its_agent_only(room: Room, pi: Pi) -> None:
    settings = {"url": "http://octopi", "api_key": "hunter2"}
    with room.store.writing() as db:
        given = room.settings("Octo") | {"driver": "octoprint", "settings": settings}
        printer_id = printers.create(db, room.staff, given)
    assert "hunter2" not in str(room.printer(printer_id))
    (config,) = (one for one in pi.sync().printers if one.printer_id == printer_id)
    assert config.settings == settings
    with room.store.writing() as db:
        printers.update(db, room.staff, printer_id, {"settings": {"url": "http://other"}}, None)
    (config,) = (one for one in pi.sync().printers if one.printer_id == printer_id)
    assert config.settings == {"url": "http://other", "api_key": "hunter2"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "  "}, "name"),
        ({"driver": "telepathy"}, "driver"),
        ({"driver": "serial"}, "settings.port"),
        ({"machine": "../../etc/passwd"}, "machine"),
        ({"agent_id": "nobody"}, "agent_id"),
        ({"camera_url": "javascript:alert(1)"}, "camera_url"),
    ],
)
def test_a_printer_with_wrong_settings_is_refused_by_name(
    room: Room, changes: dict[str, str], field: str
) -> None:
    with pytest.raises(BadInput) as caught, room.store.writing() as db:
        printers.create(db, room.staff, room.settings("New") | changes)
    assert field in caught.value.fields


def test_the_forecast_says_where_a_job_stands_and_why_it_waits(room: Room, pi: Pi) -> None:
    first, second = room.queued(), room.queued()
    forecast.refresh(room.store, room.board)
    assert [room.job(one)["position"] for one in (first, second)] == [1, 2]
    assert room.job(first)["expected_start"] is not None
    wanting = room.queued(colour="blue", printer_id=room.printers[0])
    with room.store.writing() as db:
        printers.update(db, room.staff, room.printers[0], {"colour": "red"}, None)
    forecast.refresh(room.store, room.board)
    assert "red" in room.job(wanting)["reason"]
    before = room.count_of("SELECT count(*) FROM events")
    forecast.refresh(room.store, room.board)
    assert room.count_of("SELECT count(*) FROM events") == before, "no news, no event"
    room.do("cancel", first)
    forecast.refresh(room.store, room.board)
    assert room.job(first)["position"] is None
    assert room.job(second)["position"] == 1


def test_the_room_sees_open_jobs_in_the_order_in_which_they_print(room: Room) -> None:
    first, second, third = room.queued(), room.queued(), room.ask()
    room.do("cancel", second)
    with room.store.reading() as db:
        assert [one["id"] for one in jobs.open_jobs(db)] == [first, third]


def test_every_change_of_an_attempt_is_an_event_in_its_order(room: Room, pi: Pi) -> None:
    job_id = room.queued()
    room.dispatch()
    attempt_id = pi.prints("transferring", "starting", "printing", "finished")
    with room.store.reading() as db:
        told = rows(db, "SELECT kind FROM events WHERE attempt_id = ? ORDER BY seq", (attempt_id,))
        assert attempts.of_job(db, job_id)[0]["progress"] == 1.0
    assert [one["kind"].removeprefix("attempt.") for one in told] == [
        *("offered", "accepted", "transferring", "starting", "printing", "finished"),
    ]
