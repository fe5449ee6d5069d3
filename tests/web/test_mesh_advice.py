"""What the check advises reaches the print with one click, and sources have their form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from fabcoord.app import create_app
from fabcoord.config import Settings
from fabcoord.demo import binary_stl, box
from fabcoord.lab import Lab, open_lab
from fabcoord.members import accounts
from fabcoord.members.roles import Role
from fabcoord.queue import printers
from fabcoord.store.database import rows, value
from tests.designs.test_renders import SOURCE, work_off


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = open_lab(Settings(tmp_path / "lab"))
    lab.store.announce = lambda run_id: None
    yield lab
    lab.store.close()


@pytest.fixture
def browser(lab: Lab) -> FlaskClient:
    with lab.store.writing() as db:
        accounts.create(db, "Mo", Role.MEMBER, password="a long password")
    client = create_app(lab.settings, lab).test_client()
    page = client.get("/sign-in").text
    sent = {"name": "Mo", "password": "a long password", "csrf": csrf(page)}
    assert client.post("/sign-in", data=sent).status_code in (302, 303)
    return client


def csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]*)"', page)
    return found[1] if found else ""


def design_page(lab: Lab, browser: FlaskClient, name: str, data: bytes) -> tuple[str, str]:
    """The address of a new design, and its page once it is checked."""
    token = csrf(browser.get("/designs/new").text)
    sent = {"csrf": token, "licence": "CC0-1.0", "file": (BytesIO(data), name)}
    address = browser.post("/designs/new", data=sent).headers["Location"]
    work_off(lab)
    return address, browser.get(address).text


def test_a_part_drawn_in_inches_is_printed_in_its_true_size_by_one_tick(
    lab: Lab, browser: FlaskClient
) -> None:
    with lab.store.writing() as db:
        staff = accounts.create(db, "Ada", Role.STAFF)
        given = {"name": "One", "machine": "prusa_mk3s", "driver": "virtual"}
        printers.create(db, staff, given)
    address, page = design_page(lab, browser, "inch.stl", binary_stl(box(2, 2, 2)))
    assert "25.4 times as large: it was drawn in inches" in page
    with lab.store.reading() as db:
        file_id = value(db, "SELECT id FROM files")
    sent = {"csrf": csrf(page), "file_id": file_id, "copies": "1", "mend_unit": "yes"}
    assert browser.post(f"{address}/print", data=sent).status_code in (302, 303)
    with lab.store.reading() as db:
        (job,) = rows(db, "SELECT request FROM jobs")
    assert '"scale": 25.4' in job["request"]


def test_the_parameters_of_a_source_are_a_form(lab: Lab, browser: FlaskClient) -> None:
    address, page = design_page(lab, browser, "box.scad", SOURCE)
    assert "Make it your own" in page
    assert "How wide it is" in page
    with lab.store.reading() as db:
        file_id = value(db, "SELECT id FROM files")
    wrong = {"csrf": csrf(page), "p-width": "99", "p-shape": "box"}
    refused = browser.post(f"/files/{file_id}/render", data=wrong)
    assert refused.status_code == 400
    sent = wrong | {"p-width": "30"}
    assert browser.post(f"/files/{file_id}/render", data=sent).headers["Location"] == address
    with lab.store.reading() as db:
        (asked,) = rows(db, "SELECT choice, state FROM renders")
    assert (asked["choice"], asked["state"]) == ('{"parameters": {"width": "30.0"}}', "pending")
    assert "A mesh is being made" in browser.get(address).text
