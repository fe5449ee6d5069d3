"""A newcomer's way: first admin, a file, its check, a print, the job's page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from fabcoord.members import accounts
from fabcoord.members.roles import Member, Role

from .conftest import PASSWORD, Agent, Served, cube, seen, sign_in

pytestmark = pytest.mark.browser


def test_the_first_person_becomes_admin_with_the_code_from_the_terminal(
    served: Served, page: Page
) -> None:
    with served.lab.store.writing() as db:
        code = accounts.first_admin_code(db)
    page.goto("/")
    expect(page).to_have_url(f"{served.url}/first-admin")
    page.get_by_label("One-time code").fill("0000-0000-0000")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the admin").click()
    expect(page.get_by_role("alert")).to_contain_text("not the code of this lab")
    expect(page.get_by_label("Your name")).to_have_value("Ada")

    page.get_by_label("One-time code").fill(code)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the admin").click()
    expect(page.get_by_role("heading", name="Printers", exact=True)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.slicer
def test_a_file_is_uploaded_checked_pictured_estimated_and_asked_for(
    served: Served, admin: Member, agent: Agent, page: Page, tmp_path: Path
) -> None:
    printer_id = agent.add_printer(admin, "Bench 1")
    agent.says(seen(printer_id))  # its plate is not clear, so the job stays in the queue
    served.add_member("Grace")
    (tmp_path / "bracket.stl").write_bytes(cube())
    sign_in(page, "Grace")

    page.get_by_label("Bring a file").set_input_files(tmp_path / "bracket.stl")
    expect(page.locator("[data-list]")).to_contain_text("bracket.stl")
    page.get_by_label("Title").fill("Bracket")
    page.get_by_role("button", name="Upload and check").click()

    expect(page.get_by_role("heading", name="Bracket", exact=True)).to_be_visible()
    expect(page.locator(".state").first).to_have_text(re.compile("Can be printed"))
    expect(page.get_by_text("20 × 20 × 20 mm")).to_be_visible()
    picture = page.get_by_alt_text("Preview of bracket.stl")
    expect(picture).to_be_visible()
    page.wait_for_function(
        "document.querySelector('.picture img')?.complete"
        " && document.querySelector('.picture img').naturalWidth > 0"
    )
    expect(page.locator("#estimate")).to_contain_text("Time", timeout=30_000)

    page.get_by_label("Copies").fill("2")
    page.get_by_label("Material").select_option("PETG")
    page.get_by_role("button", name="Ask for the print").click()
    expect(page.get_by_role("heading", name="0 of 2 copies printed")).to_be_visible()
    expect(page.locator(".state").first).to_have_text(re.compile("In the queue"), timeout=30_000)

    page.get_by_role("button", name="Put on hold").click()
    expect(page.locator(".state").first).to_have_text(re.compile("On hold"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".state").first).to_have_text(re.compile("Cancelled"))


def test_a_refused_upload_says_why_and_keeps_what_was_typed(
    served: Served, admin: Member, page: Page, tmp_path: Path
) -> None:
    (tmp_path / "picture.stl").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    sign_in(page, "Ada", "/designs/new")
    page.get_by_label("Bring a file").set_input_files(tmp_path / "picture.stl")
    page.get_by_label("Title").fill("Not a model")
    page.get_by_text("More about it").click()
    page.get_by_label("Tags").fill("a, b")
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("alert")).to_contain_text("picture")
    expect(page.get_by_label("Title")).to_have_value("Not a model")
    expect(page.get_by_label("Tags")).to_have_value("a, b")
    expect(page.locator("[data-list]")).to_contain_text("picture.stl")


def test_the_upload_form_works_without_javascript(
    served: Served, admin: Member, browser: object, tmp_path: Path
) -> None:
    context = browser.new_context(base_url=served.url, java_script_enabled=False)  # type: ignore[attr-defined]
    page = context.new_page()
    sign_in(page, "Ada", "/designs/new")
    (tmp_path / "part.stl").write_bytes(cube())
    page.get_by_label("Bring a file").set_input_files(tmp_path / "part.stl")
    page.get_by_text("More about it").click()
    page.get_by_label("Another licence").fill("no such licence")
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("alert")).to_contain_text("not a licence that SPDX lists")
    expect(page.get_by_label("Another licence")).to_have_value("no such licence")

    page.get_by_label("Bring a file").set_input_files(tmp_path / "part.stl")
    page.get_by_label("Another licence").fill("")
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("heading", name="part", exact=True)).to_be_visible()
    context.close()


def test_a_member_sees_no_pages_for_staff(served: Served, admin: Member, page: Page) -> None:
    served.add_member("Grace", Role.MEMBER)
    sign_in(page, "Grace")
    expect(page.get_by_role("link", name="Printers")).to_have_count(0)
    assert page.goto("/printers").status == 403  # type: ignore[union-attr]
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
