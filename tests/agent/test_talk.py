"""Pairing, identity, client and spool against the real HTTP server."""

from __future__ import annotations

import gzip
import logging
import shutil
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fabcoord.agent import identity as identities
from fabcoord.agent.client import Backoff, Client
from fabcoord.agent.held import Held, Stage
from fabcoord.agent.http import Http
from fabcoord.agent.identity import Identity
from fabcoord.agent.messages import SyncRequest
from fabcoord.agent.pairing import pair
from fabcoord.agent.spool import Spool, WrongBytes
from fabcoord.errors import BadInput, Conflict, NotSignedIn, Superseded, TooBusy

from .doubles import GCODE, GCODE_SHA256, FakeServer

REQUEST = SyncRequest("i", "2026-03-01T00:00:00Z", "e", "0")
HELD = Held("a1", "t", "p1", GCODE_SHA256, len(GCODE), Stage.TRANSFERRING, "transferring")


@pytest.fixture
def client(server: FakeServer) -> Client:
    return Client(server.url, Identity(server.url, "ag1", server.token))


class TestPairing:
    def pair(self, server: FakeServer, path: Path, approve_after: int) -> list[str]:
        said: list[str] = []

        def wait(_seconds: float) -> bool:
            server.approved = server.counts["pair"] >= approve_after
            return False

        found = pair(path, server.url, "pi", say=said.append, wait=wait)
        assert found == Identity(server.url, "ag1", server.token)
        return said

    def test_the_code_is_shown_once_and_the_identity_kept(
        self, server: FakeServer, tmp_path: Path
    ) -> None:
        said = self.pair(server, tmp_path, 3)
        assert sum("ABCD-2345" in line for line in said) == 1
        assert server.url in said[0]
        assert identities.load(tmp_path) == Identity(server.url, "ag1", server.token)
        assert (tmp_path / "agent.json").stat().st_mode & 0o077 == 0
        assert not (tmp_path / "pairing").exists()

    def test_one_secret_through_lost_answers_and_restarts(
        self, server: FakeServer, tmp_path: Path
    ) -> None:
        stopped = pair(tmp_path, server.url, "pi", say=lambda _text: None, wait=lambda _s: True)
        assert stopped is None
        server.script = lambda _what, n: "lose" if n in (2, 3) else None
        self.pair(server, tmp_path, 3)
        secrets = {str(body["pairing"]) for body in server.paired_as}
        assert len(secrets) == 1
        assert len(secrets.pop()) >= 32

    def test_the_token_does_not_show(self, server: FakeServer, tmp_path: Path) -> None:
        said = self.pair(server, tmp_path, 1)
        assert server.token not in "".join(said)
        assert server.token not in repr(identities.load(tmp_path))
        assert "token" not in repr(HELD)


def test_a_second_process_cannot_take_the_lock(tmp_path: Path) -> None:
    with identities.lock(tmp_path), pytest.raises(Conflict, match="already works"):
        identities.lock(tmp_path)
    identities.lock(tmp_path).close()


def test_a_spoilt_identity_is_named(tmp_path: Path) -> None:
    (tmp_path / "agent.json").write_text("{")
    with pytest.raises(BadInput, match=r"agent\.json"):
        identities.load(tmp_path)


class TestClient:
    def test_errors_have_their_meaning(self, server: FakeServer, client: Client) -> None:
        answers: list[tuple[int | str, type[Exception]]] = [
            (401, NotSignedIn), (503, TooBusy), (500, TooBusy), (302, TooBusy), (400, BadInput),
            ("drop", TooBusy), (409, Superseded),
        ]  # fmt: skip
        server.problem = {"type": "x/superseded", "detail": "Scripted."}
        for order, kind in answers:
            server.script = lambda _what, _n, order=order: order
            with pytest.raises(kind):
                client.sync(REQUEST)

    def test_retry_after_is_heard(self, server: FakeServer, client: Client) -> None:
        server.script = lambda _what, _n: 503
        with pytest.raises(TooBusy) as caught:
            client.wake(0, 0)
        assert caught.value.extra["retry_after_s"] == 1.0

    def test_a_connection_that_idled_too_long_is_opened_again(
        self, server: FakeServer, client: Client
    ) -> None:
        client.sync(REQUEST)
        server.script = lambda _what, n: "drop" if n == 2 else None
        client.sync(REQUEST)
        assert server.counts["sync"] == 3

    def test_an_unreachable_server_is_a_plain_sentence(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
            with pytest.raises(TooBusy, match="cannot be reached"):
                Client(url).pair("pi", "x" * 32)

    @pytest.mark.parametrize("url", ["lab.local:8000", "ftp://lab", "http://", "http://a:99999"])
    def test_an_address_that_is_none_is_refused(self, url: str) -> None:
        with pytest.raises(BadInput):
            Client(url)

    def test_the_token_is_never_logged(
        self, client: Client, server: FakeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            client.sync(REQUEST)
        assert server.token not in caplog.text


def serve_once(body: bytes, headers: dict[str, str]) -> str:
    """A server that answers anything with ``body``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, text in headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)

    def run() -> None:
        http.handle_request()
        http.server_close()

    threading.Thread(target=run, daemon=True).start()
    return f"http://127.0.0.1:{http.server_address[1]}"


class TestHostileAnswers:
    def test_gzip_is_undone(self) -> None:
        url = serve_once(gzip.compress(b'{"seq": 7}'), {"Content-Encoding": "gzip"})
        assert Client(url, Identity(url, "a", "t")).wake(0) == 7

    @pytest.mark.parametrize(
        ("body", "headers"),
        [
            (b"<html>", {}),
            (b"[]", {}),
            (b'{"seq": null}', {}),
            (b"[" * 100_000, {}),
            (b"{", {"Content-Length": "100"}),
            (b"not gzip", {"Content-Encoding": "gzip"}),
            (gzip.compress(b" " * (8 << 20)), {"Content-Encoding": "gzip"}),
            (b" " * (5 << 20), {}),
        ],
    )
    def test_nonsense_is_the_server_being_away(self, body: bytes, headers: dict[str, str]) -> None:
        url = serve_once(body, headers)
        with pytest.raises(TooBusy):
            Client(url, Identity(url, "a", "t")).wake(0)

    def test_a_path_prefix_is_kept(self) -> None:
        assert Http("http://lab/fab/")._prefix == "/fab"


class TestSpool:
    def fetch(self, path: Path, client: Client, progress: Callable[[float], None]) -> Path:
        return Spool(path, reserve_bytes=0).fetch(HELD, client, progress)

    def test_goes_on_where_it_broke_off(
        self, server: FakeServer, client: Client, tmp_path: Path
    ) -> None:
        seen: list[float] = []
        server.break_after = 3000
        with pytest.raises(TooBusy):
            self.fetch(tmp_path, client, seen.append)
        path = self.fetch(tmp_path, client, seen.append)
        assert server.ranges == ["", "bytes=3000-"]
        assert path.read_bytes() == GCODE
        assert seen == sorted(seen)
        assert self.fetch(tmp_path, client, seen.append) == path
        assert len(server.ranges) == 2

    @pytest.mark.parametrize("kept", [b"!" * 100, b"!" * len(GCODE), b"!" * (len(GCODE) + 1)])
    def test_a_spoilt_piece_never_passes(self, kept: bytes, client: Client, tmp_path: Path) -> None:
        part = tmp_path / "fc-a1.gcode.part"
        part.write_bytes(kept)
        if len(kept) <= len(GCODE):
            with pytest.raises(WrongBytes):
                self.fetch(tmp_path, client, lambda _part: None)
        path = self.fetch(tmp_path, client, lambda _part: None)
        assert path.read_bytes() == GCODE

    def test_more_than_offered_is_not_kept(
        self, server: FakeServer, client: Client, tmp_path: Path
    ) -> None:
        server.gcode[GCODE_SHA256] = GCODE * 50
        with pytest.raises(WrongBytes):
            self.fetch(tmp_path, client, lambda _part: None)
        assert list(tmp_path.iterdir()) == []

    def test_leftovers_are_removed(self, tmp_path: Path) -> None:
        for name in ("fc-a1.gcode.part", "fc-old.gcode", "fc-older.gcode.part"):
            (tmp_path / name).touch()
        Spool(tmp_path).keep_only((HELD,))
        assert [path.name for path in tmp_path.iterdir()] == ["fc-a1.gcode.part"]

    def test_a_full_disk_is_named_before_anything_is_taken(self, tmp_path: Path) -> None:
        assert Spool(tmp_path, reserve_bytes=0).room_problem(1) == ""
        too_much = shutil.disk_usage(tmp_path).free + 1
        assert "almost full" in Spool(tmp_path).room_problem(too_much)


def test_waiting_times_grow_to_a_minute_and_start_over() -> None:
    backoff = Backoff()
    assert backoff.next_s() <= 1
    waits = [backoff.next_s() for _ in range(200)]
    assert max(waits) <= 60
    assert max(waits) > 20
    backoff.reset()
    assert backoff.next_s() <= 1
