"""A lab with somebody to tell, and real servers on loopback that listen."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fabcoord.config import Settings
from fabcoord.lab import Lab, open_lab
from fabcoord.members import accounts
from fabcoord.members.roles import Member, Role
from fabcoord.notices import courier, targets
from fabcoord.notices.courier import Courier
from fabcoord.queue.policy import Policy
from fabcoord.store.database import Row, rows


@dataclass
class Heard:
    """What a server received, and what it answers."""

    url: str = ""
    port: int = 0
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)  # statuses of the next answers, then 200
    redirect_to: str = ""

    @property
    def notices(self) -> list[dict[str, Any]]:
        return [one for _, _, body in self.posts for one in json.loads(body)["notices"]]


@pytest.fixture
def web() -> Iterator[Heard]:
    """An HTTP server: a webhook's receiver, or an ntfy."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = heard.answers.pop(0) if heard.answers else 200
            if status == 200:
                headers = {name.lower(): value for name, value in self.headers.items()}
                heard.posts.append((self.path, headers, body))
            self.send_response(status)
            if heard.redirect_to:
                self.send_header("Location", heard.redirect_to)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard.port = server.server_port
    heard.url = f"http://127.0.0.1:{heard.port}"
    yield from _running(server, heard)


@pytest.fixture
def mail() -> Iterator[Heard]:
    """An SMTP server, as much of RFC 5321 as a sender needs."""
    heard = Heard()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                verb = line[:4].upper().strip()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = []
                    while (part := self.rfile.readline()) not in (b".\r\n", b""):
                        lines.append(part)
                    heard.mails.append(b"".join(lines).decode())
                if verb == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                self.wfile.write(b"250 ok\r\n")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    heard.port = server.server_address[1]
    yield from _running(server, heard)


def _running(server: Any, heard: Heard) -> Iterator[Heard]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield heard
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Town:
    """A lab with a member of staff and a member, whose notices are sent when the test says so."""

    lab: Lab
    staff: Member
    ben: Member

    def __post_init__(self) -> None:
        self.courier = Courier(self.lab.store, self.lab.settings, Policy())

    def target(self, address: str, who: Member | None = None, **given: Any) -> str:
        with self.lab.store.writing() as db:
            return targets.add(
                db, who or self.staff, self.lab.settings,
                {"means": "webhook", "address": address, "lab": True} | given,
            )[0]  # fmt: skip

    def row(self, target_id: str) -> Row:
        with self.lab.store.reading() as db:
            return rows(db, "SELECT * FROM notice_targets WHERE id = ?", (target_id,))[0]

    def notices(self) -> list[Row]:
        with self.lab.store.reading() as db:
            return rows(db, "SELECT * FROM notices ORDER BY seq")

    def now_due(self) -> None:
        """Whatever a target is left alone for is over."""
        with self.lab.store.writing() as db:
            db.conn.execute("UPDATE notice_targets SET not_before = ''")

    def carry(self) -> int:
        """Send all that is due; returns how many messages were taken."""
        return sum(self.courier.serve(target_id) for target_id in self.courier.waiting())


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setattr(courier, "_GATHER_S", -1.0)
    lab = open_lab(Settings(tmp_path))
    with lab.store.writing() as db:
        staff = accounts.create(db, "Ada", Role.STAFF)
        ben = accounts.create(db, "Ben", Role.MEMBER)
    yield Town(lab, staff, ben)
    lab.store.close()
