"""Releasing a print with a badge at the kiosk: who may, how often, and what it says of plates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fabcoord.lab import Lab
from fabcoord.members import accounts
from fabcoord.store.database import rows, value

from .conftest import Caller
from .test_conventions import problem

Call = Callable[[str], Caller]


@pytest.fixture
def lab_with_badges(caller: Call) -> dict[str, str]:
    """The rules want a badge; Ben has one. The ids of the members."""
    admin = caller("admin")
    for who in ("ben", "eve", "kiosk"):
        caller(who)
    assert admin("PATCH", "/policy", json={"changes": {"release": "badge"}}).status_code == 200
    return {}


def id_of(lab: Lab, name: str) -> str:
    with lab.store.reading() as db:
        found = accounts.by_name(db, name)
    assert found is not None
    return found.id


@pytest.fixture
def held(lab: Lab, caller: Call, lab_with_badges: object) -> str:
    """A job of Ben's that waits to be released, and his badge 0004A1B2."""
    given = caller("admin")(
        "POST", f"/members/{id_of(lab, 'ben')}/badges", json={"badge": "0004A1B2", "label": "blue"}
    )
    assert given.status_code == 201
    assert [one["label"] for one in given.json["items"]] == ["blue"]
    ben = caller("ben")
    design = ben.design(title="Cube")
    job = ben("POST", "/jobs", json={"design_id": design["id"]}).json
    assert ben("POST", f"/jobs/{job['id']}/hold", json={}).status_code == 200
    return str(job["id"])


def show(kiosk: Caller, badge: str = "4a1b2", **more: Any) -> Any:
    return kiosk("POST", "/badges/present", json={"badge": badge, **more})


def test_a_badge_shows_its_member_what_waits_and_lets_it_go(
    lab: Lab, caller: Call, held: str
) -> None:
    kiosk = caller("kiosk")
    there = show(kiosk).json
    assert there["member"] == "ben"
    assert [job["id"] for job in there["jobs"]] == [held]
    gone = kiosk("POST", "/badges/release", json={"presence": there["presence"], "job_id": held})
    assert gone.status_code == 200
    assert gone.json["released"]["state"] == "checking"
    assert gone.json["jobs"] == []
    with lab.store.reading() as db:
        assert value(db, "SELECT request ->> '$.released' FROM jobs") == 1


def test_a_member_does_not_release_from_elsewhere_and_staff_do(caller: Call, held: str) -> None:
    refused = problem(caller("ben")("POST", f"/jobs/{held}/release", json={}), 403)
    assert "badge" in refused["detail"]
    assert caller("staff")("POST", f"/jobs/{held}/release", json={}).status_code == 200


def test_only_ones_own_jobs_and_only_at_that_screen(caller: Call, held: str) -> None:
    kiosk = caller("kiosk")
    presence = show(kiosk).json["presence"]
    eve = caller("eve")
    design = eve.design(title="Other")
    other = eve("POST", "/jobs", json={"design_id": design["id"]}).json["id"]
    eve("POST", f"/jobs/{other}/hold", json={})
    body = {"presence": presence, "job_id": other}
    problem(kiosk("POST", "/badges/release", json=body), 404)
    problem(eve("POST", "/badges/release", json={"presence": presence, "job_id": held}), 403)
    problem(kiosk("POST", "/badges/release", json={"presence": "x", "job_id": held}), 403)


def test_a_presence_runs_out(lab: Lab, caller: Call, held: str) -> None:
    kiosk = caller("kiosk")
    presence = show(kiosk).json["presence"]
    with lab.store.writing() as db:
        db.conn.execute("UPDATE badge_presences SET expires_at = '2000'")
    said = problem(
        kiosk("POST", "/badges/release", json={"presence": presence, "job_id": held}), 403
    )
    assert "reader again" in said["detail"]


def test_unknown_badges_are_tried_only_so_often(caller: Call, held: str) -> None:
    kiosk = caller("kiosk")
    for number in range(8):
        problem(show(kiosk, f"99990{number}"), 403)
    problem(show(kiosk), 503)


def test_nonsense_is_no_badge(caller: Call, held: str) -> None:
    for badge in ("", "12", "4a1b2; DROP", "é" * 8, "9" * 100):
        problem(show(caller("kiosk"), badge), 400)


def test_a_pin_is_the_second_factor_where_the_lab_wants_it(
    lab: Lab, caller: Call, held: str
) -> None:
    caller("admin")("PATCH", "/policy", json={"changes": {"badge_pin": True}})
    kiosk, ben = caller("kiosk"), caller("ben")
    assert "none yet" in problem(show(kiosk), 403)["detail"]
    problem(ben("PUT", "/pin", json={"pin": "12"}), 400)
    assert ben("PUT", "/pin", json={"pin": "4711"}).status_code == 204
    assert problem(show(kiosk), 403)["needs_pin"]
    problem(show(kiosk, pin="4712"), 403)
    assert show(kiosk, pin="4711").status_code == 200
    for _ in range(8):
        problem(show(kiosk, pin="0000"), 403)
    problem(show(kiosk, pin="4711"), 503)


def test_a_badge_belongs_to_one_member_and_can_be_taken_back(
    lab: Lab, caller: Call, held: str
) -> None:
    admin, eve_id, ben_id = caller("admin"), id_of(lab, "eve"), id_of(lab, "ben")
    problem(admin("POST", f"/members/{eve_id}/badges", json={"badge": "00:04:a1:b2"}), 409)
    (badge,) = admin("GET", f"/members/{ben_id}/badges").json["items"]
    assert "hash" not in badge
    assert admin("DELETE", f"/members/{ben_id}/badges/{badge['id']}").status_code == 204
    problem(show(caller("kiosk")), 403)


def test_no_badge_or_pin_is_kept_readable(lab: Lab, caller: Call, held: str) -> None:
    caller("ben")("PUT", "/pin", json={"pin": "47114711"})
    show(caller("kiosk"))
    with lab.store.reading() as db:
        kept = str(rows(db, "SELECT * FROM badges")) + str(rows(db, "SELECT * FROM members"))
        kept += str(rows(db, "SELECT * FROM events"))
    assert "4A1B2" not in kept.upper()
    assert "47114711" not in kept
