"""What the pages tell of a printer's cable, and what may be pressed in need."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from fabcoord.agent.messages import PrinterTelemetry, PromptTelemetry
from fabcoord.members.roles import Member, Role

from .conftest import Agent, Served, seen, sign_in

pytestmark = pytest.mark.browser

SIZES = {"phone": (390, 844), "kiosk": (800, 480), "wall": (1920, 1080)}
SHOTS = os.environ.get("SCREENSHOTS")  # a directory, for who wants to look


def spoken_to(printer_id: str) -> PrinterTelemetry:
    """A printer on a cable in the middle of a print, with a question."""
    return replace(
        seen(printer_id, "printing"),
        firmware="Marlin 2.1.2.5",
        metrics={"lines_per_s": 291.4, "resends": 3.0, "window_bytes": 127.0},
        details={
            "flow": "window of 127 bytes, as its firmware allows it",
            "capabilities": "AUTOREPORT_TEMP, EMERGENCY_PARSER",
        },
        prompt=PromptTelemetry("Filament change", ("Continue", "Purge more")),
    )


@pytest.fixture
def printer(served: Served, admin: Member, agent: Agent) -> str:
    printer_id = agent.add_printer(admin, "Bench 1", plate_clear=True)
    agent.says(spoken_to(printer_id))
    return printer_id


def look(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS, f"{name}.png")), full_page=True)


@pytest.mark.parametrize("size", SIZES)
def test_an_emergency_stop_takes_two_presses_and_reaches_the_agent(
    served: Served, agent: Agent, printer: str, page: Page, size: str
) -> None:
    served.add_member("Kiosk", Role.KIOSK)
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    sign_in(page, "Kiosk", "/kiosk")
    card = page.get_by_role("article", name="Bench 1")
    stop = card.get_by_role("button", name="Stop Bench 1 now")
    expect(stop).to_be_hidden()
    card.get_by_text("Emergency stop").click()
    box = stop.bounding_box()
    assert box is not None
    assert box["height"] >= 64
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    look(page, f"kiosk-{size}")
    with page.expect_response("**/emergency-stop"):
        stop.click()
    (command,) = agent.says(spoken_to(printer)).commands
    assert command.kind == "emergency"


@pytest.mark.parametrize("size", SIZES)
def test_a_question_is_answered_from_every_screen(
    served: Served, agent: Agent, printer: str, page: Page, size: str
) -> None:
    served.add_member("Kiosk", Role.KIOSK)
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    sign_in(page, "Kiosk", "/kiosk")
    with page.expect_response("**/answer"):
        page.get_by_role("button", name="Purge more").click()
    (command,) = agent.says(spoken_to(printer)).commands
    assert (command.kind, command.choice) == ("answer", 1)


@pytest.mark.parametrize("size", SIZES)
def test_the_printers_page_tells_how_lines_travel_and_why(
    served: Served, printer: str, page: Page, size: str
) -> None:
    served.add_member("Root", Role.ADMIN)
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    sign_in(page, "Root", "/printers")
    page.get_by_text("Line and firmware").click()
    card = page.get_by_role("article", name="Bench 1")
    for words in ("window of 127 bytes", "291", "EMERGENCY_PARSER", "Marlin 2.1.2.5"):
        expect(card).to_contain_text(words)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    look(page, f"printers-{size}")


def test_the_figures_of_each_line_are_in_the_metrics(
    served: Served, printer: str, page: Page
) -> None:
    served.add_member("Root", Role.ADMIN)
    sign_in(page, "Root")
    told = page.request.get("/metrics").text()
    label = f'{{printer="{printer}",name="Bench 1",driver="virtual"}}'
    assert f"fabcoord_printer_lines_per_s{label} 291.4" in told
    assert f"fabcoord_printer_resends{label} 3.0" in told
