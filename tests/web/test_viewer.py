"""The 3D viewer in a real browser: it draws, cuts, measures and marks; pages do without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from fabcoord.demo import binary_stl, box
from fabcoord.designs import library, previews
from fabcoord.designs.library import NewFile
from fabcoord.members.roles import Member

from .conftest import CHROMIUM_OPTIONS, Agent, Served, sign_in, wait_for

pytestmark = pytest.mark.browser
HOLE = {
    "code": "open_edges", "severity": "error", "message": "The surface has a hole.",
    "marks": [[0.0, 0.0, 2.0, 4.0, 0.0, 2.0], [4.0, 0.0, 2.0, 4.0, 0.0, 6.0]],
}  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium that draws WebGL in software."""
    import shutil

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed; script/test installs it")
    options = [one for one in CHROMIUM_OPTIONS if one != "--disable-gpu"]
    options += ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        yield browser
        browser.close()


@pytest.fixture
def part(served: Served, admin: Member) -> dict[str, Any]:
    """A block of 40 × 20 × 10 mm with a marked place, checked and pictured."""
    lab = served.lab
    data = binary_stl(box(40, 20, 10))
    new = NewFile("block.stl", lab.blobs.add(data), len(data), "stl")
    with lab.store.writing() as db:
        design_id = library.create(db, admin, title="Block", licence="CC0-1.0", files=[new])
        file = library.get(db, design_id)["revision"]["files"][0]
    wait_for(served, lambda db: "front-light" in previews.kinds(db, file["sha256"], "stl"))
    marks = lab.blobs.add(json.dumps({"items": [HOLE]}).encode())
    with lab.store.writing() as db:
        previews.keep_marks(db, file["sha256"], "stl", marks)
    wait_for(served, lambda db: "marked-light" in previews.kinds(db, file["sha256"], "stl"))
    return {"design": design_id, **file}


def canvas_colours(page: Page) -> int:
    """How many colours the canvas shows; one or two when nothing is drawn."""
    shot = page.locator(".viewer canvas").screenshot()
    with Image.open(BytesIO(shot)) as picture:
        return len(picture.convert("RGB").getcolors(1 << 24) or [])


def drawn(page: Page) -> int:
    return int(page.locator(".viewer").get_attribute("data-drawn") or 0)


def open_viewer(page: Page, part: dict[str, Any]) -> None:
    sign_in(page, "Ada", f"/designs/{part['design']}")
    page.get_by_role("link", name="Look at it in 3D").click()
    page.wait_for_selector(".viewer[data-state=ready]")


def test_the_part_is_drawn_cut_and_measured(
    served: Served, agent: Agent, admin: Member, part: dict[str, Any], page: Page
) -> None:
    agent.add_printer(admin, "One")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    sign_in(page, "Ada", f"/designs/{part['design']}")
    assert not [url for url in asked if "three" in url], "nothing of it is loaded unasked"
    page.get_by_role("link", name="Look at it in 3D").click()
    page.wait_for_selector(".viewer[data-state=ready]")
    assert all(url.startswith(served.url) for url in asked), "nothing comes from elsewhere"
    assert canvas_colours(page) > 200
    assert page.locator(".view-size").inner_text() == "40.0 mm × 20.0 mm × 10.0 mm"

    page.get_by_role("button", name="Top").click()
    page.wait_for_timeout(0)
    whole = page.locator(".viewer canvas").screenshot()
    page.get_by_label("Section").select_option("x")
    assert page.locator(".view-field output").inner_text() == "20.0 mm"
    page.wait_for_function(
        "was => Number(document.querySelector('.viewer').dataset.drawn) > was", arg=drawn(page) - 1
    )
    assert page.locator(".viewer canvas").screenshot() != whole
    page.get_by_label("Section").select_option("")

    page.get_by_role("button", name="Front").click()
    page.get_by_role("button", name="Measure").click()
    settle(page)
    for x, z in ((0.0, 10.0), (40.0, 10.0)):
        page.mouse.click(*on_screen(page, x, 0.0, z))
    told = page.locator(".view-told", has_text="X 40.0 mm")
    assert told.inner_text() == "40.0 mm (X 40.0 mm, Y 0.00 mm, Z 0.00 mm)"


def settle(page: Page) -> None:
    """Wait until the eye has stopped."""
    page.wait_for_function(
        """() => new Promise((done) => {
          const host = document.querySelector(".viewer");
          let was = host.dataset.drawn;
          const look = () => {
            if (host.dataset.drawn === was) return done(true);
            was = host.dataset.drawn;
            setTimeout(look, 150);
          };
          setTimeout(look, 150);
        })"""
    )


def on_screen(page: Page, x: float, y: float, z: float) -> tuple[float, float]:
    """Where a point of the block lies on the page, just inside the part; it is seen from the front.

    The length labels tell the scale: they stand on the middles of the box's edges.
    """
    frame = page.locator(".viewer canvas").bounding_box()
    assert frame is not None
    middle = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    # 32° high, from as far as the ball around the part just fits: see controls.js.
    import math

    radius = math.sqrt(40**2 + 20**2 + 10**2) / 2
    far = radius / math.sin(math.radians(16)) - 10  # the front face is nearer than the middle
    scale = frame["height"] / 2 / math.tan(math.radians(16)) / far
    inside = 0.4  # mm, so that the press meets the part and not the air beside it
    return (
        middle[0] + (x - 20 + math.copysign(inside, 20 - x)) * scale,
        middle[1] - (z - 5 - inside) * scale,
    )
