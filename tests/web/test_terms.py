"""Licences and Open Know-How on the pages, in a real browser."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

from playwright.sync_api import Page, expect

from fabcoord.designs import library
from fabcoord.designs.library import NewFile
from fabcoord.members.roles import Member

from .conftest import Agent, Served, ask_for, cube, sign_in, store_design

MANIFEST = """okhv = "2.4"
name = "Lamp"
repo = "https://example.org/lamp"
version = "1.0"
license = "CC BY-SA"
licensor = "Ann"
function = "Gives light."
"""


def look(page: Page, name: str) -> None:
    """Keep a picture where somebody wants to look at one."""
    if where := os.environ.get("FABCOORD_PICTURES"):
        page.screenshot(path=f"{where}/{name}.png", full_page=True)


def bundle(directory: Path) -> Path:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("okh.toml", MANIFEST)
        archive.writestr("lamp.stl", cube())
    path = directory / "lamp.zip"
    path.write_bytes(sink.getvalue())
    return path


def test_a_bundle_is_brought_and_its_licence_is_chosen_by_a_person(
    served: Served, admin: Member, page: Page, tmp_path: Path
) -> None:
    sign_in(page, "Ada", "/designs/new")
    page.get_by_role("link", name="Bring the bundle").click()
    page.get_by_label("Bundle, or manifest and files").set_input_files(bundle(tmp_path))
    page.get_by_role("button", name="Bring it").click()
    expect(page.get_by_role("alert")).to_contain_text("'CC BY-SA'")
    look(page, "import")
    page.get_by_label("Which licence is meant?").select_option("CC-BY-SA-4.0")
    page.get_by_label("Bundle, or manifest and files").set_input_files(bundle(tmp_path))
    page.get_by_role("button", name="Bring it").click()
    expect(page.get_by_role("heading", name="Lamp", exact=True)).to_be_visible()
    expect(page.get_by_text("share what you make from it under the same licence")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="everything in one zip").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.read("lamp.stl") == cube()
    look(page, "design")


def test_a_licence_in_prose_brings_a_button_with_what_is_meant(
    served: Served, admin: Member, page: Page, tmp_path: Path
) -> None:
    (tmp_path / "part.stl").write_bytes(cube())
    sign_in(page, "Ada", "/designs/new")
    page.get_by_label("Bring a file").set_input_files(tmp_path / "part.stl")
    page.get_by_text("More about it").click()
    page.get_by_label("Another licence").fill("CERN OHL strongly reciprocal")
    page.get_by_role("button", name="Upload and check").click()
    look(page, "upload")
    page.get_by_role("button", name="Use CERN-OHL-S-2.0").click()
    expect(page.get_by_role("heading", name="CERN-OHL-S-2.0")).to_be_visible()


def test_a_manifest_is_looked_over(served: Served, admin: Member, page: Page) -> None:
    sign_in(page, "Ada", "/okh/validate")
    page.get_by_label("Manifest").fill(MANIFEST.replace('name = "Lamp"', 'nam = "Lamp"'))
    page.get_by_role("button", name="Look it over").click()
    expect(page.get_by_role("heading", name="2 to mend")).to_be_visible()
    expect(page.get_by_text("Line 5")).to_be_visible()
    expect(page.get_by_label("Manifest")).to_have_value(
        MANIFEST.replace('name = "Lamp"', 'nam = "Lamp"')
    )
    look(page, "validate")


def test_a_job_says_whose_design_it_is_and_what_the_licence_asks(
    served: Served, admin: Member, agent: Agent, page: Page
) -> None:
    agent.add_printer(admin, "Left")
    design_id = store_design(served, admin, "Gear")
    with served.lab.store.writing() as db:
        changes = {"licence": "CERN-OHL-S-2.0", "attribution": "Ann"}
        library.update(db, admin, design_id, changes, None)
    job_id = ask_for(served, admin, design_id)
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, "Ada", f"/jobs/{job_id}")
    look(page, "job")
    page.get_by_role("link", name="Ticket to print").click()
    expect(page.get_by_text("Gear by Ann, CERN-OHL-S-2.0")).to_be_visible()
    expect(page.get_by_text("Give the design files along, or tell where")).to_be_visible()
    look(page, "ticket")


def test_what_a_design_was_made_from_is_named(served: Served, admin: Member, page: Page) -> None:
    parent = store_design(served, admin, "Gear")
    with served.lab.store.writing() as db:
        child = library.fork(db, admin, parent, title="Better gear")
        library.add_revision(db, admin, child, [NewFile("x.stl", "c" * 64, 684, "stl")])
    sign_in(page, "Ada", f"/designs/{child}")
    expect(page.get_by_text("Made from Gear by Ada")).to_be_visible()
