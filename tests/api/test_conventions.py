"""What all routes share: problems, versions, idempotency, pages of lists, hostile bodies."""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from fabcoord.api import idempotency
from fabcoord.lab import Lab
from fabcoord.store.database import Store

from .conftest import CUBE, Caller, form, left_behind

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def problem(answer: Any, status: int) -> dict[str, Any]:
    """The problem document of an answer with this status."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    document: dict[str, Any] = answer.json
    assert {"type", "title", "status", "detail"} <= set(document)
    assert document["status"] == status
    return document


# Problems


def test_what_is_not_there_is_a_problem_too(ben: Caller) -> None:
    for path in ("/nowhere", "/designs/nowhere", "/jobs/nowhere", "/files/nowhere/content"):
        problem(ben("GET", path), 404)
    answer = ben("PUT", "/designs")
    problem(answer, 405)
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) >= {"GET", "POST"}


def test_a_body_with_wrong_fields_names_each(ben: Caller) -> None:
    document = problem(ben("POST", "/jobs", json={"copies": "two", "surprise": 1}), 400)
    assert {one["field"] for one in document["errors"]} == {"copies", "surprise", "design_id"}


def test_a_defect_of_ours_tells_nothing_of_its_insides(
    app: Flask, ben: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret: hunter2")

    monkeypatch.setattr("fabcoord.designs.search.search", broken)
    assert "hunter2" not in json.dumps(problem(ben("GET", "/designs"), 500))


def test_a_busy_database_asks_to_come_again(ben: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("fabcoord.designs.search.search", locked)
    answer = ben("GET", "/designs")
    problem(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"design_id": NaN}',
        b'{"scale": 1e999, "design_id": "x"}',
        b'{"design_id": "\\ud800"}',
        b"[" * 100_000,
        b'{"design_id":' * 50_000,
        b"\xff\xfe{}",
        b"not json",
    ],
    ids=lambda raw: repr(raw[:30]),
)
def test_what_is_no_json_object_is_refused(ben: Caller, caller: Any, raw: bytes) -> None:
    kind = {"Content-Type": "application/json"}
    problem(ben("POST", "/jobs", data=raw, headers=kind), 400)
    problem(caller("")("POST", "/agents/pair", data=raw, headers=kind), 400)


def test_a_json_body_is_small_also_for_who_is_nobody(ben: Caller, caller: Any) -> None:
    raw = b'{"note": "' + b"x" * 1_000_001 + b'"}'
    for call, path in ((ben, "/jobs"), (caller(""), "/agents/pair")):
        answer = call("POST", path, data=raw, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413


def test_verbs_take_an_empty_body(staff: Caller) -> None:
    for body in ({"json": {}}, {"data": b""}, {}):
        problem(staff("POST", "/jobs/nowhere/cancel", **body), 404)


# Versions


def test_a_change_with_the_version_that_was_read_is_made_once(ben: Caller) -> None:
    path = f"/designs/{ben.design()['id']}"
    etag = ben("GET", path).headers["ETag"]
    changed = ben("PATCH", path, json={"title": "New"}, headers={"If-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag
    problem(ben("PATCH", path, json={"title": "Newer"}, headers={"If-Match": etag}), 412)
    assert ben("GET", path).json["title"] == "New"
    version = {"If-Match": f'"{changed.json["version"]}"'}
    assert ben("PATCH", path, json={"title": "Newest"}, headers=version).status_code == 200
    assert ben("PATCH", path, json={"title": "Any"}, headers={"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize("etag", ['"x"', "W/", '"-1"', "9" * 40, '""', "١"])
def test_a_version_that_never_was_is_stale(ben: Caller, etag: str) -> None:
    path = f"/designs/{ben.design()['id']}"
    headers = {"If-Match": etag.encode().decode("latin-1")}
    problem(ben("PATCH", path, json={"title": "New"}, headers=headers), 412)


def test_what_did_not_change_is_not_sent_again_and_what_did_is(lab: Lab, ben: Caller) -> None:
    design = ben.design()
    path = f"/designs/{design['id']}"
    etag = {"If-None-Match": ben("GET", path).headers["ETag"]}
    assert ben("GET", path, headers=etag).status_code == 304
    with lab.store.writing() as db:
        db.conn.execute("UPDATE checks SET state = 'done'")  # the design itself is as it was
    answer = ben("GET", path, headers=etag)
    assert answer.status_code == 200
    assert answer.json["revision"]["files"][0]["check"]["state"] == "done"


# Idempotency


def test_the_same_request_under_the_same_key_is_done_once(lab: Lab, ben: Caller) -> None:
    key = {"Idempotency-Key": "k1"}
    first = ben("POST", "/designs", data=form(title="Cube"), headers=key)
    again = ben("POST", "/designs", data=form(title="Cube"), headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json == again.json
    assert first.headers["Location"] == again.headers["Location"]
    assert len(ben("GET", "/designs").json["items"]) == 1
    assert len(left_behind(lab)) == 2, "one blob, one design"


def test_another_request_under_the_same_key_is_refused(ben: Caller) -> None:
    key = {"Idempotency-Key": "k1"}
    ben("POST", "/designs", data=form(title="Cube"), headers=key)
    for other in (form(title="Ball"), form(title="Cube", name="other.stl"),
                  form(title="Cube", data=CUBE[:80] + CUBE[80:-1] + b"\1")):  # fmt: skip
        problem(ben("POST", "/designs", data=other, headers=key), 422)


def test_keys_of_two_members_and_two_routes_are_different_keys(
    ben: Caller, caller: Callable[[str], Caller]
) -> None:
    key = {"Idempotency-Key": "k1"}
    design = ben("POST", "/designs", data=form(title="Cube"), headers=key).json
    assert caller("eve")("POST", "/designs", data=form(), headers=key).json["owner"] == "eve"
    fork = ben("POST", f"/designs/{design['id']}/fork", json={}, headers=key)
    assert fork.json["id"] != design["id"]


def test_a_request_that_was_refused_may_be_sent_again(ben: Caller) -> None:
    key = {"Idempotency-Key": "k1"}
    problem(ben("POST", "/designs", data=form(licence="no such"), headers=key), 400)
    assert ben("POST", "/designs", data=form(), headers=key).status_code == 201


def test_a_request_that_is_still_worked_on_is_not_begun_twice(
    ben: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    reserve = idempotency._reserve

    def hold_the_first(name: Any, body_hash: str) -> Any:
        known = reserve(name, body_hash)
        if not inside.is_set():
            inside.set()
            assert go_on.wait(20)
        return known

    path, key = f"/designs/{ben.design()['id']}/fork", {"Idempotency-Key": "k1"}
    monkeypatch.setattr(idempotency, "_reserve", hold_the_first)
    done: list[int] = []
    first = threading.Thread(
        target=lambda: done.append(ben("POST", path, json={}, headers=key).status_code)
    )
    first.start()
    assert inside.wait(20)
    problem(ben("POST", path, json={}, headers=key), 409)
    go_on.set()
    first.join(20)
    assert done == [201]
    assert ben("POST", path, json={}, headers=key).status_code == 201
    assert len(ben("GET", "/designs").json["items"]) == 2


def test_what_was_done_is_not_done_again_when_the_server_died_before_its_answer(
    lab: Lab, ben: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"Idempotency-Key": "k1"}

    def die(*_: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as dying:
        dying.setattr(idempotency, "_keep", die)
        problem(ben("POST", "/designs", data=form(title="Cube"), headers=key), 500)
    idempotency.forget_interrupted(lab.store)
    refused = ben("POST", "/designs", data=form(title="Cube"), headers=key)
    assert "carried out" in problem(refused, 409)["detail"]
    assert len(ben("GET", "/designs").json["items"]) == 1


def test_what_was_not_done_when_the_server_died_is_done_after_its_restart(
    lab: Lab, ben: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"Idempotency-Key": "k1"}
    monkeypatch.setattr(idempotency, "_forget", lambda name: None)  # as when it is killed
    problem(ben("POST", "/designs", data=form(licence="no such"), headers=key), 400)
    problem(ben("POST", "/designs", data=form(licence="no such"), headers=key), 409)
    idempotency.forget_interrupted(lab.store)
    problem(ben("POST", "/designs", data=form(licence="no such"), headers=key), 400)


def test_a_full_disk_is_said_and_changes_nothing(
    lab: Lab, ben: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    design, opened = ben.design(), Store._open

    def without_room(store: Store) -> Any:
        db = opened(store)
        db.conn.execute("PRAGMA max_page_count=1")  # SQLite then finds the disk full
        return db

    with monkeypatch.context() as full:
        full.setattr(Store, "_open", without_room)
        lab.store.close()
        fork = f"/designs/{design['id']}/fork"
        refused = [ben("POST", fork, json={}) for _ in range(40)]
        assert problem(refused[-1], 507)["title"] == "The lab's disk is full"
        lab.store.close()
    made = sum(answer.status_code == 201 for answer in refused)
    assert len(ben("GET", "/designs?limit=200").json["items"]) == 1 + made


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_has_a_sensible_length(ben: Caller, key: str) -> None:
    problem(ben("POST", "/designs", data=form(), headers={"Idempotency-Key": key}), 400)


# Pages of lists


def test_a_list_is_read_page_by_page_without_loss(ben: Caller) -> None:
    made = [ben.design(title=f"Cube & {number}")["id"] for number in range(5)]
    found, path = [], "/api/v1/designs?limit=2&q=cube+%26"
    while path:
        answer = ben("GET", path)
        found += [item["id"] for item in answer.json["items"]]
        link = answer.headers.get("Link", "")
        assert bool(link) == (answer.json["next"] is not None)
        path = link.partition("<")[2].partition(">")[0].partition("localhost")[2]
    assert sorted(found) == sorted(made)


def test_a_search_with_line_ends_and_signs_pages_on(ben: Caller) -> None:
    for number in range(3):
        ben.design(title=f"Cube {number}")
    answer = ben("GET", "/designs", query_string={"limit": 1, "q": 'cube\n"*', "tag": ""})
    assert answer.status_code == 200
    assert "\n" not in answer.headers.get("Link", "")


def encoded(position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


CURSORS = [
    *("x", "!!!!", "é", "AAAA", base64.urlsafe_b64encode(b"[" * 3000).decode()),
    *(encoded(value) for value in ({}, [1], None, 10**30, -(10**30), 1.5, "\ud800")),
]


@pytest.mark.parametrize("cursor", CURSORS, ids=lambda cursor: cursor[:20])
def test_a_cursor_that_is_not_ours_is_refused(ben: Caller, cursor: str) -> None:
    for path in ("/designs", "/jobs"):
        problem(ben("GET", path, query_string={"cursor": cursor}), 400)


def test_a_cursor_of_another_list_reads_nothing_it_should_not(ben: Caller) -> None:
    ben.design()
    problem(ben("GET", "/designs", query_string={"cursor": encoded("2026")}), 400)
    assert ben("GET", "/jobs", query_string={"cursor": encoded(1)}).json["items"] == []


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", "", "1e2"])
def test_a_limit_out_of_range_is_refused(ben: Caller, limit: str) -> None:
    problem(ben("GET", "/designs", query_string={"limit": limit}), 400)


def test_a_state_that_does_not_exist_is_refused(ben: Caller) -> None:
    problem(ben("GET", "/jobs?state=printed"), 400)
    assert ben("GET", "/jobs?state=queued,printing").json["items"] == []


# The document


def test_the_document_describes_every_route(app: Flask, caller: Any) -> None:
    document = caller("")("GET", "/openapi.json").json
    assert document["openapi"] == "3.1.0"
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    registered = {
        (method, rule.rule.replace("<int:", "<").replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        if hasattr(app.view_functions[rule.endpoint], "documented")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == registered
    schemas = document["components"]["schemas"]
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["responses"]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body:
                assert body["schema"]["$ref"].rpartition("/")[2] in schemas
    assert caller("")("GET", "/api/docs").status_code == 200
