"""Large files over bad links: a real server, real tus clients, and connections that break."""

from __future__ import annotations

import hashlib
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tusclient.client import TusClient

from .cut_link import CutLink
from .web_process import WebProcess

MB = 1_000_000
TUS = {"Tus-Resumable": "1.0.0"}


def gcode(path: Path, size: int) -> str:
    """A file that a lab takes, of random moves; its SHA-256."""
    made = random.Random(4)
    line = b"G1 X%d Y%d E%d\n"
    found = hashlib.sha256()
    with path.open("wb") as file:
        while size > 0:
            numbers = [made.randrange(10_000) for _ in range(3)]
            piece = (line % tuple(numbers))[:size] * max(1, min(2000, size // 40))
            file.write(piece[:size])
            found.update(piece[:size])
            size -= len(piece[:size])
    return found.hexdigest()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    with WebProcess(tmp_path_factory.mktemp("lab")) as web:
        yield web


def begin(web: WebProcess, size: int, **headers: str) -> str:
    answer = requests.post(
        f"{web.url}/api/v1/uploads",
        headers=web.headers | TUS | {"Upload-Length": str(size)} | headers, timeout=30,
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return web.url + answer.headers["Location"]


def offset_of(web: WebProcess, place: str) -> int:
    answer = requests.head(place, headers=web.headers | TUS, timeout=30)
    return int(answer.headers["Upload-Offset"])


def until(said: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def open_piece(
    web: WebProcess, place: str, offset: int, length: int, first: bytes
) -> socket.socket:
    """A PATCH whose body is sent only to its first bytes."""
    connection = socket.create_connection(("127.0.0.1", web.port))
    path = place.removeprefix(web.url)
    lines = [
        f"PATCH {path} HTTP/1.1", "Host: lab", f"Authorization: Bearer {web.token}",
        "Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream",
        f"Upload-Offset: {offset}", f"Content-Length: {length}",
    ]  # fmt: skip
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + first)
    return connection


def test_tuspy_brings_a_file_over_a_link_that_breaks_every_two_megabytes(
    web: WebProcess, tmp_path: Path
) -> None:
    path = tmp_path / "long print.gcode"
    sha256 = gcode(path, 30 * MB)
    with CutLink(web.port, 2 * MB) as link:
        client = TusClient(f"{link.url}/api/v1/uploads", headers=web.headers)
        uploader = client.uploader(
            str(path), chunk_size=8 * MB, retries=50, retry_delay=0,
            metadata={"filename": path.name},
        )  # fmt: skip
        uploader.upload()
        assert link.cuts >= 14
        assert link.sent_bytes < 42 * MB, "what had arrived was sent again"
    upload_id = uploader.url.rpartition("/")[2]
    stored = requests.post(
        f"{web.url}/api/v1/designs", headers=web.headers, timeout=60,
        json={"upload_id": upload_id, "licence": "CC0-1.0"},
    ).json()  # fmt: skip
    (file,) = stored["revision"]["files"]
    assert (file["name"], file["size"], file["sha256"]) == (path.name, 30 * MB, sha256)
    content = requests.get(
        f"{web.url}/api/v1/files/{file['id']}/content", headers=web.headers, timeout=60
    ).content
    assert hashlib.sha256(content).hexdigest() == sha256


def test_tuspy_sends_checksums_that_are_looked_at(web: WebProcess, tmp_path: Path) -> None:
    path = tmp_path / "a.gcode"
    sha256 = gcode(path, 3 * MB)
    client = TusClient(f"{web.url}/api/v1/uploads", headers=web.headers)
    uploader = client.uploader(str(path), chunk_size=MB, upload_checksum=True)
    uploader.upload()
    found = requests.get(uploader.url, headers=web.headers, timeout=30).json()
    assert found["sha256"] == sha256


def test_a_killed_server_keeps_what_it_had_told_of(tmp_path: Path) -> None:
    body = random.Random(1).randbytes(12 * MB)
    with WebProcess(tmp_path) as web:
        place = begin(web, len(body))
        connection = open_piece(web, place, 0, len(body), body[: 10 * MB])
        until(lambda: offset_of(web, place) >= 8 * MB)
        told = offset_of(web, place)
        web.kill()
        connection.close()
        web.start()
        kept = offset_of(web, place)
        assert kept >= told
        rest = requests.patch(
            place, data=body[kept:], timeout=30,
            headers=web.headers | TUS
            | {"Upload-Offset": str(kept), "Content-Type": "application/offset+octet-stream"},
        )  # fmt: skip
        assert rest.status_code == 204
        found = requests.get(place, headers=web.headers, timeout=30).json()
        assert found["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_second_sender_waits_until_the_first_is_silent(web: WebProcess) -> None:
    place = begin(web, 100_000)
    first = open_piece(web, place, 0, 100_000, bytes(70_000))
    piece = web.headers | TUS | {"Content-Type": "application/offset+octet-stream"}

    def send(offset: int, data: bytes) -> requests.Response:
        headers = piece | {"Upload-Offset": str(offset)}
        return requests.patch(place, data=data, headers=headers, timeout=30)

    until(lambda: send(0, b"").status_code == 423)
    # The first connection never ends by itself: its sender walked out of the Wi-Fi.
    until(lambda: offset_of(web, place) > 0)
    at = offset_of(web, place)
    assert send(at, bytes(100_000 - at)).status_code == 204
    assert requests.get(place, headers=web.headers, timeout=30).json()["complete"]
    first.close()


def test_slow_senders_keep_nobody_else_waiting(web: WebProcess) -> None:
    slow = []
    try:
        for _ in range(32):
            place = begin(web, 1000)
            slow.append((place, open_piece(web, place, 0, 1000, b"x")))
        one_more = begin(web, 1000)
        headers = web.headers | TUS | {"Content-Type": "application/offset+octet-stream"}

        def answer() -> requests.Response:
            return requests.patch(
                one_more, data=b"y", headers=headers | {"Upload-Offset": "0"}, timeout=30
            )

        refused = answer()
        assert refused.status_code == 503
        assert "Retry-After" in refused.headers
        assert requests.get(f"{web.url}/healthz", timeout=30).status_code == 200
    finally:
        for _, connection in slow:
            connection.close()
    for place, _ in slow:
        until(lambda place=place: offset_of(web, place) == 1)
        requests.delete(place, headers=web.headers | TUS, timeout=30)
