"""Who may do what: every route states what it needs, and the guard keeps it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from fabcoord.api.access import SESSION_COOKIE, Access, needed_by
from fabcoord.lab import Lab
from fabcoord.members import accounts
from fabcoord.members.roles import GRANTS, Permission, Role

from .conftest import CUBE, Caller, form, left_behind

ROLES = {"kiosk": Role.KIOSK, "ben": Role.MEMBER, "staff": Role.STAFF, "admin": Role.ADMIN}
OPEN_ON_PURPOSE = {"/healthz", "/api/v1/openapi.json", "/api/docs", "/api/v1/agents/pair"}


def routes(app: Flask) -> list[tuple[str, str, object]]:
    """Method, path and need of every route of the API, with made-up ids in the path."""
    found: list[tuple[str, str, object]] = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("pages_"):
            continue
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", "nowhere").replace(f"<int:{name}>", "1")
        needed = needed_by(app, rule.endpoint)
        found += [(method, path, needed) for method in rule.methods - {"HEAD", "OPTIONS"}]
    return found


def test_every_route_states_what_it_needs(app: Flask) -> None:
    silent = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if not isinstance(needed_by(app, rule.endpoint), Permission | Access)
    ]
    assert silent == []


def test_only_what_is_open_on_purpose_is_open(app: Flask) -> None:
    opened = {path for _, path, needed in routes(app) if needed is Access.OPEN}
    assert opened == OPEN_ON_PURPOSE


def test_a_route_that_states_nothing_cannot_be_reached(
    app: Flask, caller: Callable[[str], Caller]
) -> None:
    app.add_url_rule("/api/v1/forgotten", view_func=lambda: "secret", endpoint="forgotten")
    answer = caller("admin")("GET", "/forgotten")
    assert answer.status_code == 403
    assert "secret" not in answer.text


@pytest.mark.parametrize("who", ["", "kiosk", "ben", "staff", "admin", "agent"])
def test_each_role_reaches_exactly_what_it_is_granted(
    app: Flask, caller: Callable[[str], Caller], who: str
) -> None:
    call = caller(who)
    for method, path, needed in routes(app):
        if path == "/api/v1/events":
            continue  # would be held open
        status = call(method, path).status_code
        if needed is Access.OPEN:
            allowed = status < 401 or status == 404
        elif needed is Access.AGENT:
            # An agent that speaks for another is known, and refused for that.
            allowed = (status == 403) if who == "agent" else False
            assert who == "agent" or status == 401, (method, path, status)
        elif who == "" and needed is Permission.BROWSE:
            # Whoever has no account reads lists of what is public, and learns nothing of the rest.
            assert status == (401 if "nowhere" in path else 200), (method, path, status)
            assert method == "GET", path
            continue
        elif who in ("", "agent"):
            assert status == 401, (method, path, status)
            continue
        else:
            granted = needed in GRANTS[ROLES[who]]
            allowed = status not in (401, 403)
            assert allowed == granted, (method, path, who, status)
            continue
        assert allowed or who != "agent", (method, path, status)


def test_health_is_open_and_figures_are_not(caller: Callable[[str], Caller]) -> None:
    nobody = caller("")
    assert nobody("GET", "/healthz").json["status"] == "ok"
    assert nobody("GET", "/metrics").status_code == 401
    assert "fabcoord_jobs" in caller("ben")("GET", "/metrics").text


def test_a_refusal_says_how_to_sign_in(caller: Callable[[str], Caller]) -> None:
    answer = caller("")("GET", "/jobs")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.mimetype == "application/problem+json"
    assert answer.json["type"].endswith("/not-signed-in")


def test_a_token_may_come_as_an_api_key(caller: Callable[[str], Caller]) -> None:
    token = caller("ben").token
    nobody = caller("")
    assert nobody("GET", "/jobs", headers={"X-Api-Key": token}).status_code == 200
    assert nobody("GET", "/designs", headers={"X-Api-Key": ""}).status_code == 401
    assert nobody("GET", "/designs", headers={"X-Api-Key": token + "x"}).status_code == 401


@pytest.fixture
def session(lab: Lab, caller: Callable[[str], Caller]) -> tuple[dict[str, str], str]:
    """The cookie header of a signed-in member, and the session's CSRF token."""
    caller("ben")
    with lab.store.writing() as db:
        member = accounts.by_name(db, "ben")
        assert member is not None
        secret, opened = accounts.open_session(db, member)
    return {"Cookie": f"{SESSION_COOKIE}={secret}"}, opened.csrf


def test_a_page_session_reads_and_changes_only_with_its_csrf_token(
    lab: Lab, session: tuple[dict[str, str], str], caller: Callable[[str], Caller]
) -> None:
    cookie, csrf = session
    nobody = caller("")
    assert nobody("GET", "/designs", headers=cookie).status_code == 200
    for wrong in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": csrf + "x"}):
        assert nobody("POST", "/designs", headers=cookie | wrong, data=form()).status_code == 403
    assert left_behind(lab) == []
    right = cookie | {"X-CSRF-Token": csrf}
    assert nobody("POST", "/designs", headers=right, data=form()).status_code == 201
    assert nobody("POST", "/designs", headers=cookie, data=form(csrf=csrf)).status_code == 201


def test_a_wrong_token_never_falls_back_to_the_session(
    lab: Lab, session: tuple[dict[str, str], str], caller: Callable[[str], Caller]
) -> None:
    cookie, csrf = session
    nobody = caller("")
    for wrong in ({"Authorization": "Bearer made-up"}, {"X-Api-Key": "made-up"}):
        headers = cookie | {"X-CSRF-Token": csrf} | wrong
        assert nobody("GET", "/designs", headers=headers).status_code == 401
        assert nobody("POST", "/designs", headers=headers, data=form()).status_code == 401
    assert left_behind(lab) == []


def test_a_cookie_of_nobody_is_nobody(caller: Callable[[str], Caller]) -> None:
    for secret in ("", "made-up", "\x01\xff", "a" * 5000):
        headers = {"Cookie": f"{SESSION_COOKIE}={secret}"}
        assert caller("")("GET", "/jobs", headers=headers).status_code == 401


def test_an_agent_is_no_member_and_a_member_is_no_agent(
    lab: Lab, caller: Callable[[str], Caller]
) -> None:
    agent, admin = caller("agent"), caller("admin")
    assert agent("GET", "/designs").status_code == 401
    agent_id = admin("GET", "/agents").json["items"][0]["id"]
    assert admin("POST", f"/agents/{agent_id}/sync", json={}).status_code == 401
    assert agent("POST", "/agents/another/sync", json={}).status_code == 403


def test_members_change_only_their_own_designs(caller: Callable[[str], Caller]) -> None:
    ben, eve, staff = caller("ben"), caller("eve"), caller("staff")
    design = ben.design(title="Cube")
    path = f"/designs/{design['id']}"
    for answer in (
        eve("PATCH", path, json={"title": "Mine"}),
        eve("DELETE", path),
        eve("POST", f"{path}/revisions", data=form(licence=[])),
    ):
        assert answer.status_code == 403
    fork = eve("POST", f"{path}/fork", json={})
    assert fork.status_code == 201
    assert (fork.json["owner"], fork.json["forked_from"]) == ("eve", design["id"])
    assert fork.json["attribution"] == "Cube by ben"
    assert staff("PATCH", path, json={"title": "Cube, 20 mm"}).json["title"] == "Cube, 20 mm"
    assert ben("DELETE", path).status_code == 204
    assert ben("GET", path).status_code == 404


def test_answers_may_not_be_framed_sniffed_or_kept(caller: Callable[[str], Caller]) -> None:
    headers = caller("ben")("GET", "/designs").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["Cache-Control"] == "no-store"
    assert "object-src 'none'" in headers["Content-Security-Policy"]
    assert CUBE
