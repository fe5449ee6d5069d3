"""The static files: what is carried is what was published, and caches may keep it."""

from __future__ import annotations

import base64
import gzip
import hashlib
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from fabcoord.app import create_app
from fabcoord.config import Settings
from fabcoord.web.files import DIRECTORY, static_url

ROOT = Path(__file__).parents[2]
LOCK = DIRECTORY / "vendor" / "vendor.lock"
CARRIED = [line.split() for line in LOCK.read_text().splitlines() if not line.startswith("#")]


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return create_app(Settings(data_dir=tmp_path)).test_client()


@pytest.mark.parametrize(("package", "version", "source", "place", "digest"), CARRIED)
def test_a_carried_file_is_the_one_in_the_lock(
    package: str, version: str, source: str, place: str, digest: str
) -> None:
    found = hashlib.sha384((ROOT / place).read_bytes()).digest()
    assert f"sha384-{base64.b64encode(found).decode()}" == digest


def test_nothing_is_carried_that_the_lock_does_not_name() -> None:
    named = {ROOT / place for _, _, _, place, _ in CARRIED}
    assert {path for path in (DIRECTORY / "vendor").rglob("*") if path.is_file()} - {LOCK} <= named


def test_a_static_file_is_kept_for_a_year_and_sets_no_cookie(client: FlaskClient) -> None:
    response = client.get(static_url("fabcoord.css"))
    assert response.status_code == 200
    assert "max-age=31536000" in response.headers["Cache-Control"]
    assert "immutable" in response.headers["Cache-Control"]
    assert "Set-Cookie" not in response.headers


def test_nothing_beside_the_static_files_is_served(client: FlaskClient) -> None:
    for path in ("/static/../frame.py", "/static/%2e%2e/frame.py", "/static//etc/passwd"):
        assert client.get(path).status_code in (301, 308, 404)


def test_the_style_sheet_stays_small() -> None:
    assert len(gzip.compress((DIRECTORY / "fabcoord.css").read_bytes())) <= 15_000
