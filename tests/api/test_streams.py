"""Waiting for news: events in order, replayed after a break, and never with every thread."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from fabcoord.lab import Lab
from fabcoord.store.events import emit, last_seq

from .conftest import Caller
from .test_conventions import problem


@pytest.fixture
def opened(ben: Caller) -> Iterator[Callable[..., TestResponse]]:
    """Opens streams; all are closed after the test."""
    streams: list[TestResponse] = []

    def open_stream(query: str = "", **headers: str) -> TestResponse:
        answer = ben("GET", f"/events{query}", headers={
            name.replace("_", "-"): text for name, text in headers.items()
        })  # fmt: skip
        streams.append(answer)
        return answer

    yield open_stream
    for stream in streams:
        stream.close()


def next_events(stream: TestResponse, count: int) -> list[dict[str, Any]]:
    """The next events of a stream."""
    found: list[dict[str, Any]] = []
    for part in stream.response:
        lines = part.decode().splitlines()
        found += [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        if len(found) >= count:
            break
    return found


def tell(lab: Lab, kind: str, **about: str) -> int:
    with lab.store.writing() as db:
        emit(db, kind, **about)
        return last_seq(db)


def test_a_stream_brings_what_happens_from_now_on(lab: Lab, opened: Any) -> None:
    stream = opened()
    assert stream.mimetype == "text/event-stream"
    assert stream.headers["Cache-Control"] == "no-store"
    assert next(iter(stream.response)).startswith(b"retry: ")
    seq = tell(lab, "job.queued", job_id="j1")
    (event,) = next_events(stream, 1)
    assert (event["seq"], event["kind"], event["job_id"]) == (seq, "job.queued", "j1")


def test_after_a_break_nothing_is_missed(lab: Lab, opened: Any) -> None:
    seen = tell(lab, "job.queued", job_id="j1")
    missed = [tell(lab, "job.printing", job_id="j1"), tell(lab, "job.failed", job_id="j2")]
    again = opened(Last_Event_ID=str(seen))
    assert [event["seq"] for event in next_events(again, 2)] == missed
    asked = opened(f"?after={seen}&job=j2")
    assert [event["seq"] for event in next_events(asked, 1)] == missed[1:]


def test_a_number_that_is_yet_to_come_does_not_hide_what_comes(lab: Lab, opened: Any) -> None:
    stream = opened(Last_Event_ID=str(10**30))
    next(iter(stream.response))
    seq = tell(lab, "job.queued")
    assert [event["seq"] for event in next_events(stream, 1)] == [seq]


def test_a_number_that_is_none_is_refused(ben: Caller) -> None:
    problem(ben("GET", "/events", headers={"Last-Event-ID": "x"}), 400)


def test_more_streams_than_places_are_sent_away_to_come_again(ben: Caller, opened: Any) -> None:
    first, _second = opened(), opened()
    answer = ben("GET", "/events")
    problem(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    first.close()
    assert opened().status_code == 200


def test_who_only_asks_for_the_headers_takes_no_place(ben: Caller, opened: Any) -> None:
    for _ in range(5):
        assert ben("HEAD", "/events").status_code == 200
    unread = opened()
    unread.close()  # before a single byte was read
    assert opened().status_code == 200
    assert opened().status_code == 200


def test_a_server_that_stops_ends_its_streams(lab: Lab, opened: Any) -> None:
    stream = opened()
    lab.store.hub.close()
    assert len(list(stream.response)) <= 1


@pytest.fixture
def agent(app: Flask, caller: Callable[[str], Caller]) -> tuple[Caller, str]:
    call = caller("agent")
    agent_id = caller("staff")("GET", "/agents").json["items"][0]["id"]
    return call, agent_id


def test_an_agent_is_woken_by_what_concerns_it_and_else_waits_its_time(
    lab: Lab, agent: tuple[Caller, str]
) -> None:
    call, agent_id = agent
    before = tell(lab, "attempt.offered", agent_id="another")
    quiet = call("GET", f"/agents/{agent_id}/wake?after={before}&wait=0.01")
    assert quiet.json == {"seq": before}
    seq = tell(lab, "attempt.offered", agent_id=agent_id)
    assert call("GET", f"/agents/{agent_id}/wake?after={before}").json == {"seq": seq}
    assert call("GET", f"/agents/{agent_id}/wake?after={10**30}").json == {"seq": seq}


@pytest.mark.parametrize("query", ["after=x", "wait=x", "after=1.5"])
def test_an_agent_that_waits_for_nonsense_is_refused(agent: tuple[Caller, str], query: str) -> None:
    call, agent_id = agent
    problem(call("GET", f"/agents/{agent_id}/wake?{query}"), 400)


def test_an_agent_takes_a_place_while_it_waits(
    lab: Lab, agent: tuple[Caller, str], opened: Any
) -> None:
    call, agent_id = agent
    opened()
    opened()
    problem(call("GET", f"/agents/{agent_id}/wake"), 503)
