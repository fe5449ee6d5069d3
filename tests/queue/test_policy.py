"""The lab's rules: versions, who may change them, and what they do to the queue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.errors import BadInput, Conflict, NotAllowed, Stale
from fabcoord.members.roles import Member, Role
from fabcoord.queue import entitlements, forecast, limits, policy
from fabcoord.queue.policy import Limits, Policy, Reputation, parse
from fabcoord.queue.reputation import judge
from tests.queue.room import Pi, Room

ADMIN = Member("admin", "Grace", Role.ADMIN)


def rule(room: Room, **changes: Any) -> None:
    """Change the lab's policy."""
    with room.store.writing(durable=True) as db:
        policy.change(db, ADMIN, changes)


def test_each_change_is_a_version_with_its_author(room: Room) -> None:
    rule(room, approval="staff", weights={"age": 10.0})
    rule(room, weights={"due": 20.0})
    with room.store.reading() as db:
        version, found = policy.current(db)
        kept = policy.history(db)
    assert version == 2
    assert (found.approval, found.weights.age, found.weights.due) == ("staff", 10.0, 20.0)
    assert [(item["version"], item["actor"]) for item in kept] == [(2, "Grace"), (1, "Grace")]
    assert room.count_of("SELECT count(*) FROM events WHERE kind = 'policy.changed'") == 2


def test_only_admins_change_the_policy_and_nobody_over_another(room: Room) -> None:
    with pytest.raises(NotAllowed), room.store.writing() as db:
        policy.change(db, room.staff, {"approval": "staff"})
    rule(room, approval="staff")
    with pytest.raises(Stale), room.store.writing() as db:
        policy.change(db, ADMIN, {"approval": "none"}, version=0)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"approval": "perhaps"}, "approval"),
        ({"weights": {"age": "much"}}, "weights.age"),
        ({"weights": {"half_life_h": 0}}, "weights.half_life_h"),
        ({"weights": {"fair_share": float("nan")}}, "weights.fair_share"),
        ({"colour": "blue"}, "colour"),
        ({"member_limits": {"live_jobs": 1.5}}, "member_limits.live_jobs"),
        ({"member_limits": {"machine_h": {"fortnight": 3}}}, "member_limits.machine_h"),
        ({"hours": {"open": {"monday": [["18:00", "09:00"]]}}}, "hours.open"),
        ({"hours": {"open": {"moonday": []}}}, "hours.open"),
        ({"hours": {"open": {"monday": [["9"]]}}}, "hours.open"),
        ({"hours": {"timezone": "Mars/Olympus"}}, "hours.timezone"),
        ({"hours": {"timezone": "../../etc/passwd"}}, "hours.timezone"),
        ({"semester_starts": ["13-40"]}, "semester_starts"),
        ({"training": "prusa"}, "training"),
        ({"weights": None}, "weights."),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(document: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(document)
    assert field in caught.value.fields


@given(st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["approval", "hours", "open", "monday", "weights", "age",
                                       "quiet", "semester_starts"]), inner, max_size=4),
))  # fmt: skip
def test_any_document_is_a_policy_or_is_refused(document: Any) -> None:
    try:
        found = parse(document)
    except BadInput:
        return
    assert isinstance(found, Policy)


def test_who_is_over_a_limit_waits_and_reads_why_and_others_go_on(room: Room, pi: Pi) -> None:
    rule(room, member_limits={"live_jobs": 1})
    greedy = room.queued(copies=2)
    other = room.queued(member=room.eve)
    pi.sync()
    assert room.dispatch() == 2
    started = {row["job_id"] for row in room.table("SELECT job_id FROM attempts")}
    assert started == {greedy, other}
    third = room.queued()
    forecast.refresh(room.store, room.board)
    assert "may at once" in room.job(third)["reason"]


def test_a_member_may_not_fill_the_queue(room: Room) -> None:
    rule(room, member_limits={"queued_jobs": 2})
    room.ask()
    room.ask()
    with pytest.raises(Conflict, match="2 jobs are waiting"):
        room.ask()
    room.ask(member=room.eve)


def test_a_group_shares_its_limits(room: Room) -> None:
    with room.store.writing() as db:
        entitlements.save_group(db, ADMIN, "Course", {"queued_jobs": 1}, [room.ben.id, room.eve.id])
    room.ask(member=room.ben)
    with pytest.raises(Conflict):
        room.ask(member=room.eve)


def test_only_who_was_trained_prints_on_a_machine_that_needs_it(room: Room, pi: Pi) -> None:
    rule(room, training=["demo"])
    job_id = room.queued()
    pi.sync()
    assert room.dispatch() == 0
    forecast.refresh(room.store, room.board)
    assert "trained" in room.job(job_id)["reason"]
    with room.store.writing() as db:
        entitlements.train(db, room.staff, room.ben.id, "demo")
    assert room.dispatch() == 1


def test_a_job_that_wants_an_enclosure_gets_a_printer_that_has_one(room: Room, pi: Pi) -> None:
    from fabcoord.queue import printers

    job_id = room.queued(tags=["enclosed"])
    pi.sync()
    assert room.dispatch() == 0
    with room.store.writing() as db:
        printers.update(db, room.staff, room.printers[1], {"tags": ["enclosed"]}, None)
    assert room.dispatch() == 1
    assert room.open_attempt(room.printers[1])["job_id"] == job_id


def test_starts_are_spread_for_the_fuse(room: Room, pi: Pi) -> None:
    rule(room, fuse={"apart_s": 3600.0})
    room.queued(copies=2)
    pi.sync()
    assert room.dispatch() == 1
    assert room.dispatch() == 0


def test_with_a_good_history_short_jobs_need_nobody() -> None:
    asked = Reputation(finished=3, success_rate=0.6, longest_h=6.0)
    assert judge(asked, ["finished"] * 3, 2.0) is None
    assert "after 3" in str(judge(asked, ["finished"] * 2, 2.0))
    assert "failed" in str(judge(asked, ["finished"] * 3 + ["failed"] * 3, 2.0))
    assert "7.0 h" in str(judge(asked, ["finished"] * 9, 7.0))


def test_a_newcomers_job_is_reviewed_and_an_old_hands_is_not(room: Room, pi: Pi) -> None:
    rule(room, approval="reputation", reputation={"finished": 1})
    first = room.queued()
    assert room.job(first)["state"] == "awaiting_approval"
    room.do("approve", first)
    pi.sync()
    room.dispatch()
    pi.prints("transferring", "starting", "printing", "finished")
    assert room.job(room.queued())["state"] == "queued"


def test_periods_begin_by_the_clock_of_the_lab() -> None:
    rules = parse({"hours": {"timezone": "Europe/Berlin"}, "semester_starts": ["03-01", "09-01"]})
    at = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)  # a Wednesday
    starts = {name: limits.period_start(name, at, rules) for name in policy.PERIODS}
    assert {name: f"{start:%m-%d %H:%M}" for name, start in starts.items()} == {
        "day": "11-18 00:00", "week": "11-16 00:00", "month": "11-01 00:00",
        "semester": "09-01 00:00",
    }  # fmt: skip


def test_a_limit_is_told_in_words() -> None:
    used = {"week": limits.Used(machine_h=12.0)}
    assert limits.over(Limits(), 99, {}) is None
    assert limits.over(Limits(machine_h={"week": 20.0}), 0, used) is None
    assert "12.0 of 10 hours" in str(limits.over(Limits(machine_h={"week": 10.0}), 0, used))
