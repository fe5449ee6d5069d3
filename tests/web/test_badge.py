"""Releasing a print at the kiosk: a reader types the number, a finger does the rest."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from fabcoord.members import badges
from fabcoord.members.roles import Member, Role
from fabcoord.queue import jobs, policy, printers

from .conftest import Agent, Served, ask_for, seen, sign_in, store_design, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slicer]


@pytest.fixture
def held(served: Served, admin: Member, agent: Agent) -> tuple[str, str]:
    """A job of Grace's that waits at the kiosk, and the printer, whose plate nobody cleared."""
    with served.lab.store.writing() as db:
        policy.change(db, admin, {"release": "badge"})
    served.add_member("Kiosk", Role.KIOSK)
    grace = served.add_member("Grace")
    printer_id = agent.add_printer(admin, "Bench 1", plate_clear=False)
    agent.says(seen(printer_id))
    with served.lab.store.writing() as db:
        badges.give(db, admin, grace.id, "0012345678", "blue")
    job_id = ask_for(served, grace, store_design(served, grace, "Bracket"))
    wait_for(served, lambda db: jobs.get(db, job_id)["state"] == "held")
    return job_id, printer_id


def test_a_badge_releases_a_print_and_says_that_the_plate_is_clear(
    served: Served, held: tuple[str, str], page: Page
) -> None:
    job_id, printer_id = held
    page.set_viewport_size({"width": 800, "height": 480})
    sign_in(page, "Kiosk", "/kiosk")
    page.locator("h1").click()  # somebody touched the screen: the field has lost the focus
    page.keyboard.type("0012345678\n")
    expect(page.get_by_role("heading", name="Grace")).to_be_visible()
    page.get_by_label("Bench 1").check()
    button = page.get_by_role("button", name="Release Bracket")
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 60
    button.click()
    expect(page.get_by_text("Released. It starts")).to_be_visible()
    expect(page.get_by_text("Nothing else waits")).to_be_visible()
    wait_for(served, lambda db: jobs.get(db, job_id)["state"] in ("queued", "printing"))
    with served.lab.store.reading() as db:
        assert printers.get(db, printer_id)["plate_clear"]
    page.get_by_role("button", name="Done").click()
    page.wait_for_url("**/kiosk")


def test_an_unknown_badge_is_told_and_the_reader_goes_on(
    served: Served, held: tuple[str, str], page: Page
) -> None:
    sign_in(page, "Kiosk", "/kiosk")
    page.keyboard.type("777777\n")
    expect(page.get_by_role("alert").filter(has_text="not known")).to_be_visible()
    page.keyboard.type("0012345678\n")
    expect(page.get_by_role("heading", name="Grace")).to_be_visible()


def test_a_pin_is_asked_for_where_the_lab_wants_one(
    served: Served, admin: Member, held: tuple[str, str], page: Page
) -> None:
    with served.lab.store.writing() as db:
        policy.change(db, admin, {"badge_pin": True})
    sign_in(page, "Grace", "/account")
    page.get_by_label("Four to eight digits").fill("4711")
    page.get_by_role("button", name="Set the PIN").click()
    expect(page.get_by_text("You have one")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "Kiosk", "/kiosk")
    page.keyboard.type("0012345678\n")
    page.get_by_label("PIN").fill("4712")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="not the PIN")).to_be_visible()
    page.get_by_label("PIN").fill("4711")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Grace")).to_be_visible()


def test_on_ones_own_page_a_print_says_that_it_waits_for_the_badge(
    served: Served, held: tuple[str, str], page: Page
) -> None:
    sign_in(page, "Grace", f"/jobs/{held[0]}")
    expect(page.get_by_text("Waits for you to release it at the kiosk")).to_be_visible()
    expect(page.get_by_role("button", name="Release to print")).to_have_count(0)
