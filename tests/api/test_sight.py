"""A lab whose members see their own jobs only: no route, page or event tells of others'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from fabcoord.api.access import SESSION_COOKIE, needed_by
from fabcoord.lab import Lab
from fabcoord.members import accounts
from fabcoord.members.roles import GRANTS, Member, Permission, Role
from fabcoord.queue import agents, attempts, printers
from fabcoord.queue.attempts import GcodeFile
from fabcoord.store.database import row, rows
from fabcoord.store.events import emit, since
from fabcoord.store.sqlite import Database

from .conftest import Caller

NAME, NOTE, TITLE = "Griselda Quux", "for my secret thesis", "Unmistakable dragon"


@pytest.fixture
def secret(lab: Lab, caller: Callable[[str], Caller]) -> dict[str, str]:
    """A print of Griselda's that runs on Bench 1, in a lab of discretion. The ids of it all."""
    admin = caller("admin")
    admin("PATCH", "/policy", json={"changes": {"visibility": "own"}})
    with lab.store.writing() as db:
        griselda = accounts.create(db, NAME, Role.MEMBER)
        token = accounts.create_token(db, griselda)
        agent, _ = agents.register(db, "Pi")
        staff = accounts.create(db, "Sam", Role.STAFF)
        printer_id = printers.create(
            db, staff, {"name": "Bench 1", "machine": "demo", "driver": "virtual",
                        "agent_id": agent.id}, plate_clear=True,
        )  # fmt: skip
    call = Caller(admin.client, token)
    design = call.design(title=TITLE, visibility="private")
    call("PATCH", f"/designs/{design['id']}", json={"visibility": "private"})
    asked = {"design_id": design["id"], "note": NOTE}
    job = call("POST", "/jobs", json=asked).json
    batch = call(
        "POST", "/batches", json={"title": TITLE, "items": [{"design_id": design["id"]}]}
    ).json
    with lab.store.writing() as db:
        _prints(db, job["id"], printer_id)
    return {
        "job_id": job["id"], "printer_id": printer_id, "batch_id": batch["id"],
        "design_id": design["id"], "file_id": job["file_id"], "member_id": griselda.id,
    }  # fmt: skip


def _prints(db: Database, job_id: str, printer_id: str) -> None:
    db.conn.execute("UPDATE jobs SET state = 'queued' WHERE id = ?", (job_id,))
    job = row(db, "SELECT * FROM jobs WHERE id = ?", (job_id,))
    printer = row(db, "SELECT * FROM printers WHERE id = ?", (printer_id,))
    assert job is not None
    assert printer is not None
    attempts.offer(db, job, 1, printer, GcodeFile("b" * 64, 100, 5, 600.0))


def addresses(app: Flask, role: Role, ids: dict[str, str]) -> list[str]:
    """Every address that a role may read, API and pages, with ids of what is there."""
    found = []
    for rule in app.url_map.iter_rules():
        needed = needed_by(app, rule.endpoint)
        if "GET" not in rule.methods or rule.rule == "/api/v1/events":
            continue
        if not isinstance(needed, Permission) or needed not in GRANTS[role]:
            continue
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", ids.get(name, "nowhere"))
            path = path.replace(f"<int:{name}>", "1").replace(f"<path:{name}>", "nowhere")
        found.append(path)
    return found


def text_of(lab: Lab, app: Flask, viewer: Member, path: str) -> str:
    with lab.store.writing() as db:
        cookie, _ = accounts.open_session(db, viewer)
    client = app.test_client(use_cookies=False)
    answer = client.get(path, headers={"Cookie": f"{SESSION_COOKIE}={cookie}"})
    return answer.get_data(as_text=True) if answer.status_code < 400 else ""


@pytest.mark.parametrize("role", [Role.MEMBER, Role.KIOSK])
def test_no_address_tells_whose_print_it_is_or_what(
    lab: Lab, app: Flask, secret: dict[str, str], role: Role
) -> None:
    with lab.store.writing() as db:
        viewer = accounts.create(db, "Viewer", role)
    paths = [*addresses(app, role, secret), "/jobs?whose=all", f"/api/v1/jobs?member={NAME}"]
    assert "/kiosk" in paths
    assert f"/api/v1/jobs/{secret['job_id']}" in paths
    told = {}
    for path in paths:
        text = text_of(lab, app, viewer, path)
        if found := [word for word in (NAME, NOTE, TITLE) if word in text]:
            told[path] = found
    assert told == {}


def test_staff_and_the_member_see_everything(
    lab: Lab, app: Flask, secret: dict[str, str], caller: Callable[[str], Caller]
) -> None:
    with lab.store.reading() as db:
        sam, griselda = accounts.by_name(db, "Sam"), accounts.by_name(db, NAME)
    for viewer in (sam, griselda):
        assert viewer is not None
        page = text_of(lab, app, viewer, f"/jobs/{secret['job_id']}")
        assert all(word in page for word in (NAME, NOTE, TITLE))
        assert NAME in text_of(lab, app, viewer, "/kiosk")


def test_the_screen_in_the_room_shows_initials(
    lab: Lab, app: Flask, secret: dict[str, str]
) -> None:
    with lab.store.writing() as db:
        screen = accounts.create(db, "Screen", Role.KIOSK)
        other = accounts.create(db, "Other", Role.MEMBER)
    assert "for G. Q." in text_of(lab, app, screen, "/kiosk")
    assert "for Another member" in text_of(lab, app, other, "/kiosk")


def test_events_tell_that_something_moved_and_not_whose(
    lab: Lab, secret: dict[str, str], caller: Callable[[str], Caller]
) -> None:
    with lab.store.writing() as db:
        emit(db, "job.held", job_id=secret["job_id"], member_id=secret["member_id"],
             actor=NAME, reason=f"By {NAME}.")  # fmt: skip
        emit(db, "member.created", member_id=secret["member_id"], name=NAME)
        emit(db, "printer.cleared", printer_id=secret["printer_id"], actor=NAME)
    with lab.store.reading() as db:
        assert len(since(db, 0)) > 5
    text = _stream(caller("ben"))
    assert f'"job_id": "{secret["job_id"]}"' in text
    assert "event: printer.cleared" in text
    assert NAME not in text
    assert secret["member_id"] not in text
    assert NAME in _stream(caller("staff"))


def _stream(call: Caller) -> str:
    """All events so far, as one reads them."""
    answer = call("GET", "/events?after=0")
    found = ""
    for part in answer.response:
        found += part.decode() if isinstance(part, bytes) else str(part)
        if "printer.cleared" in found:
            break
    answer.close()
    return found


def test_a_lab_that_says_nothing_shows_names_to_everybody(
    lab: Lab, app: Flask, secret: dict[str, str], caller: Callable[[str], Caller]
) -> None:
    caller("admin")("PATCH", "/policy", json={"changes": {"visibility": "everyone"}})
    answer: Any = caller("ben")("GET", "/jobs")
    assert NAME in answer.get_data(as_text=True)
    with lab.store.reading() as db:
        assert rows(db, "SELECT 1 FROM policies")
