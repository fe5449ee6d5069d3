"""What whoever has no account may read: public designs, and nothing else of the lab."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from fabcoord.api.access import needed_by
from fabcoord.api.visitors import Buckets
from fabcoord.app import create_app
from fabcoord.errors import OverQuota
from fabcoord.lab import Lab
from fabcoord.members.roles import Permission

from .conftest import Caller

SECRET = "Winter coat hook"
_BELOW_DESIGN = {"design_id", "file_id", "picture_id", "comment_id", "make_id", "number"}


def _in_library(lab: Lab, call: Caller, other: Caller, visibility: str) -> dict[str, str]:
    """A design with a comment, a print, words and a picture; ids by the names of routes."""
    design = call.design(title=f"{SECRET} {visibility}", visibility=visibility)
    at = f"/designs/{design['id']}"
    file_id = design["revision"]["files"][0]["id"]
    if visibility == "private":
        other = call  # nobody else finds it
    made = {"revision": 1, "machine": "mk3s", "material": "PLA", "outcome": "good"}
    words = {"text": "# How\n", "version": 0}
    assert call("PUT", f"{at}/documentation", json=words).status_code == 200
    comment = other("POST", f"{at}/comments", json={"text": f"{SECRET} is fine"})
    make = other("POST", f"{at}/makes", json=made)
    picture = call("POST", f"{at}/pictures", data=form_picture())
    for answer in (comment, make, picture):
        assert answer.status_code == 201, answer.text
    return {
        "design_id": design["id"], "file_id": file_id, "comment_id": comment.json["id"],
        "make_id": make.json["id"], "picture_id": picture.json["id"], "number": "1",
    }  # fmt: skip


def form_picture() -> dict[str, Any]:
    from io import BytesIO

    from PIL import Image

    data = BytesIO()
    Image.new("RGB", (8, 8), "red").save(data, "PNG")
    return {"picture": (BytesIO(data.getvalue()), "photo.png")}


def _reads(app: Flask, ids: dict[str, str], nobody: Caller) -> dict[str, int]:
    """The status of every route that reads something of these ids, by its rule."""
    found = {}
    for rule in app.url_map.iter_rules():
        if "GET" not in rule.methods or not rule.arguments or rule.arguments - _BELOW_DESIGN:
            continue
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", ids[name])
        found[rule.rule] = nobody.client.get(path).status_code
    return found


def test_a_public_design_is_read_without_account_and_others_are_not(
    app: Flask, lab: Lab, caller: Callable[[str], Caller]
) -> None:
    ann, ben, nobody = caller("staff"), caller("ben"), caller("")
    public = _in_library(lab, ann, ben, "public")
    opened = _reads(app, public, nobody)
    browsed = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if needed_by(app, rule.endpoint) is Permission.BROWSE and rule.rule in opened
    }
    assert len(browsed) > 25
    for rule, status in opened.items():
        # 404: what the worker has yet to make, a picture for example.
        assert (status in (200, 202, 404)) == (rule in browsed), (rule, status)
    ready = {rule for rule, status in opened.items() if status == 200}
    for part in ("", "/comments", "/makes", "/documentation", "/okh.toml", "/bundle", "/compare"):
        if part != "/compare":
            assert f"/api/v1/designs/<design_id>{part}" in ready, part
    assert {"/designs/<design_id>", "/files/<file_id>/view"} <= ready
    for visibility in ("lab", "private"):
        closed = _reads(app, _in_library(lab, ann, ben, visibility), nobody)
        assert {rule: status for rule, status in closed.items() if status not in (401, 303)} == {}


def test_lists_and_their_counts_hold_what_is_public_only(
    lab: Lab, caller: Callable[[str], Caller]
) -> None:
    ann, nobody = caller("staff"), caller("")
    for visibility in ("public", "lab", "private"):
        ann.design(title=f"{SECRET} {visibility}", visibility=visibility, tags=[visibility])
    for query in ("", "?q=winter", "?q=winter&licence=CC0-1.0"):
        listed = nobody("GET", f"/designs{query}").json["items"]
        assert [one["title"] for one in listed] == [f"{SECRET} public"], query
        counted = nobody("GET", f"/designs/facets{query}").json
        assert counted["total"] == 1
        assert [one["value"] for one in counted["facets"]["tag"]] == ["public"]
        assert "private" not in nobody("GET", f"/designs{query}").text
    page = nobody.client.get("/designs").text
    assert f"{SECRET} public" in page
    assert f"{SECRET} lab" not in page
    assert nobody("GET", "/designs?tag=lab").json["items"] == []


def test_nobody_but_the_owner_is_named(
    app: Flask, lab: Lab, caller: Callable[[str], Caller]
) -> None:
    ann, ben, nobody = caller("staff"), caller("ben"), caller("")
    owner = ann.design()["owner"]
    ids = _in_library(lab, ann, ben, "public")
    with lab.store.reading() as db:
        names = [name for (name,) in db.conn.execute("SELECT name FROM members")]
    others = [name for name in names if name != owner]
    assert len(others) > 0
    for rule in app.url_map.iter_rules():
        if needed_by(app, rule.endpoint) is not Permission.BROWSE:
            continue
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", ids[name])
        told = nobody.client.get(path)
        assert told.status_code in (200, 202, 404), path
        if told.mimetype.startswith(("text/", "application/json", "application/toml")):
            assert [name for name in others if f">{name}<" in told.text] == [], path
            assert [name for name in others if f'"{name}"' in told.text] == [], path
            assert [name for name in others if f"{name}, " in told.text] == [], path
    comments = nobody("GET", f"/designs/{ids['design_id']}/comments").json["items"]
    assert [one["author"] for one in comments] == ["A member of this lab"]
    assert nobody("GET", f"/designs/{ids['design_id']}").json["revision"]["author"] == owner


def test_what_was_removed_or_hidden_is_closed(lab: Lab, caller: Callable[[str], Caller]) -> None:
    ann, nobody = caller("staff"), caller("")
    design = ann.design(visibility="public")
    content = f"/files/{design['revision']['files'][0]['id']}/content"
    assert nobody("GET", content).status_code == 200
    assert ann("DELETE", f"/designs/{design['id']}").status_code == 204
    assert nobody("GET", content).status_code == 401


def test_writing_needs_an_account(app: Flask, lab: Lab, caller: Callable[[str], Caller]) -> None:
    ids = _in_library(lab, caller("staff"), caller("ben"), "public")
    nobody = caller("")
    for rule in app.url_map.iter_rules():
        for method in rule.methods - {"GET", "HEAD", "OPTIONS"}:
            assert needed_by(app, rule.endpoint) is not Permission.BROWSE, rule
            if rule.arguments and not rule.arguments - _BELOW_DESIGN:
                path = rule.rule
                for name in rule.arguments:
                    path = path.replace(f"<{name}>", ids[name])
                status = nobody.client.open(path, method=method, json={}).status_code
                assert status in (401, 303), (method, path, status)


def test_a_lab_may_close_its_library(lab: Lab, caller: Callable[[str], Caller]) -> None:
    design = caller("staff").design(visibility="public")
    settings = replace(lab.settings, public_library=False)
    client = create_app(settings, replace(lab, settings=settings)).test_client()
    assert client.get("/api/v1/designs").status_code == 401
    assert client.get(f"/api/v1/designs/{design['id']}").status_code == 401
    assert client.get("/designs").headers["Location"].startswith("/sign-in")


def test_a_visitor_who_asks_for_too_much_is_asked_to_wait() -> None:
    now = [0.0]
    buckets = Buckets(most=3, per_s=1, clock=lambda: now[0])
    for _ in range(3):
        buckets.take("192.0.2.1")
    with pytest.raises(OverQuota, match="without an account"):
        buckets.take("192.0.2.1")
    buckets.take("192.0.2.2")  # somebody else
    now[0] = 1.0
    buckets.take("192.0.2.1")
    for number in range(14):  # all together
        buckets.take(f"2001:db8:0:{number}::1")
    with pytest.raises(OverQuota):
        buckets.take("2001:db8:1::1")


def test_addresses_of_one_network_share_a_bucket() -> None:
    buckets = Buckets(most=1, per_s=0, clock=lambda: 0.0)
    buckets.take("2001:db8::1")
    with pytest.raises(OverQuota):
        buckets.take("2001:db8::2")


def test_an_account_is_not_slowed_down_by_visitors(
    app: Flask, lab: Lab, caller: Callable[[str], Caller]
) -> None:
    app.extensions["fabcoord.visitors"] = Buckets(most=0, per_s=0)
    assert caller("")("GET", "/designs").status_code == 429
    assert caller("ben")("GET", "/designs").status_code == 200
