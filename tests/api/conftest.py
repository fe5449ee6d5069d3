"""A lab's application in this process, and clients that are somebody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fabcoord.app import create_app
from fabcoord.config import Settings
from fabcoord.demo import binary_stl, box
from fabcoord.lab import Lab, open_lab
from fabcoord.members import accounts
from fabcoord.members.roles import Role
from fabcoord.queue import agents
from fabcoord.store.database import rows

CUBE = binary_stl(box(20, 20, 20))


class Caller:
    """A client that sends its token with everything."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self.client, self.token = client, token

    def __call__(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= options.pop("headers", {})
        address = path if path.startswith(("/api", "/healthz", "/metrics")) else f"/api/v1{path}"
        return self.client.open(address, method=method, headers=headers, **options)

    def design(self, **fields: Any) -> dict[str, Any]:
        """Store a cube as a design."""
        answer = self("POST", "/designs", data=form(**fields))
        assert answer.status_code == 201, answer.text
        return answer.json  # type: ignore[no-any-return]


def form(name: str = "cube.stl", data: bytes = CUBE, **fields: Any) -> dict[str, Any]:
    from io import BytesIO

    return {"licence": "CC0-1.0", "file": (BytesIO(data), name)} | fields


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = open_lab(Settings(tmp_path, max_upload_mb=1, max_streams=2))
    lab.store.announce = lambda run_id: None
    yield lab
    lab.store.close()


@pytest.fixture
def app(lab: Lab) -> Flask:
    app = create_app(lab.settings, lab)
    app.testing = False  # errors are answered, as they are in the lab
    return app


@pytest.fixture
def caller(app: Flask, lab: Lab) -> Callable[[str], Caller]:
    """Makes a client: ben and eve are members; staff, admin, kiosk, agent; "" is nobody."""
    roles = {
        "ben": Role.MEMBER,
        "eve": Role.MEMBER,
        "staff": Role.STAFF,
        "admin": Role.ADMIN,
        "kiosk": Role.KIOSK,
    }

    def call_as(who: str) -> Caller:
        with lab.store.writing() as db:
            if who == "agent":
                token = agents.register(db, "Pi")[1]
            elif who:
                member = accounts.by_name(db, who) or accounts.create(db, who, roles[who])
                token = accounts.create_token(db, member)
            else:
                token = ""
        return Caller(app.test_client(use_cookies=False), token)

    return call_as


@pytest.fixture
def ben(caller: Callable[[str], Caller]) -> Caller:
    return caller("ben")


@pytest.fixture
def staff(caller: Callable[[str], Caller]) -> Caller:
    return caller("staff")


def left_behind(lab: Lab) -> list[str]:
    """Every file under the blobs, and every design."""
    found = [path.name for path in lab.settings.blobs.rglob("*") if path.is_file()]
    with lab.store.reading() as db:
        return found + [item["id"] for item in rows(db, "SELECT id FROM designs")]
