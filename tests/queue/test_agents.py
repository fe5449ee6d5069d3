"""Agents: how one is let in, and what the server believes of what it says."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from fabcoord.agent.messages import AgentEvent, SyncRequest
from fabcoord.errors import BadInput, Conflict, NotAllowed, NotFound, Superseded
from fabcoord.queue import agents

from .room import GCODE_SHA256, Pi, Room

SECRET = "s" * 40


def ask(room: Room, secret: str = SECRET, name: str = "Pi 2") -> dict[str, Any]:
    with room.store.writing() as db:
        return agents.ask_to_pair(db, secret, name)


def approve(room: Room, code: str) -> str:
    with room.store.writing() as db:
        return agents.approve_pairing(db, room.staff, code)


def by_token(room: Room, token: str) -> agents.Agent | None:
    with room.store.reading() as db:
        return agents.by_token(db, token)


def test_an_agent_shows_a_code_until_a_person_lets_it_in(room: Room) -> None:
    said = ask(room)
    assert re.fullmatch(r"[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}", said["code"])
    assert ask(room) == said, "the same code for the same agent"
    assert approve(room, f" {said['code'].lower()} ") == "Pi 2"
    given = ask(room)
    agent = by_token(room, given["token"])
    assert agent is not None
    assert agent.id == given["agent_id"]


def test_the_token_is_given_once(room: Room) -> None:
    approve(room, ask(room)["code"])
    assert "token" in ask(room)
    assert "token" not in ask(room)


def test_another_agent_cannot_fetch_the_token(room: Room) -> None:
    approve(room, ask(room)["code"])
    assert "token" not in ask(room, "t" * 40)


def test_a_wrong_or_old_code_lets_nobody_in(room: Room) -> None:
    code = ask(room)["code"]
    with pytest.raises(NotFound):
        approve(room, "0000-0000")
    with room.store.writing() as db:
        db.conn.execute("UPDATE pairings SET expires_at = '2000'")
    with pytest.raises(NotFound):
        approve(room, code)
    assert ask(room)["code"] != code


def test_only_who_manages_printers_lets_agents_in(room: Room) -> None:
    code = ask(room)["code"]
    with pytest.raises(NotAllowed), room.store.writing() as db:
        agents.approve_pairing(db, room.ben, code)


def test_not_everybody_may_wait_at_the_door(room: Room) -> None:
    for number in range(20):
        ask(room, f"{number:040}")
    with pytest.raises(Conflict):
        ask(room, "x" * 40)
    with pytest.raises(BadInput):
        ask(room, "short")


def test_a_revoked_agent_is_nobody_and_gets_no_work(room: Room, pi: Pi) -> None:
    with pytest.raises(NotAllowed), room.store.writing() as db:
        agents.revoke(db, room.ben, room.agent.id)
    with room.store.writing() as db:
        agents.revoke(db, room.staff, room.agent.id)
    assert by_token(room, room.agent_token) is None
    room.queued()
    assert room.dispatch() == 0
    with pytest.raises(NotFound), room.store.writing() as db:
        agents.revoke(db, room.staff, room.agent.id)


def test_an_agent_that_is_about_to_stop_gets_no_work(room: Room, pi: Pi) -> None:
    pi.sync(draining=True)
    room.queued()
    assert room.dispatch() == 0
    pi.sync(draining=False)
    assert room.dispatch() == 1


def test_the_newer_process_of_an_agent_is_heard_and_the_older_is_not(room: Room, pi: Pi) -> None:
    newer = Pi(room, "i2", "2026-02-01")
    newer.sync()
    with pytest.raises(Superseded):
        pi.sync()
    newer.sync()


def test_each_event_is_applied_once_and_in_order(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    (offer,) = pi.sync().offers
    pi.take(offer.attempt_id, offer.token)
    for kind in ("transferring", "printing", "paused", "printing"):
        pi.says(kind, offer.attempt_id)
    shuffled = tuple(pi.outbox[index] for index in (3, 0, 4, 1, 2, 0, 3))
    assert pi.send(pi.request(events=shuffled)).acked == 5
    assert pi.send(pi.request(events=shuffled[:2])).acked == 5
    kinds = room.table("SELECT kind FROM events WHERE attempt_id = ?", offer.attempt_id)
    assert [one["kind"].removeprefix("attempt.") for one in kinds] == [
        *("offered", "accepted", "transferring", "printing", "paused", "printing"),
    ]


def test_a_journal_that_skips_numbers_is_heard_and_what_came_before_is_not(
    room: Room, pi: Pi
) -> None:
    room.queued()
    room.dispatch()
    (offer,) = pi.sync().offers
    pi.take(offer.attempt_id, offer.token)
    (accepted,) = pi.outbox
    later = replace(accepted, seq=7)
    assert pi.send(pi.request(events=(later,))).acked == 7
    assert room.attempt(offer.attempt_id)["state"] == "accepted"
    old = replace(accepted, seq=6, kind="failed")
    assert pi.send(pi.request(events=(old,))).acked == 7
    assert room.attempt(offer.attempt_id)["state"] == "accepted"


def test_a_fresh_journal_counts_from_one_and_its_losses_become_doubts(room: Room, pi: Pi) -> None:
    room.queued(2)
    room.dispatch()
    first, second = pi.sync().offers
    pi.take(first.attempt_id, first.token)
    pi.sync()
    pi.epoch, pi.seq, pi.outbox, pi.held = "e2", 0, [], {}
    pi.take(second.attempt_id, second.token)
    assert pi.sync().acked == 1
    assert room.attempt(second.attempt_id)["state"] == "accepted"
    with room.store.writing() as db:
        db.conn.execute(
            "UPDATE attempts SET lease_until = '2000' WHERE id = ?", (first.attempt_id,)
        )
    pi.sync()
    room.leases_run_out()
    assert room.attempt(first.attempt_id)["state"] == "unknown"


def test_naming_an_attempt_renews_its_lease_with_the_right_token_only(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    attempt_id = pi.prints("printing")
    for token, renewed in (("stolen", False), (pi.held[attempt_id], True)):
        with room.store.writing() as db:
            db.conn.execute("UPDATE attempts SET lease_until = '2000'")
        pi.held[attempt_id] = token
        pi.send(pi.request())
        assert (room.attempt(attempt_id)["lease_until"] > "2001") is renewed


def test_an_agent_cannot_speak_of_the_attempts_of_another(room: Room, pi: Pi) -> None:
    job_id = room.queued()
    room.dispatch()
    attempt_id = pi.prints("printing")
    token = room.attempt(attempt_id)["token"]
    with room.store.writing() as db:
        stranger, _ = agents.register(db, "Stranger")
    mine, room.agent = room.agent, stranger
    other = Pi(room)
    other.held[attempt_id] = token
    other.says("finished", attempt_id, token)
    other.shows(room.printers[0], "printing", attempt_id, "fc.gcode")
    answer = other.sync()
    room.agent = mine
    assert answer.printers == ()
    assert [one.state for one in answer.attempts] == ["gone"]
    assert room.job(job_id)["state"] == "printing"
    with room.store.reading() as db:
        assert agents.has_gcode(db, mine, GCODE_SHA256)
        assert not agents.has_gcode(db, stranger, GCODE_SHA256)


def test_progress_is_kept_within_bounds_and_of_the_right_printer(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    attempt_id = pi.prints("printing")
    mine = room.attempt(attempt_id)["printer_id"]
    (other,) = (one for one in room.printers if one != mine)
    pi.shows(other, "printing", attempt_id, "fc.gcode")
    pi.sync()
    assert room.attempt(attempt_id)["progress"] == 0
    pi.shows(mine, "printing", attempt_id, "fc.gcode")
    pi.sync()
    assert room.attempt(attempt_id)["progress"] == 0.5


def test_gcode_is_only_for_who_must_print_it(room: Room, pi: Pi) -> None:
    with room.store.reading() as db:
        assert not agents.has_gcode(db, room.agent, GCODE_SHA256)
    room.queued()
    room.dispatch()
    pi.prints("printing", "finished")
    with room.store.reading() as db:
        assert not agents.has_gcode(db, room.agent, GCODE_SHA256)


def test_a_report_that_does_not_apply_is_noted_and_passed_over(room: Room, pi: Pi) -> None:
    room.queued()
    room.dispatch()
    attempt_id = pi.prints("printing", "finished")
    token = room.attempt(attempt_id)["token"]
    pi.says("failed", attempt_id, token)
    answer = pi.sync()
    assert answer.acked == pi.seq
    assert [one.state for one in answer.attempts] == ["finished"]
    assert room.count_of("SELECT count(*) FROM events WHERE kind = 'attempt.report_refused'") == 1


def test_another_protocol_is_refused_with_what_to_do(room: Room, pi: Pi) -> None:
    with pytest.raises(BadInput, match="same version of fabcoord"):
        pi.send(pi.request(protocol=2))


def test_a_decline_offers_the_copy_again(room: Room, pi: Pi) -> None:
    job_id = room.queued()
    room.dispatch()
    (offer,) = pi.sync().offers
    pi.says("declined", offer.attempt_id, offer.token)
    pi.sync()
    assert room.job(job_id)["state"] == "queued"
    assert room.dispatch() == 1
    assert pi.sync().offers[0].attempt_id != offer.attempt_id


def good() -> dict[str, Any]:
    said = SyncRequest(
        "i", "2026", "e", "1", events=(AgentEvent(1, "accepted", "a", "t", "2026"),)
    ).to_json()
    running = {"attempt_id": None, "file_name": "x", "progress": 0.5}
    told = {"printer_id": "p", "activity": "printing", "temperatures": {"bed": 60.0}}
    said["printers"] = [told | {"print": running}]
    said["live"] = [{"attempt_id": "a", "token": "t"}]
    said["commands_done"] = [{"command_id": "c", "ok": True}]
    return said


@pytest.mark.parametrize(
    ("part", "name", "wrong"),
    [
        ("events", "seq", "1"),
        ("events", "seq", 2**70),
        ("events", "reason", 7),
        ("events", "surprise", 1),
        ("live", "token", None),
        ("commands_done", "ok", "yes"),
        ("printers", "reason", ["a"]),
        ("printers", "temperatures", {"bed": "hot"}),
        ("printers", "temperatures", [60.0]),
        ("printers", "print", {"attempt_id": None, "file_name": "x", "progress": "half"}),
        (
            "printers",
            "print",
            {"attempt_id": None, "file_name": "x", "progress": 1, "layer": 2**70},
        ),
    ],
)
def test_a_sync_of_another_shape_is_refused_before_anything_is_done(
    part: str, name: str, wrong: object
) -> None:
    SyncRequest.from_json(good())
    said = good()
    said[part][0][name] = wrong
    with pytest.raises((TypeError, ValueError, KeyError)):
        SyncRequest.from_json(said)
