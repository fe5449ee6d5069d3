"""The QR code on the room's screen: what it says, and when it is not shown."""

from __future__ import annotations

from pathlib import Path

import pytest
import segno

from fabcoord.app import create_app
from fabcoord.config import Settings
from fabcoord.members import accounts
from fabcoord.members.roles import Role
from fabcoord.web.phone import reachable


def kiosk_page(data_dir: Path, host: str, public_url: str = "") -> str:
    app = create_app(Settings(data_dir=data_dir, public_url=public_url))
    lab = app.extensions["fabcoord"]
    with lab.store.writing() as db:
        screen = accounts.create(db, "Screen", Role.KIOSK)
        token = accounts.create_token(db, screen)
    client = app.test_client()
    answer = client.get("/kiosk", headers={"Authorization": f"Bearer {token}", "Host": host})
    assert answer.status_code == 200
    lab.store.close()
    return answer.text


def code_of(url: str) -> str:
    return segno.make(url, error="m", micro=False).svg_data_uri(border=2, light="#fff")


@pytest.mark.parametrize(
    ("host", "public_url", "leads_to"),
    [
        ("lab.local:8000", "", "http://lab.local:8000/designs/new"),
        ("127.0.0.1:8000", "https://lab.example.org/", "https://lab.example.org/designs/new"),
        ("lab.local", "https://lab.example.org", "https://lab.example.org/designs/new"),
    ],
)
def test_the_code_leads_to_the_upload_page(
    tmp_path: Path, host: str, public_url: str, leads_to: str
) -> None:
    page = kiosk_page(tmp_path, host, public_url)
    assert f"QR code of {leads_to}" in page
    assert code_of(leads_to).replace("'", "&#39;") in page


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000"])
def test_no_code_is_shown_where_a_phone_would_find_nothing(tmp_path: Path, host: str) -> None:
    assert "QR code" not in kiosk_page(tmp_path, host)


def test_addresses_that_a_phone_can_reach() -> None:
    assert reachable("http://192.168.1.5:8000/")
    assert not reachable("http://127.0.0.2/")
    assert not reachable("nonsense")
