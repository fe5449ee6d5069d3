"""A design's page in a browser: repair with its table, and the orientation with less support."""

from __future__ import annotations

import json

from playwright.sync_api import Page

from fabcoord.demo import Triangle, binary_stl, box
from fabcoord.designs import deep, library
from fabcoord.designs.library import NewFile
from fabcoord.members.roles import Member
from fabcoord.store.database import rows
from tests.web.conftest import Agent, Served, sign_in, wait_for


def moved(triangles: list[Triangle], x: float, y: float, z: float) -> list[Triangle]:
    return [
        tuple((a + x, b + y, c + z) for a, b, c in triangle)  # type: ignore[misc]
        for triangle in triangles
    ]


HOLED = binary_stl(box(20, 20, 20)[1:])
TABLE = binary_stl([*moved(box(60, 60, 5), 0, 0, 40), *moved(box(10, 10, 41), 25, 25, 0)])


def stored(served: Served, owner: Member, title: str, data: bytes) -> str:
    lab = served.lab
    new = NewFile("part.stl", lab.blobs.add(data), len(data), "stl")
    with lab.store.writing() as db:
        return library.create(db, owner, title=title, licence="CC0-1.0", files=[new])


def test_a_flawed_file_is_repaired_with_one_press_and_the_figures_are_shown(
    served: Served, admin: Member, page: Page
) -> None:
    design_id = stored(served, admin, "Holed", HOLED)
    sign_in(page, "Ada", f"/designs/{design_id}")
    page.get_by_role("button", name="Repair", exact=True).click()
    page.get_by_role("heading", name="Repaired: the result is in revision 2").wait_for()
    table = page.get_by_role("region", name="Repair of part.stl").get_by_role("table")
    assert table.get_by_role("row", name="Closed").inner_text().split() == ["Closed", "no", "yes"]
    assert page.get_by_role("heading", name="part-repaired.stl").is_visible()
    with served.lab.store.reading() as db:
        revision = library.get(db, design_id)["revision"]
    assert [one["name"] for one in revision["files"]] == ["part.stl", "part-repaired.stl"]


def test_the_advised_orientation_is_one_tick_in_the_form(
    served: Served, admin: Member, agent: Agent, page: Page
) -> None:
    agent.add_printer(admin, "Anna")
    design_id = stored(served, admin, "Table", TABLE)

    def advised(db: object) -> object:
        file = library.get(db, design_id)["revision"]["files"][0]  # type: ignore[arg-type]
        return deep.best_rotation(file)

    with served.lab.store.writing() as db:  # what nobody waits for would let the slice go first
        db.conn.execute("UPDATE runs SET created_at = '2000' WHERE kind = 'deep'")
    rotation = wait_for(served, advised, 60)
    sign_in(page, "Ada", f"/designs/{design_id}")
    page.get_by_label("Use the orientation that needs less support").check()
    page.get_by_role("button", name="Ask for the print").click()
    page.wait_for_url("**/jobs/*")
    with served.lab.store.reading() as db:
        job = rows(db, "SELECT request FROM jobs")[0]
    assert json.loads(job["request"])["rotation"] == rotation
