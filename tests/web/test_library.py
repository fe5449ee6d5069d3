"""The pages of the library in a real browser: finding, writing, comparing, talking, collecting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from fabcoord.designs import conversation, documentation, library, search
from fabcoord.designs.library import NewFile
from fabcoord.designs.search import Asked
from fabcoord.members.roles import Member, Role
from tests.web.conftest import Served, cube, sign_in, store_design, wait_for

PIXELS = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8"
    "cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


@pytest.fixture
def ben(served: Served, admin: Member) -> Member:
    return served.add_member("Ben")


def test_a_search_answers_while_it_is_typed_and_narrows_by_facets(
    served: Served, page: Page, ben: Member
) -> None:
    for title, tag in (("Garden hook", "garden"), ("Garden label", "label"), ("Knob", "garden")):
        design_id = store_design(served, ben, title)
        with served.lab.store.writing() as db:
            library.update(db, ben, design_id, {"tags": [tag]}, None)
    sign_in(page, "Ben", "/designs")
    page.get_by_placeholder("Search titles").press_sequentially("gard")
    expect(page.locator(".design")).to_have_count(3)
    page.get_by_placeholder("Search titles").fill("garden h")
    expect(page.locator(".design")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/designs\?q=garden(\+|%20)h$"))
    page.reload()
    expect(page.locator(".design")).to_have_count(1)
    page.get_by_placeholder("Search titles").fill("")
    expect(page.locator(".design")).to_have_count(3)
    page.get_by_role("link", name="garden 2").click()
    expect(page.locator(".design")).to_have_count(2)
    page.get_by_role("link", name="Without garden").click()
    expect(page.locator(".design")).to_have_count(3)


def test_documentation_is_written_shown_and_never_lost_to_another(
    served: Served, page: Page, ben: Member
) -> None:
    design_id = store_design(served, ben, "Lamp")
    sign_in(page, "Ben", f"/designs/{design_id}")
    page.get_by_role("link", name="Write it").click()
    page.get_by_label("Text").fill("# Parts\n\nTwo *screws* <script>alert(1)</script>")
    with served.lab.store.writing() as db:
        documentation.write(db, ben, design_id, "Written meanwhile", 0)
    page.get_by_role("button", name="Store").click()
    expect(page.get_by_label("Their version")).to_have_value("Written meanwhile")
    page.get_by_role("button", name="Store").click()
    expect(page.locator(".written em")).to_have_text("screws")
    expect(page.locator(".written")).to_contain_text("<script>")
    page.get_by_role("link", name="History", exact=True).click()
    page.get_by_role("button", name="Restore").click()
    expect(page.locator(".written")).to_have_text("Written meanwhile")


def test_revisions_are_compared_side_by_side_and_restored(
    served: Served, page: Page, ben: Member
) -> None:
    design_id = store_design(served, ben, "Box")
    larger = cube(30.0)
    with served.lab.store.writing() as db:
        new = NewFile("cube.stl", served.lab.blobs.add(larger), len(larger), "stl")
        library.add_revision(db, ben, design_id, [new], "larger")
    wait_for(
        served,
        lambda db: all(
            file["check"]["volume_mm3"]
            for one in library.revisions(db, design_id)
            for file in one["files"]
        ),
    )
    sign_in(page, "Ben", f"/designs/{design_id}")
    page.get_by_role("link", name="What changed").click()
    expect(page.locator(".differs")).to_contain_text("Volume +19 cm³")
    expect(page.locator(".differs")).to_contain_text("+10 × +10 × +10 mm")
    page.goto(f"/designs/{design_id}")
    page.get_by_role("button", name="Restore").click()
    expect(page.locator("#history")).to_contain_text("Revision 1 restored.")


def test_a_picture_a_print_a_comment_and_a_collection(
    served: Served, page: Page, ben: Member, tmp_path: Path
) -> None:
    photo = tmp_path / "front.png"
    photo.write_bytes(PIXELS)
    design_id = store_design(served, ben, "Vase")
    sign_in(page, "Ben", f"/designs/{design_id}")
    page.get_by_text("Add pictures").click()
    page.get_by_label("Pictures", exact=True).set_input_files(photo)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".album img")).to_be_visible(timeout=30_000)

    page.get_by_text("I printed it").click()
    page.get_by_label("Printed on").fill("Prusa MK4")
    page.get_by_label("Printed in").fill("PETG")
    page.get_by_role("button", name="Tell of it").click()
    expect(page.locator("#makes table")).to_contain_text("Prusa MK4")

    page.get_by_label("Say something").fill("Prints well")
    page.get_by_role("button", name="Comment").click()
    page.locator(".thread").get_by_text("Answer").first.click()
    page.get_by_label("Your answer").fill("Without supports?")
    page.get_by_role("button", name="Answer").click()
    expect(page.locator(".answer .comment")).to_contain_text("Without supports?")

    page.get_by_text("Add to a collection").click()
    page.get_by_label("A new one").fill("Vases")
    page.get_by_role("button", name="Begin it").click()
    expect(page.locator(".design .title")).to_have_text("Vase")
    with served.lab.store.reading() as db:
        found, _ = search.search(db, Asked(material="PETG"), ben)
    assert [one["id"] for one in found] == [design_id]


def test_what_a_member_reports_a_moderator_hides(served: Served, page: Page, ben: Member) -> None:
    served.add_member("Eve")
    served.add_member("Sue", Role.STAFF)
    design_id = store_design(served, ben, "Key of the lab")
    sign_in(page, "Eve", f"/designs/{design_id}")
    page.get_by_role("link", name="Report this design").click()
    page.get_by_label("What is wrong").fill("It opens our door")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Key of the lab")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "Sue", "/moderation")
    expect(page.get_by_text("It opens our door")).to_be_visible()
    page.get_by_role("button", name="Hide it").click()
    expect(page.get_by_text("Nothing was reported.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "Eve", "/designs")
    expect(page.locator(".design")).to_have_count(0)
    page.goto(f"/designs/{design_id}")
    expect(page.get_by_text("There is no such design.")).to_be_visible()


def test_what_others_say_appears_by_itself_and_what_is_being_written_stays(
    served: Served, page: Page, ben: Member, admin: Member
) -> None:
    design_id = store_design(served, ben, "Vase")
    sign_in(page, "Ben", f"/designs/{design_id}")
    page.get_by_label("Say something").fill("I was about to say")
    with served.lab.store.writing() as db:
        documentation.write(db, ben, design_id, "# Printed upright\n", 0)
        conversation.comment(db, admin, design_id, "First!", None)
    expect(page.locator("#documentation .written")).to_contain_text("Printed upright")
    assert page.get_by_label("Say something").input_value() == "I was about to say"
    page.get_by_label("Say something").fill("")
    page.get_by_label("Say something").blur()
    with served.lab.store.writing() as db:
        conversation.comment(db, admin, design_id, "And second", None)
    expect(page.locator("#comments .prose")).to_contain_text(["First!", "And second"])


def test_a_visitor_reads_a_public_design_and_nothing_fails(
    served: Served, page: Page, ben: Member
) -> None:
    design_id = store_design(served, ben, "Vase")
    with served.lab.store.writing() as db:
        library.update(db, ben, design_id, {"visibility": "public"}, None)
    for size in ((390, 844), (800, 480), (1920, 1080)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto("/designs")
        page.get_by_text("Vase").click()
        expect(page.get_by_role("heading", name="Vase")).to_be_visible()
        expect(page.get_by_role("link", name="Sign in")).to_be_visible()
        assert page.locator("main form").count() == 0, "nothing can be changed"
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.goto(f"/designs/{design_id}/edit")
    expect(page).to_have_url(re.compile("/sign-in"))
