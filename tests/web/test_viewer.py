"""The 3D viewer in a real browser: it draws, cuts, measures and marks; pages do without it."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright

from fabcoord.demo import binary_stl, box
from fabcoord.designs import library
from fabcoord.designs.library import NewFile
from fabcoord.designs.meshcheck.report import (
    MARKS_NAME,
    MESH_NAME,
    PREVIEW_NAME,
    REPORT_NAME,
    VIEWER_NAME,
)
from fabcoord.members.roles import Member
from fabcoord.store.events import emit
from fabcoord.web.files import DIRECTORY

from .conftest import CHROMIUM_OPTIONS, Agent, Served, Watched, launched, sign_in

pytestmark = pytest.mark.browser
HOLE = {
    "code": "open_edges", "severity": "error", "message": "The surface has a hole.",
    "marks": [[0.0, 0.0, 2.0, 4.0, 0.0, 2.0], [4.0, 0.0, 2.0, 4.0, 0.0, 6.0]],
}  # fmt: skip


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium that draws WebGL in software."""
    options = [one for one in CHROMIUM_OPTIONS if one != "--disable-gpu"]
    options += ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with launched(playwright, options) as browser:
        yield browser


@pytest.fixture
def page(watched: Watched) -> Page:
    """A small page: the pictures are drawn by the processor, pixel by pixel."""
    watched.page.set_viewport_size({"width": 1000, "height": 700})
    return watched.page


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the background makes of a block of 40 × 20 × 10 mm with a marked place."""
    out = tmp_path_factory.mktemp("block")
    (out / "block.stl").write_bytes(binary_stl(box(40, 20, 10)))
    checked = ["--input", str(out / "block.stl"), "--format", "stl"]
    for stage in (["verdict", *checked], ["pictures"], ["views"]):
        if stage == ["views"]:
            (out / MARKS_NAME).write_text(json.dumps({"items": [HOLE]}))
        command = [sys.executable, "-m", "fabcoord.designs.meshcheck", "--out", str(out)]
        subprocess.run([*command, "--stage", *stage], check=True)
    return out


@pytest.fixture
def part(served: Served, admin: Member, looked_at: Path) -> dict[str, Any]:
    """The block in the lab, as it is when the background is done with it."""
    lab, out = served.lab, looked_at
    lab.store.announce = lambda run_id: None  # it is done already
    blob = {path.name: lab.blobs.add_file(path) for path in out.iterdir()}
    new = NewFile("block.stl", blob["block.stl"], (out / "block.stl").stat().st_size, "stl")
    kinds = {"viewer": VIEWER_NAME, "marks": MARKS_NAME}
    kinds |= {path.stem: path.name for path in out.glob("*.png") if path.name != PREVIEW_NAME}
    with lab.store.writing() as db:
        design_id = library.create(db, admin, title="Block", licence="CC0-1.0", files=[new])
        db.conn.execute(
            "UPDATE checks SET state = 'done', report = ?, mesh_sha256 = ?, preview_sha256 = ?",
            ((out / REPORT_NAME).read_text(), blob[MESH_NAME], blob[PREVIEW_NAME]),
        )
        for kind, name in kinds.items():
            db.conn.execute(
                "INSERT INTO previews VALUES (?, 'stl', ?, ?)", (new.sha256, kind, blob[name])
            )
        file = library.get(db, design_id)["revision"]["files"][0]
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
    settle(page)
    whole = page.locator(".viewer canvas").screenshot()
    page.get_by_label("Section", exact=True).select_option("x")
    assert page.locator(".view-field output").inner_text() == "20.0 mm"
    page.wait_for_function(
        "was => Number(document.querySelector('.viewer').dataset.drawn) > was", arg=drawn(page) - 1
    )
    assert page.locator(".viewer canvas").screenshot() != whole
    page.get_by_label("Section", exact=True).select_option("")

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
    canvas = page.locator(".viewer canvas")
    canvas.scroll_into_view_if_needed()
    frame = canvas.bounding_box()
    assert frame is not None
    middle = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    # 32° high, from as far as the ball around the part just fits: see controls.js.
    radius = math.sqrt(40**2 + 20**2 + 10**2) / 2
    far = radius / math.sin(math.radians(16)) - 10  # the front face is nearer than the middle
    scale = frame["height"] / 2 / math.tan(math.radians(16)) / far
    inside = 0.4  # mm, so that the press meets the part and not the air beside it
    return (
        middle[0] + (x - 20 + math.copysign(inside, 20 - x)) * scale,
        middle[1] - (z - 5 - inside) * scale,
    )


def test_a_finding_is_flown_to_and_lifted_out(
    served: Served, admin: Member, part: dict[str, Any], page: Page
) -> None:
    open_viewer(page, part)
    before = red_pixels(page)
    finding = page.get_by_role("button", name="The surface has a hole.")
    finding.click()
    settle(page)
    assert finding.get_attribute("aria-pressed") == "true"
    assert red_pixels(page) > 2 * before > 0, "the place is nearer now"
    finding.click()
    page.get_by_role("button", name="Close 3D").click()
    assert page.locator(".viewer canvas").count() == 0
    assert page.get_by_role("img", name="Preview of block.stl").is_visible()


def red_pixels(page: Page) -> int:
    settle(page)
    with Image.open(BytesIO(page.locator(".viewer canvas").screenshot())) as shot:
        pixels = shot.convert("RGB").get_flattened_data()
    return sum(1 for r, g, b in pixels if r > 170 and g < 90 and b < 110)


def test_the_build_volume_says_whether_the_part_fits(
    served: Served, agent: Agent, admin: Member, part: dict[str, Any], page: Page
) -> None:
    agent.add_printer(admin, "One")
    sign_in(page, "Ada", f"/files/{part['id']}/view")
    page.wait_for_selector(".viewer[data-state=ready]")
    page.get_by_label("Build volume").select_option(label="Demo printer")
    assert page.locator(".view-told", has_text="It fits.").is_visible()
    told = page.evaluate(
        """async () => {
          const { fitOf } = await import("/static/viewer/machine.js");
          return [fitOf([40, 20, 10], [50, 50, 50]), fitOf([60, 20, 10], [50, 70, 50]),
                  fitOf([60, 60, 10], [50, 70, 50]), fitOf([40, 20, 51], [50, 50, 50])];
        }"""
    )
    assert told == ["fits", "turned", "too large", "too large"]


def test_the_keys_do_what_the_mouse_does(
    served: Served, admin: Member, part: dict[str, Any], page: Page
) -> None:
    page.emulate_media(reduced_motion="reduce")
    sign_in(page, "Ada", f"/files/{part['id']}/view")
    page.wait_for_selector(".viewer[data-state=ready]")
    canvas = page.locator(".viewer canvas")
    canvas.focus()
    seen = {canvas.screenshot()}
    for key in ("ArrowLeft", "+", "Shift+ArrowUp", "5"):
        page.keyboard.press(key)
        settle(page)
        seen.add(canvas.screenshot())
    assert len(seen) == 5
    page.get_by_role("button", name="Measure").click()
    canvas.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert re.search(r"mm \(X", page.locator(".view-told", has_text="X").inner_text())


@pytest.mark.parametrize(("width", "height"), [(390, 844), (800, 480), (1920, 1080)])
def test_nothing_sticks_out_at_phone_kiosk_and_wall_size(
    served: Served, admin: Member, part: dict[str, Any], page: Page, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    for address in (f"/designs/{part['design']}", f"/files/{part['id']}/view"):
        if address.startswith("/designs"):
            open_viewer(page, part)
        else:
            page.goto(address)
            page.wait_for_selector(".viewer[data-state=ready]")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        stage = page.locator(".view-stage").bounding_box()
        assert stage is not None
        assert stage["height"] <= height * 0.85, "there is room left beside it"
        assert stage["width"] >= min(width * 0.5, 340)
        assert canvas_colours(page) > 100
    for button in page.locator(".view-side button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 43


def test_the_file_as_it_changes_leaves_the_open_viewer_alone(
    served: Served, admin: Member, part: dict[str, Any], page: Page
) -> None:
    open_viewer(page, part)
    page.locator(".viewer canvas").evaluate("canvas => { canvas.dataset.same = 'yes'; }")
    again = page.expect_response(lambda answer: answer.url.endswith(part["design"]))
    with again, served.lab.store.writing() as db:
        emit(db, "file.pictured", sha256=part["sha256"])
    settle(page)
    assert page.locator(".viewer canvas").get_attribute("data-same") == "yes"


def test_without_script_the_pictures_show_all_sides(
    served: Served, admin: Member, part: dict[str, Any], browser: Browser
) -> None:
    context = browser.new_context(base_url=served.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, "Ada", f"/designs/{part['design']}")
    page.get_by_role("link", name="Look at it in 3D").click()
    page.wait_for_url("**/view")
    shown = page.locator("main img").all()
    assert len(shown) == 1 + 1 + 5, "the usual picture, the marked one, the other sides"
    for one in shown:
        one.scroll_into_view_if_needed()
        address = str(one.get_attribute("src"))
        answer = context.request.get(address)
        assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    context.close()


def test_only_the_pages_of_a_model_know_of_the_viewer() -> None:
    package = DIRECTORY.parent
    knowing = {
        path.name
        for path in (package / "templates").glob("*.html")
        if "viewer/" in path.read_text() or "_viewer_head.html" in path.read_text()
    }
    assert knowing == {"_viewer_head.html", "design.html", "view.html"}
    loading = {
        str(path.relative_to(DIRECTORY))
        for path in DIRECTORY.rglob("*.js")
        if "vendor" not in path.parts and "three.module.min.js" in path.read_text()
    }
    assert all(name.startswith("viewer/") for name in loading)
    assert "viewer/open.js" not in loading, "what every model page loads stays small"
    assert "await import(" in (DIRECTORY / "viewer" / "open.js").read_text()


def test_the_part_is_laid_as_the_check_advises(
    served: Served, admin: Member, part: dict[str, Any], page: Page
) -> None:
    measures = json.dumps({"state": "done", "measures": {"best_rotation": [90.0, 0.0, 0.0]}})
    with served.lab.store.writing() as db:
        db.conn.execute("UPDATE checks SET deep_state = 'done', deep = ?", (measures,))
    sign_in(page, "Ada", f"/files/{part['id']}/view")
    page.wait_for_selector(".viewer[data-state=ready]")
    page.get_by_role("button", name="As advised for printing").click()
    assert page.locator(".view-size").inner_text() == "40.0 mm × 10.0 mm × 20.0 mm"
    page.get_by_role("button", name="As advised for printing").click()
    assert page.locator(".view-size").inner_text() == "40.0 mm × 20.0 mm × 10.0 mm"
