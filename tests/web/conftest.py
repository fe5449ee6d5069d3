"""A lab served on a free port, what an agent would say to it, and a real browser to look at it."""

from __future__ import annotations

import queue
import shutil
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from werkzeug.serving import make_server

from fabcoord.agent.messages import (
    AgentEvent,
    LiveAttempt,
    PrinterTelemetry,
    PrintTelemetry,
    SyncRequest,
)
from fabcoord.app import create_app, start_background
from fabcoord.config import Settings
from fabcoord.designs import library
from fabcoord.designs.library import NewFile
from fabcoord.lab import Lab
from fabcoord.members import accounts
from fabcoord.members.roles import Member, Role
from fabcoord.queue import agents, jobs, printers
from fabcoord.store.values import now

PASSWORD = "three small words"
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Served:
    """A running lab: its address and its insides."""

    url: str
    lab: Lab
    app: Any

    def add_member(self, name: str, role: Role = Role.MEMBER) -> Member:
        with self.lab.store.writing() as db:
            return accounts.create(db, name, role, password=PASSWORD)


@dataclass
class Agent:
    """Says to the lab what an agent would say."""

    lab: Lab
    me: agents.Agent
    seq: int = 0
    held: dict[str, str] = field(default_factory=dict)

    def add_printer(self, admin: Member, name: str, **facts: Any) -> str:
        plate_clear = facts.pop("plate_clear", False)
        given = {"name": name, "machine": "demo", "driver": "virtual", "agent_id": self.me.id}
        with self.lab.store.writing() as db:
            return printers.create(db, admin, given | facts, plate_clear=plate_clear)

    def says(
        self,
        *telemetry: PrinterTelemetry,
        event: str = "",
        attempt_id: str = "",
        reason: str = "",
    ) -> Any:
        """One sync, with at most one event of an attempt."""
        events: tuple[AgentEvent, ...] = ()
        if event:
            self.seq += 1
            events = (
                AgentEvent(self.seq, event, attempt_id, self.held[attempt_id], now(), reason),
            )
        said = SyncRequest(
            instance="one", instance_started_at="2026-01-01T00:00:00.000Z", epoch="first",
            version="test", printers=telemetry, events=events,
            live=tuple(LiveAttempt(*item) for item in self.held.items()),
        )  # fmt: skip
        with self.lab.store.writing() as db:
            answer = agents.sync(db, self.me, said, interval_s=2, lease_s=600)
        self.held |= {offer.attempt_id: offer.token for offer in answer.offers}
        return answer


def seen(
    printer_id: str,
    activity: str = "idle",
    *,
    reason: str = "",
    print_: PrintTelemetry | None = None,
) -> PrinterTelemetry:
    """A printer as its driver might see it."""
    hot = activity in ("printing", "paused")
    temperatures: dict[str, float | None] = {
        "hotend_c": 209.6 if hot else 23.1, "hotend_target_c": 210.0 if hot else 0.0,
        "bed_c": 60.2 if hot else 22.8, "bed_target_c": 60.0 if hot else 0.0,
    }  # fmt: skip
    return PrinterTelemetry(printer_id, activity, reason, temperatures, print_)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A lab with a server, its clockwork, and one thread that does its background work."""
    settings = Settings(data_dir=tmp_path, lab_name="Fablab Test")
    app = create_app(settings)
    lab: Lab = app.extensions["fabcoord"]
    runs: queue.Queue[str | None] = queue.Queue()
    lab.store.announce = runs.put

    def work() -> None:
        while (run_id := runs.get()) is not None:
            lab.work.execute(run_id)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    background = start_background(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield Served(f"http://127.0.0.1:{server.server_port}", lab, app)
    lab.store.hub.close()
    server.shutdown()
    server.server_close()
    for one in background:
        one.stop()
    runs.put(None)
    worker.join(timeout=10)
    lab.store.close()


@pytest.fixture
def admin(served: Served) -> Member:
    return served.add_member("Ada", Role.ADMIN)


@pytest.fixture
def agent(served: Served) -> Agent:
    with served.lab.store.writing() as db:
        me, _ = agents.register(db, "workshop")
    return Agent(served.lab, me)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The only Playwright of this process: a second one beside it would refuse to start."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    with launched(playwright, CHROMIUM_OPTIONS) as browser:
        yield browser


@contextmanager
def launched(playwright: Playwright, options: list[str]) -> Iterator[Browser]:
    """A Chromium while the block runs; skips the test where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed; script/test installs it")
    browser = playwright.chromium.launch(executable_path=chromium, args=options)
    yield browser
    browser.close()


@dataclass
class Watched:
    """A page, and all that went wrong in it."""

    page: Page
    complaints: list[str]


@pytest.fixture
def watched(browser: Browser, served: Served) -> Iterator[Watched]:
    """A browser page on the lab. What the console or the CSP complained about fails the test."""
    context = browser.new_context(base_url=served.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    yield Watched(page, complaints)
    context.close()
    # The browser notes by itself what tests do on purpose: a press that is refused with 4xx, and
    # requests that are held back.
    meant = (
        *("responded with a status of 4", "net::ERR_FAILED", "htmx:sendError"),
        *("net::ERR_CONNECTION_", "net::ERR_INTERNET_DISCONNECTED", "net::ERR_EMPTY_RESPONSE"),
    )
    assert [said for said in complaints if not any(one in said for one in meant)] == []


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


def sign_in(page: Page, name: str, to: str = "/") -> None:
    """Sign in through the page, ending on ``to``."""
    page.goto(f"/sign-in?next={to}")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{to}")


def cube(size_mm: float = 20.0) -> bytes:
    """A binary STL of a cube."""
    corners = [(x, y, z) for x in (0.0, size_mm) for y in (0.0, size_mm) for z in (0.0, size_mm)]
    squares = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = [tri for a, b, c, d in squares for tri in ((a, b, c), (a, c, d))]
    body = b"".join(
        struct.pack("<12fH", 0, 0, 0, *(value for corner in tri for value in corners[corner]), 0)
        for tri in triangles
    )
    return bytes(80) + struct.pack("<I", len(triangles)) + body


def store_design(served: Served, owner: Member, title: str, file_name: str = "cube.stl") -> str:
    """A cube in the library, without the upload page."""
    lab = served.lab
    data = cube()
    new = NewFile(file_name, lab.blobs.add(data), len(data), "stl")
    with lab.store.writing() as db:
        return library.create(db, owner, title=title, licence="CC0-1.0", files=[new])


def ask_for(served: Served, member: Member, design_id: str, **wishes: Any) -> str:
    """A job, without the page."""
    with served.lab.store.writing() as db:
        asked = {"design_id": design_id, "copies": 1, **wishes}
        return jobs.create(db, served.lab.preparation, member, asked)


def wait_for(served: Served, said: Callable[[Any], Any], seconds: float = 20.0) -> Any:
    """What ``said`` finds in the database, as soon as it finds something."""
    store, deadline = served.lab.store, time.monotonic() + seconds
    while True:
        count = store.hub.count
        with store.reading() as db:
            found = said(db)
        if found:
            return found
        left = deadline - time.monotonic()
        assert left > 0, "it did not happen in time"
        store.hub.wait(count, left)


def start_print(served: Served, agent: Agent, printer_id: str, progress: float = 0.0) -> str:
    """Let the agent take what the lab offers for this printer and print it; the attempt's id."""
    attempt = wait_for(served, lambda db: printers.open_attempt(db, printer_id))
    attempt_id = str(attempt["id"])
    agent.says()
    for event in ("accepted", "transferring", "starting", "printing"):
        agent.says(event=event, attempt_id=attempt_id)
    running = PrintTelemetry(attempt_id, "fc.gcode", progress, 31, 100, 2400.0 * (1 - progress))
    agent.says(seen(printer_id, "printing", print_=running))
    return attempt_id
