"""Spools are loaded by phone, money is put in by staff, and a member sees what a print costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from fabcoord.ledger import wallets
from fabcoord.members.roles import Member
from fabcoord.queue import policy, printers, spools
from tests.web.conftest import (
    Agent,
    Served,
    Watched,
    ask_for,
    seen,
    sign_in,
    start_print,
    store_design,
    wait_for,
)

PRICES = {"machine_h": 3.0, "material_kg": 30.0, "energy_kwh": 0.4, "labour": 1.0, "charge": True}
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def priced(served: Served, admin: Member) -> Served:
    with served.lab.store.writing() as db:
        policy.change(
            db, admin,
            {"prices": PRICES, "energy": {"co2e_g_kwh": 363.0, "source": "the grid in 2025"}},
        )  # fmt: skip
    return served


def picture(page: Page, request: pytest.FixtureRequest, name: str) -> None:
    """Kept where FABCOORD_PICTURES names a directory, to be looked at."""
    import os

    if place := os.environ.get("FABCOORD_PICTURES"):
        page.screenshot(path=str(Path(place) / f"{name}.png"), full_page=True)


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_staff_add_a_spool_and_load_it_with_a_phone(
    served: Served, admin: Member, agent: Agent, watched: Watched, request: pytest.FixtureRequest
) -> None:
    page = watched.page
    printer_id = agent.add_printer(admin, "Left", material="PETG")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    sign_in(page, "Ada", "/spools")
    page.get_by_label("Material").fill("PLA")
    page.get_by_label("Colour").fill("white")
    page.get_by_label("Left on it").fill("412,5")
    page.get_by_text("More about it").click()
    page.get_by_label("Price of the full spool").fill("19,90")
    picture(page, request, "spools-empty-phone")
    page.get_by_role("button", name="Add the spool").click()
    page.wait_for_url("**/spools/*")
    assert page.get_by_text("412 g left").count() + page.get_by_text("413 g left").count()
    assert fits(page)
    picture(page, request, "spool-phone")
    page.get_by_role("button", name="Left").click()
    page.get_by_text("in Left", exact=True).wait_for()
    with served.lab.store.reading() as db:
        printer = printers.get(db, printer_id)
    assert (printer["material"], printer["colour"]) == ("PLA", "white")
    page.get_by_label("The scale says").fill("90")
    page.get_by_role("button", name="Keep").first.click()
    page.get_by_text("Nearly empty").wait_for()
    page.goto("/spools")
    assert fits(page)
    picture(page, request, "spools-phone")
    page.set_viewport_size({"width": 1280, "height": 900})
    picture(page, request, "spools-wide")


def test_a_member_sees_why_a_job_is_held_and_pays_for_it(
    priced: Served, admin: Member, agent: Agent, watched: Watched, request: pytest.FixtureRequest
) -> None:
    page, ben = watched.page, priced.add_member("Ben")
    printer_id = agent.add_printer(admin, "Left", plate_clear=True, material="PLA")
    with priced.lab.store.writing() as db:
        spool_id = spools.create(db, admin, {"material": "PLA", "initial_g": 1000.0})
        spools.load(db, admin, printer_id, spool_id)
    design_id = store_design(priced, ben, "Knob")
    agent.says(seen(printer_id))
    job_id = ask_for(priced, ben, design_id)
    held = "SELECT 1 FROM jobs WHERE id = ? AND state = 'held'"
    wait_for(priced, lambda db: db.conn.execute(held, (job_id,)).fetchone(), 60)
    sign_in(page, "Ben", f"/jobs/{job_id}")
    page.get_by_text("is left in your wallet").wait_for()
    page.get_by_text("machine ").first.wait_for()
    picture(page, request, "job-held")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "Ada", f"/money/{ben.id}")
    page.get_by_label("Amount").fill("10")
    page.get_by_label("Note").fill("cash")
    page.get_by_role("button", name="Put it in").click()
    page.get_by_text("+10.00 EUR").wait_for()
    agent.says(seen(printer_id))
    attempt_id = start_print(priced, agent, printer_id, 0.4)
    agent.says(seen(printer_id), event="finished", attempt_id=attempt_id)
    page.goto(f"/jobs/{job_id}")
    page.get_by_text("paid from the wallet").wait_for()
    picture(page, request, "job-paid")
    page.get_by_text("Give money back").click()
    page.get_by_label("Why").fill("warped")
    page.get_by_role("button", name="Give back").click()
    page.wait_for_url(f"**/jobs/{job_id}")
    page.goto("/money")
    page.get_by_text("10.00 EUR").first.wait_for()
    picture(page, request, "money-wide")
    page.goto("/energy?by=printer")
    page.locator("main").get_by_text("estimated from").wait_for()
    picture(page, request, "energy-wide")
    page.get_by_role("button", name="Sign out").click()
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    sign_in(page, "Ben", "/wallet")
    page.get_by_role("link", name="Given back").wait_for()
    assert fits(page)
    picture(page, request, "wallet-phone")


def test_a_form_that_is_sent_twice_puts_money_in_once(
    priced: Served, admin: Member, page: Page
) -> None:
    ben = priced.add_member("Ben")
    sign_in(page, "Ada", f"/money/{ben.id}")
    page.get_by_label("Amount").fill("10.5")
    form = {
        name: page.locator(f"form.sheet input[name={name}]").input_value()
        for name in ("csrf", "key", "amount", "note")
    }
    for _ in range(2):
        page.request.post(f"{priced.url}/money/{ben.id}", form=form | {"way": "in"})
    with priced.lab.store.reading() as db:
        assert wallets.get(db, priced.lab.charges, ben.id)["balance_minor"] == 1050


def test_a_member_lets_a_charge_code_pay(
    priced: Served, admin: Member, agent: Agent, page: Page
) -> None:
    ben = priced.add_member("Ben")
    agent.add_printer(admin, "Left", material="PLA")
    with priced.lab.store.writing() as db:
        wallets.save_code(db, admin, "club", {"title": "Robotics club"})
        wallets.save_code(db, admin, "other", {"members": [admin.id]})
    design_id = store_design(priced, ben, "Knob")
    done = "SELECT 1 FROM checks WHERE state = 'done'"
    wait_for(priced, lambda db: db.conn.execute(done).fetchone(), 60)
    sign_in(page, "Ben", f"/designs/{design_id}")
    who_pays = page.get_by_label("Who pays")
    assert who_pays.locator("option").all_inner_texts() == ["You", "club Robotics club"]
    who_pays.select_option("club")
    page.get_by_role("button", name="Ask for the print").click()
    page.wait_for_url("**/jobs/*")
    with priced.lab.store.reading() as db:
        assert db.conn.execute("SELECT charge_code FROM jobs").fetchone() == ("club",)


def test_members_do_not_see_the_pages_of_others_money(priced: Served, page: Page) -> None:
    ben, eve = priced.add_member("Ben"), priced.add_member("Eve")
    sign_in(page, "Ben", "/wallet")
    for path in (f"/money/{eve.id}", "/money", "/spools"):
        answer = page.request.get(f"{priced.url}{path}")
        assert answer.status == 403, ben
