"""Who may see a design is one rule, and no route, list, event or job gets around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from flask import Flask

from fabcoord.designs import visibility
from fabcoord.designs.visibility import Visibility
from fabcoord.members.roles import Member, Role
from fabcoord.store import events
from tests.api.conftest import Caller, app, ben, caller, lab  # noqa: F401

BEN = Member("b", "Ben", Role.MEMBER)
EVE = Member("e", "Eve", Role.MEMBER)
SUE = Member("s", "Sue", Role.STAFF)
KIOSK = Member("k", "Kiosk", Role.KIOSK)
SECRET = "unmistakable-secret-title"
_GUARDED = ("design_id", "file_id", "picture_id", "comment_id", "make_id", "collection_id")


@pytest.mark.parametrize(
    ("seen_by", "hidden", "who"),
    [
        (Visibility.PRIVATE, False, "Ben Sue"),
        (Visibility.LAB, False, "Ben Eve Sue Kiosk"),
        (Visibility.PUBLIC, False, "Ben Eve Sue Kiosk nobody"),
        (Visibility.PUBLIC, True, "Ben Sue"),
    ],
)
def test_the_rule(seen_by: Visibility, hidden: bool, who: str) -> None:
    design = {"owner_id": "b", "visibility": seen_by, "hidden_at": "now" if hidden else None}
    everybody = {"Ben": BEN, "Eve": EVE, "Sue": SUE, "Kiosk": KIOSK, "nobody": None}
    seeing = [name for name, one in everybody.items() if visibility.may_see(one, design)]
    assert seeing == who.split()


@pytest.fixture
def secret(ben: Caller) -> dict[str, str]:  # noqa: F811
    """A private design of Ben's, with one of everything that belongs to it, by route argument."""
    design = ben.design(title=SECRET, visibility="private")
    place = f"/designs/{design['id']}"
    made = ben("POST", f"{place}/makes", json={"machine": "x", "outcome": "good"}).json
    said = ben("POST", f"{place}/comments", json={"text": SECRET}).json
    png = b"\x89PNG\r\n\x1a\n" + bytes(20)
    shown = ben("POST", f"{place}/pictures", data={"picture": (BytesIO(png), "a.png")}).json
    shelf = ben("POST", "/collections", json={"title": SECRET, "visibility": "private"}).json
    ben("POST", f"/collections/{shelf['id']}/designs", json={"design_id": design["id"]})
    return {
        "design_id": design["id"],
        "file_id": design["revision"]["files"][0]["id"],
        "picture_id": shown["id"],
        "comment_id": said["id"],
        "make_id": made["id"],
        "collection_id": shelf["id"],
    }


def routes_about(app: Flask, secret: dict[str, str]) -> Iterator[tuple[str, str]]:  # noqa: F811
    """Every route, of API and pages, whose path names a design or a part of one."""
    for rule in app.url_map.iter_rules():
        if not set(rule.arguments) & set(_GUARDED):
            continue
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", secret.get(name, "1"))
            path = path.replace(f"<path:{name}>", "1").replace(f"<int:{name}>", "1")
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            yield method, path


@pytest.mark.parametrize("who", ["eve", "kiosk"])
def test_no_route_shows_or_changes_what_may_not_be_seen(
    app: Flask,  # noqa: F811
    caller: Callable[[str], Caller],  # noqa: F811
    secret: dict[str, str],
    who: str,
) -> None:
    other = caller(who)
    tried = list(routes_about(app, secret))
    assert len(tried) > 40
    for method, path in tried:
        token = {"Authorization": f"Bearer {other.token}"}
        answer = other.client.open(path, method=method, headers=token)
        refused = (404,) if who == "eve" else (403, 404)
        assert answer.status_code in refused, (method, path, answer.status_code)
        assert SECRET not in answer.text, (method, path)


def test_no_list_no_search_and_no_body_gets_around_it(
    caller: Callable[[str], Caller],  # noqa: F811
    secret: dict[str, str],
) -> None:
    eve = caller("eve")
    design_id, file_id = secret["design_id"], secret["file_id"]
    for path in (
        *("/designs", f"/designs?q={SECRET}", "/designs?owner=ben", "/collections"),
        *(f"/collections?design={design_id}", "/designs/facets", f"/designs/facets?q={SECRET}"),
        *("/tags", "/jobs", "/designs?format=stl"),
    ):
        answer = eve("GET", path)
        assert answer.status_code == 200, path
        assert SECRET not in answer.text, path
        assert design_id not in answer.text, path
    assert eve("GET", "/designs/facets").json["total"] == 0
    shelf = eve("POST", "/collections", json={"title": "Mine"}).json["id"]
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/jobs", {"design_id": design_id}),
        ("/estimates", {"file_id": file_id}),
        (f"/collections/{shelf}/designs", {"design_id": design_id}),
        ("/reports", {"kind": "design", "id": design_id, "reason": "x"}),
        ("/reports", {"kind": "comment", "id": secret["comment_id"], "reason": "x"}),
        ("/reports", {"kind": "collection", "id": secret["collection_id"], "reason": "x"}),
    ]
    for path, body in asked:
        answer = eve("POST", path, json=body)
        assert answer.status_code == 404, (path, answer.text)


def test_a_job_for_it_is_in_the_queue_without_its_title(
    caller: Callable[[str], Caller],  # noqa: F811
    ben: Caller,  # noqa: F811
    secret: dict[str, str],
) -> None:
    asked = {"design_id": secret["design_id"], "note": SECRET}
    job = ben("POST", "/jobs", json=asked).json
    assert job["title"] == SECRET
    for path in ("/jobs", f"/jobs/{job['id']}"):
        seen = caller("eve")("GET", path)
        assert SECRET not in seen.text
        assert secret["design_id"] not in seen.text
        assert "A private design" in seen.text
    assert SECRET in ben("GET", f"/jobs/{job['id']}").text
    assert SECRET in caller("staff")("GET", f"/jobs/{job['id']}").text


def test_no_event_tells_of_it(
    lab: Any,  # noqa: F811
    caller: Callable[[str], Caller],  # noqa: F811
    secret: dict[str, str],
) -> None:
    caller("eve")
    with lab.store.reading() as db:
        from fabcoord.members import accounts

        eve, owner = accounts.by_name(db, "eve"), accounts.by_name(db, "ben")
        assert eve is not None
        assert owner is not None
        told = events.since(db, 0)
        about = [
            one for one in told
            if secret["design_id"] in str(one.data) or secret["collection_id"] in str(one.data)
        ]  # fmt: skip
        assert len(about) >= 6
        assert not any(visibility.may_see_event(db, eve, one.kind, one.data) for one in about)
        assert all(visibility.may_see_event(db, owner, one.kind, one.data) for one in about)
