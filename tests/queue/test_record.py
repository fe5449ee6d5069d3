"""The history is written with what it tells of, and its sums are what a recount gives."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.errors import BadInput, Conflict, NotAllowed
from fabcoord.queue import forecast, history, hours, learning, record, statistics
from fabcoord.queue.board import Board
from fabcoord.queue.policy import Hours, Policy
from fabcoord.queue.record import Recorder, split_by_day, wait_class, wait_of
from fabcoord.queue.statistics import Period
from fabcoord.store.values import in_seconds

from .room import Pi, Room

Moments = st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 31))  # noqa: DTZ001


def today() -> Period:
    day = datetime.now(UTC).date()
    return Period((day - timedelta(1)).isoformat(), (day + timedelta(1)).isoformat())


def printed(room: Room, pi: Pi, *kinds: str, **asked: Any) -> str:
    """One job of Ben's on one printer, whose attempt went this way; the plate is cleared."""
    room.queued(**asked)
    assert room.dispatch() == 1
    attempt_id = pi.prints("starting", "printing", *kinds)
    printer_id = room.attempt(attempt_id)["printer_id"]
    room.clear(printer_id, attempt_id)
    return attempt_id


def test_every_end_is_kept_once_with_its_sums(room: Room, pi: Pi) -> None:
    printed(room, pi, "finished")
    printed(room, pi, "finished")
    failed = printed(room, pi, "failed")
    with room.store.reading() as db:
        found = statistics.overview(db, today())
        by_member = statistics.by(db, "member", today())
        causes = statistics.by(db, "cause", today())
        items, more = history.search(db, today())
    assert (found["finished"], found["failed"], found["prints"]) == (2, 1, 3)
    assert found["success_rate"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["waits"]["jobs"] == 3
    assert [(item["name"], item["prints"]) for item in by_member] == [("Ben", 3)]
    assert [(item["name"], item["prints"]) for item in causes] == [("Nobody said why", 1)]
    assert items[0]["attempt_id"] == failed
    assert more is None


def test_an_offer_that_nobody_took_is_no_print(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    room.offers_run_out()
    assert room.count_of("SELECT count(*) FROM prints") == 0


def test_a_person_says_why_and_may_think_again(room: Room, pi: Pi) -> None:
    attempt_id = printed(room, pi, "failed")
    with room.store.writing() as db:
        record.set_cause(db, room.ben, attempt_id, "clog")
        record.set_cause(db, room.staff, attempt_id, "adhesion", "the corner lifted")
        (only,) = statistics.by(db, "cause", today())
    assert (only["key"], only["prints"]) == ("adhesion", 1)
    assert room.attempt(attempt_id)["cause"] == "adhesion"
    with room.store.writing() as db:
        with pytest.raises(NotAllowed):
            record.set_cause(db, room.eve, attempt_id, "clog")
        with pytest.raises(BadInput):
            record.set_cause(db, room.ben, attempt_id, "bad luck")


def test_what_finished_has_no_cause(room: Room, pi: Pi) -> None:
    attempt_id = printed(room, pi, "finished")
    with room.store.writing() as db, pytest.raises(Conflict):
        record.set_cause(db, room.ben, attempt_id, "clog")


def test_what_a_machine_says_gives_its_cause_away(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    (offer,) = pi.sync().offers
    pi.take(offer.attempt_id, offer.token)
    pi.says("failed", offer.attempt_id, reason="Error:Thermal Runaway, system stopped!")
    pi.sync()
    assert room.row("SELECT cause FROM prints")["cause"] == "heating"


def test_a_lab_older_than_its_history_is_caught_up_to_the_same(room: Room, pi: Pi) -> None:
    for end in ("finished", "failed", "finished"):
        printed(room, pi, end)
    tables = ("prints", "prints_daily")
    in_order = "SELECT * FROM {} ORDER BY 1, 2, 3, 4"
    before = {name: room.table(in_order.format(name)) for name in tables}
    with room.store.writing() as db:
        for name in tables:
            db.conn.execute(f"DELETE FROM {name}")  # noqa: S608
    recorder = Recorder(Policy())
    assert recorder.catch_up(room.store) == 3
    assert recorder.catch_up(room.store) == 0
    after = {name: room.table(in_order.format(name)) for name in tables}
    assert after == before


def test_prints_teach_what_the_next_will_take(room: Room, pi: Pi) -> None:
    for _ in range(8):
        room.queued()
        room.dispatch()
        attempt_id = pi.prints("starting", "printing")
        with room.store.writing() as db:  # it began 900 s ago; the slicer had said 600 s
            db.conn.execute(
                "UPDATE attempts SET started_at = ? WHERE id = ?", (in_seconds(-900), attempt_id)
            )
        pi.says("finished", attempt_id)
        pi.sync()
        room.clear(room.attempt(attempt_id)["printer_id"], attempt_id)
    with room.store.reading() as db:
        learnt = learning.read(db)
        told = statistics.pace(db)
    assert 1.2 < learnt.pace("demo") < 1.5
    assert told["prints"] == 8
    job_id = room.queued()
    board = Board(Policy())
    with room.store.reading() as db:
        board.follow(db, datetime.now(UTC))
    waiting = board.schedule.get(job_id)
    assert waiting is not None
    assert waiting.facts.copy_s == pytest.approx(600 * learnt.pace(None))
    forecast.refresh(room.store, board)
    job = room.job(job_id)
    assert job["expected_end"] > job["expected_start"]


def test_a_print_that_was_paused_or_settled_by_hand_teaches_nothing(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    attempt_id = pi.prints("starting", "printing", "paused", "printing")
    with room.store.writing() as db:
        db.conn.execute("UPDATE attempts SET started_at = ?", (in_seconds(-900),))
    pi.says("finished", attempt_id)
    pi.sync()
    assert room.table("SELECT * FROM learnt WHERE what = 'pace'") == []


def test_the_time_until_a_plate_is_cleared_is_measured(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    attempt_id = pi.prints("starting", "printing", "finished")
    printer_id = room.attempt(attempt_id)["printer_id"]
    pi.sync()
    with room.store.writing() as db:
        db.conn.execute("UPDATE printer_spans SET since = ?", (in_seconds(-120),))
    room.clear(printer_id, attempt_id)
    with room.store.reading() as db:
        measured = learning.read(db).clearings[printer_id]
    assert measured.count == 1
    assert 4.7 < measured.value < 4.9  # ln 120


def test_the_hours_of_every_printer_are_accounted_for(room: Room, pi: Pi) -> None:
    with room.store.writing() as db:
        db.conn.execute("UPDATE printer_spans SET since = ?", (in_seconds(-7200),))
    printed(room, pi, "finished")
    with room.store.reading() as db:
        found = statistics.utilisation(db, today(), ZoneInfo("UTC"))
    assert len(found) == 2
    for item in found:
        assert sum(item["states_s"].values()) == pytest.approx(7200, abs=5)
    assert {"busy", "idle"} & set(found[0]["states_s"])


@given(
    Moments, st.integers(0, 40 * 86_400), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo"])
)
def test_no_second_is_lost_between_days(first: datetime, lasts_s: int, name: str) -> None:
    begin = first.replace(tzinfo=UTC)
    parts = split_by_day(begin, begin + timedelta(seconds=lasts_s), ZoneInfo(name))
    assert sum(seconds for _, seconds in parts) == pytest.approx(lasts_s, abs=1e-3)
    assert all(0 < seconds <= 25 * 3600 for _, seconds in parts)
    assert len({day for day, _ in parts}) == len(parts)


@given(Moments, st.integers(0, 20 * 86_400))
def test_open_seconds_are_those_of_the_hours(first: datetime, lasts_s: int) -> None:
    begin = first.replace(tzinfo=UTC)
    end = begin + timedelta(seconds=lasts_s)
    assert hours.open_s(Hours(), begin, end) == pytest.approx(lasts_s, abs=1e-3)
    some = Hours("Europe/Berlin", {"monday": [["09:00", "17:00"]], "friday": [["12:00", "24:00"]]})
    rest = Hours("Europe/Berlin", {
        **{day: [["00:00", "24:00"]] for day in ("tuesday", "wednesday", "thursday", "saturday",
                                                 "sunday")},
        "monday": [["00:00", "09:00"], ["17:00", "24:00"]], "friday": [["00:00", "12:00"]],
    })  # fmt: skip
    together = hours.open_s(some, begin, end) + hours.open_s(rest, begin, end)
    assert together == pytest.approx(lasts_s, abs=1e-3)


@given(st.floats(1.0, 1e7))
def test_a_wait_is_counted_near_its_length(waited_s: float) -> None:
    assert wait_of(wait_class(waited_s)) == pytest.approx(waited_s, rel=0.1)


@pytest.mark.parametrize(
    "asked", [("x", "", ""), ("", "", "many"), ("2026-02-02", "2026-01-01", "")]
)
def test_a_period_that_is_none_is_refused(asked: tuple[str, str, str]) -> None:
    with pytest.raises(BadInput):
        statistics.period(*asked, date(2026, 11, 23))


def test_sums_over_many_members_equal_the_rows(room: Room, pi: Pi) -> None:
    rng = random.Random(7)
    for _ in range(6):
        printed(room, pi, rng.choice(["finished", "failed"]),
                member=rng.choice([room.ben, room.eve]))  # fmt: skip
    with room.store.reading() as db:
        whole = statistics.overview(db, today())
        single = [statistics.overview(db, today(), one.id) for one in (room.ben, room.eve)]
        text = "".join(history.as_csv(room.store, today()))
    for name in ("prints", "finished", "failed"):
        assert whole[name] == sum(one[name] for one in single)
    assert text.count("\r\n") == 7
