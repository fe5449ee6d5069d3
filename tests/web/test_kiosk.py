"""The screen in the room: what it shows, what may be pressed, and that it follows by itself."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from fabcoord.members.roles import Member, Role
from fabcoord.queue import attempts, printers
from fabcoord.queue.states import AttemptEvent

from .conftest import (
    Agent,
    Served,
    ask_for,
    seen,
    sign_in,
    start_print,
    store_design,
    wait_for,
)

pytestmark = [pytest.mark.browser, pytest.mark.slicer]

HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture
def printing(served: Served, admin: Member, agent: Agent) -> tuple[str, str]:
    """A printer with a print of Grace's on it, and the attempt."""
    served.add_member("Kiosk", Role.KIOSK)
    grace = served.add_member("Grace")
    printer_id = agent.add_printer(admin, "Bench 1", plate_clear=True)
    agent.says(seen(printer_id))
    ask_for(served, grace, store_design(served, grace, "Bracket"))
    return printer_id, start_print(served, agent, printer_id, 0.42)


def test_a_print_ends_its_plate_is_cleared_and_the_screen_follows_without_a_reload(
    served: Served, agent: Agent, printing: tuple[str, str], page: Page
) -> None:
    printer_id, attempt_id = printing
    page.set_viewport_size({"width": 800, "height": 480})
    sign_in(page, "Kiosk", "/kiosk")
    card = page.get_by_role("article", name="Bench 1")
    expect(card).to_contain_text("Printing")
    expect(card).to_contain_text("42 %")
    expect(card).to_contain_text("for Grace")
    page.evaluate("window.neverReloaded = true")

    agent.says(event="finished", attempt_id=attempt_id)
    agent.says(seen(printer_id))
    button = page.get_by_role("button", name="Plate is clear")
    expect(button).to_be_visible()
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 64
    expect(page.get_by_role("heading", name="Ready to collect")).to_be_visible()
    expect(page.locator("#news")).to_contain_text("1 to clear")

    button.click()
    expect(card).to_contain_text("Ready")
    with served.lab.store.reading() as db:
        assert printers.get(db, printer_id)["plate_clear"]
    assert page.evaluate("window.neverReloaded")


def test_a_press_for_a_print_that_is_no_longer_on_the_plate_is_refused_in_words(
    served: Served, admin: Member, agent: Agent, printing: tuple[str, str], page: Page
) -> None:
    printer_id, attempt_id = printing
    agent.says(event="finished", attempt_id=attempt_id)
    agent.says(seen(printer_id))
    page.route("**/api/v1/events*", lambda route: route.abort())  # this screen stays as it is
    page.route("**/kiosk", _only_pages)
    sign_in(page, "Kiosk", "/kiosk")
    expect(page.get_by_role("button", name="Plate is clear")).to_be_visible()
    with served.lab.store.writing() as db:  # meanwhile: cleared, and the next print on it
        printers.clear(db, admin, printer_id, attempt_id)
        db.conn.execute("UPDATE printers SET plate_attempt_id = 'another', plate_clear = 0")
    page.get_by_role("button", name="Plate is clear").click()
    expect(page.get_by_role("alert")).to_contain_text("Another print has been on this plate")
    with served.lab.store.reading() as db:
        assert not printers.get(db, printer_id)["plate_clear"]


def _only_pages(route: Route) -> None:
    """Lets pages through, and holds back what would refresh them."""
    if route.request.headers.get("hx-request"):
        route.abort()
    else:
        route.continue_()


def test_a_person_settles_a_print_that_nobody_knows_the_end_of(
    served: Served, admin: Member, agent: Agent, printing: tuple[str, str], page: Page
) -> None:
    printer_id, attempt_id = printing
    with served.lab.store.writing() as db:
        attempts.apply(db, attempt_id, AttemptEvent.DOUBT, reason="The agent was restarted.")
    agent.held.clear()
    agent.says(seen(printer_id))
    sign_in(page, "Kiosk", "/kiosk")
    card = page.get_by_role("article", name="Bench 1")
    expect(card).to_contain_text("Needs a look")
    card.get_by_label("The plate is clear now").check()
    with served.lab.store.writing() as db:  # the screen refreshes and keeps the tick
        printers.set_maintenance(db, admin, printer_id, True)
    expect(card).to_contain_text("In maintenance")
    expect(card.get_by_label("The plate is clear now")).to_be_checked()
    card.get_by_role("button", name="It failed").click()
    found = wait_for(served, lambda db: attempts.get_row(db, attempt_id)["state"] == "failed")
    assert found
    with served.lab.store.reading() as db:
        assert printers.get(db, printer_id)["plate_clear"]


def test_a_broken_stream_is_told_and_mended(
    served: Served, agent: Agent, printing: tuple[str, str], page: Page
) -> None:
    refusing = {"now": True}

    def stream(route: Route) -> None:
        route.abort() if refusing["now"] else route.continue_()

    page.route("**/api/v1/events*", stream)
    page.clock.install()  # the page's own clock, so that its patience takes no time
    sign_in(page, "Kiosk", "/kiosk")
    banner = page.get_by_text("This page is not live just now")
    expect(banner).to_be_hidden()
    page.clock.run_for(10_000)
    expect(banner).to_be_visible()
    refusing["now"] = False
    page.clock.run_for(10_000)
    expect(banner).to_be_hidden()


def test_hostile_names_are_shown_and_do_nothing(
    served: Served, admin: Member, agent: Agent, page: Page
) -> None:
    member = served.add_member(HOSTILE[:80])
    served.add_member("Kiosk", Role.KIOSK)
    printer_id = agent.add_printer(admin, HOSTILE, plate_clear=True, colour=HOSTILE)
    design_id = store_design(served, member, HOSTILE, f"{HOSTILE}.stl")
    job_id = ask_for(served, member, design_id, note=HOSTILE)
    agent.says(seen(printer_id, "attention", reason=f"//action:prompt {HOSTILE}"))
    sign_in(page, member.name, "/kiosk")
    for address in ("/kiosk", "/", "/designs", f"/designs/{design_id}", f"/jobs/{job_id}"):
        page.goto(address)
        expect(page.get_by_text(HOSTILE).first).to_be_visible()
        assert page.locator("img[src=x]").count() == 0
        assert page.title() != "1"


def test_the_first_look_at_the_room_is_light(
    served: Served, printing: tuple[str, str], page: Page
) -> None:
    sign_in(page, "Kiosk", "/kiosk")
    bodies: dict[str, bytes] = {}

    def keep(response: object) -> None:
        if "/events" not in response.url:  # type: ignore[attr-defined]
            bodies[response.url] = response.body()  # type: ignore[attr-defined]

    page.on("response", keep)
    fresh: Callable[[], object] = page.reload
    fresh()
    expect(page.get_by_role("article", name="Bench 1")).to_be_visible()
    assert len(bodies) >= 4
    assert sum(len(gzip.compress(body)) for body in bodies.values()) <= 60_000
