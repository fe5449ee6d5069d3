"""The upload page over a link that breaks: progress, pausing, resuming, recognising, refusing."""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from fabcoord.designs import library
from fabcoord.designs.library import NewFile
from fabcoord.members.roles import Member, Role
from fabcoord.store.database import rows
from tests.e2e.cut_link import CutLink

from .conftest import Served, cube, sign_in

pytestmark = pytest.mark.browser

MB = 1_000_000


@pytest.fixture
def grace(served: Served, admin: Member) -> Member:
    return served.add_member("Grace", Role.MEMBER)


def gcode(path: Path, size: int) -> str:
    """G-code that nothing on the way can pack; its SHA-256."""
    line = b"; " + random.Random(2).randbytes(24).hex().encode() + b"\n"
    data = (line * (size // len(line) + 1))[:size]
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def stored(served: Served) -> list[tuple[str, str]]:
    """The name and hash of each file in the library."""
    with served.lab.store.reading() as db:
        found = rows(db, "SELECT name, sha256 FROM files ORDER BY name")
    return [(one["name"], one["sha256"]) for one in found]


def choose(page: Page, *files: Path) -> None:
    page.get_by_label("Bring a file").set_input_files(list(files))


def test_a_file_comes_whole_through_a_link_that_breaks_again_and_again(
    served: Served, grace: Member, page: Page, tmp_path: Path
) -> None:
    sha256 = gcode(tmp_path / "long.gcode", 12 * MB)
    with CutLink(int(served.url.rpartition(":")[2]), 2 * MB) as link:
        page.goto(f"{link.url}/sign-in?next=/designs/new")
        page.get_by_label("Name").fill("Grace")
        page.get_by_label("Password").fill("three small words")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/designs/new")
        choose(page, tmp_path / "long.gcode")
        page.get_by_label("Title").fill("A long print")
        page.get_by_role("button", name="Upload and check").click()
        expect(page.get_by_role("heading", name="A long print")).to_be_visible(timeout=60_000)
        assert link.cuts >= 5
    assert stored(served) == [("long.gcode", sha256)]


def test_after_a_reload_only_what_lacks_is_sent(
    served: Served, grace: Member, page: Page, tmp_path: Path
) -> None:
    sha256 = gcode(tmp_path / "long.gcode", 20 * MB)
    sign_in(page, "Grace", "/designs/new")
    held: list[Route] = []

    def hold_second(route: Route) -> None:
        if route.request.method == "PATCH" and route.request.headers["upload-offset"] != "0":
            held.append(route)
        else:
            route.continue_()

    page.route("**/api/v1/uploads/*", hold_second)
    choose(page, tmp_path / "long.gcode")
    expect(page.locator("[data-words]")).to_contain_text("80 %")
    page.reload()
    page.unroute("**/api/v1/uploads/*")
    expect(page.locator("[data-words]")).to_contain_text("80 % arrived earlier")

    sent: list[int] = []
    page.on("request", lambda one: sent.append(int(one.headers["upload-offset"]))
            if one.method == "PATCH" else None)  # fmt: skip
    choose(page, tmp_path / "long.gcode")
    expect(page.locator("[data-state=done]")).to_have_count(1)
    expect(page.locator("[data-state=left]")).to_have_count(0)
    assert sent == [16 * MB]
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("heading", name="long", exact=True)).to_be_visible()
    assert stored(served) == [("long.gcode", sha256)]


def test_an_upload_is_paused_gone_on_with_and_taken_back(
    served: Served, grace: Member, page: Page, tmp_path: Path
) -> None:
    gcode(tmp_path / "long.gcode", 40 * MB)
    sign_in(page, "Grace", "/designs/new")
    held: list[Route] = []
    page.route(
        "**/api/v1/uploads/*",
        lambda route: held.append(route) if route.request.method == "PATCH" else route.continue_(),
    )
    choose(page, tmp_path / "long.gcode")
    line = page.locator(".uploads .line")
    page.get_by_role("button", name="Pause").click()
    expect(line).to_contain_text("Paused at 0 %")
    page.unroute("**/api/v1/uploads/*")
    page.get_by_role("button", name="Go on").click()
    expect(line).to_have_attribute("data-state", "done")
    page.get_by_role("button", name="Remove").click()
    expect(line).to_have_count(0)
    page.wait_for_function(
        "fetch('/api/v1/uploads').then((a) => a.json()).then((a) => !a.items.length)"
    )
    assert list(served.lab.settings.uploads.iterdir()) == []


def test_an_upload_waits_for_the_network(
    served: Served, grace: Member, page: Page, tmp_path: Path
) -> None:
    sha256 = gcode(tmp_path / "long.gcode", 3 * MB)
    sign_in(page, "Grace", "/designs/new")
    page.context.set_offline(True)
    choose(page, tmp_path / "long.gcode")
    expect(page.locator("[data-words]")).to_contain_text("No connection")
    page.context.set_offline(False)
    expect(page.locator("[data-state=done]")).to_have_count(1)
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("heading", name="long", exact=True)).to_be_visible()
    assert stored(served) == [("long.gcode", sha256)]


def test_what_the_lab_has_is_not_sent_again(
    served: Served, grace: Member, page: Page, tmp_path: Path
) -> None:
    data = b"".join(b"G1 X%d\n" % number for number in range(120_000))
    (tmp_path / "known.gcode").write_bytes(data)
    sha256 = served.lab.blobs.add(data)
    known = NewFile("known.gcode", sha256, len(data), "gcode")
    with served.lab.store.writing() as db:
        library.create(db, grace, title="Known", licence="CC0-1.0", files=[known])
    assert sha256 == hashlib.sha256(data).hexdigest()
    sign_in(page, "Grace", "/designs/new")
    patches: list[str] = []
    page.on("request", lambda one: patches.append(one.url) if one.method == "PATCH" else None)
    choose(page, tmp_path / "known.gcode")
    expect(page.locator(".uploads .line")).to_contain_text("The lab has it already")
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("heading", name="known", exact=True)).to_be_visible()
    assert stored(served) == [("known.gcode", sha256)] * 2
    assert patches == []


def test_several_files_and_a_zip_become_one_design(
    served: Served, grace: Member, page: Page, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("kit/lid.stl", cube(30))
        archive.writestr("kit/read me.txt", "Print slowly.")
    (tmp_path / "kit.zip").write_bytes(buffer.getvalue())
    (tmp_path / "one.stl").write_bytes(cube(10))
    (tmp_path / "two.stl").write_bytes(cube(11))
    sign_in(page, "Grace", "/designs/new")
    choose(page, tmp_path / "one.stl", tmp_path / "two.stl")
    choose(page, tmp_path / "kit.zip")
    expect(page.locator(".uploads .line")).to_have_count(3)
    page.get_by_label("Title").fill("Kit")
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("heading", name="Kit", exact=True)).to_be_visible()
    assert [name for name, _ in stored(served)] == ["lid.stl", "one.stl", "two.stl"]


def test_what_was_not_used_can_be_used_later(
    served: Served, grace: Member, page: Page, tmp_path: Path
) -> None:
    (tmp_path / "part.stl").write_bytes(cube())
    sign_in(page, "Grace", "/designs/new")
    choose(page, tmp_path / "part.stl")
    expect(page.locator("[data-state=done]")).to_have_count(1)
    page.reload()
    expect(page.locator(".uploads .line")).to_contain_text("Arrived earlier")
    page.get_by_role("button", name="Use it").click()
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("heading", name="part", exact=True)).to_be_visible()
    assert [name for name, _ in stored(served)] == ["part.stl"]


def test_a_file_that_is_too_large_is_not_even_begun(
    served: Served, grace: Member, page: Page, tmp_path: Path
) -> None:
    with (tmp_path / "huge.stl").open("wb") as file:
        file.truncate(513 * MB)
    sign_in(page, "Grace", "/designs/new")
    choose(page, tmp_path / "huge.stl")
    expect(page.locator("[data-state=failed]")).to_contain_text("larger than this lab takes")
    page.get_by_role("button", name="Upload and check").click()
    expect(page).to_have_url(f"{served.url}/designs/new")
