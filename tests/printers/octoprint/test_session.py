"""What answers at an OctoPrint's address may be slow, endless, or not OctoPrint at all."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fabcoord.errors import BadInput, PrinterError, PrinterOffline
from fabcoord.printers.base import Activity
from fabcoord.printers.octoprint import OctoPrintPrinter, driver
from fabcoord.printers.octoprint.client import Client
from fabcoord.printers.octoprint.session import TimeLimits

QUICK = TimeLimits(connect_s=1.0, read_s=0.3, total_s=0.5)
VERSION = b'{"api": "0.1", "server": "1.11.8", "text": "OctoPrint 1.11.8"}'


def answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


@contextmanager
def serving(talk: Callable[[socket.socket, bytes], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads each request's head and hands the connection to ``talk``."""
    listener = socket.create_server(("127.0.0.1", 0))
    requests: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    def converse(connection: socket.socket) -> None:
        with connection:
            head = connection.recv(65536)
            requests.append(head)
            try:
                talk(connection, head)
            except OSError:  # the client has had enough
                return

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        listener.close()


def says(reply: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, _: connection.sendall(reply)


def test_one_that_never_answers_is_offline_in_time() -> None:
    def silence(*_: object) -> None:
        time.sleep(5)

    with serving(silence) as (url, _), pytest.raises(PrinterOffline, match="does not answer"):
        Client(url, "key", QUICK).version()


def test_one_that_answers_byte_by_byte_for_ever_is_offline_in_time() -> None:
    def drip(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b" ")
            time.sleep(0.02)

    with serving(drip) as (url, _), pytest.raises(PrinterOffline, match="does not answer"):
        Client(url, "key", QUICK).version()


def test_one_that_sends_without_end_is_cut_off() -> None:
    def flood(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b" " * 65536)

    with serving(flood) as (url, _), pytest.raises(PrinterError, match="far more"):
        Client(url, "key", TimeLimits()).version()


@pytest.mark.parametrize(
    "body",
    [
        b"<html>router</html>",
        b"[" * 100_000,
        b"[]",
        b"null",
        b'{"state": 7}',
        b'{"job": []}',
        b"\xff",
    ],
)
def test_what_is_not_octoprint_is_told_so(body: bytes) -> None:
    with serving(says(answer(body))) as (url, _):
        client = Client(url, "key", QUICK)
        with pytest.raises(PrinterError, match="not"):
            client.version()
        with pytest.raises(PrinterError, match="not"):
            client.job()


def test_hostile_values_in_a_job_do_no_harm() -> None:
    body = (
        b'{"state": "Printing", "job": {"file": {"name": "a\\u001b[2J\\n' + b"x" * 5000 + b'"}},'
        b' "progress": {"completion": 1e999, "printTimeLeft": 1' + b"0" * 400 + b"}}"
    )
    with serving(says(answer(body))) as (url, _):
        job = Client(url, "key", QUICK).job()
    assert job.activity is Activity.PRINTING
    assert (job.progress, job.remaining_s) == (0.0, None)
    assert job.name.isprintable()
    assert len(job.name) <= 200


def test_the_key_does_not_follow_a_redirect() -> None:
    with serving(says(answer(VERSION))) as (other, others_requests):
        moved = answer(b"", "302 Found", f"Location: {other}/api/version\r\n")
        with serving(says(moved)) as (url, _), pytest.raises(PrinterError, match="another address"):
            Client(url, "SECRETKEY", QUICK).version()
        assert others_requests == []


def test_the_key_is_not_told_even_when_the_other_side_tells_it() -> None:
    echo = says(answer(b'{"error": "no: SECRETKEY"}', "400 Bad Request"))
    with serving(echo) as (url, _), pytest.raises(PrinterError) as caught:
        Client(url, "SECRETKEY", QUICK).version()
    assert "SECRETKEY" not in str(caught.value)


def test_a_reset_connection_is_tried_once_more_when_nothing_can_happen_twice() -> None:
    def flaky(connection: socket.socket, _: bytes) -> None:
        if len(requests) > 1:
            connection.sendall(answer(VERSION))

    with serving(flaky) as (url, requests):
        assert Client(url, "key", QUICK).version() == "OctoPrint 1.11.8"
        assert [head.split()[0] for head in requests] == [b"GET", b"GET"]
        requests.clear()
        with pytest.raises(PrinterOffline):
            Client(url, "key", QUICK).cancel()
        assert [head.split()[0] for head in requests] == [b"POST"]


def test_every_request_closes_its_connection_and_stays_below_the_path() -> None:
    with serving(says(answer(VERSION))) as (url, requests):
        Client(f"{url}/printer3", "key", QUICK).version()
    assert requests[0].startswith(b"GET /printer3/api/version ")
    assert b"connection: close" in requests[0].lower()


@pytest.mark.parametrize("url", ["", "octopi.local", "ftp://octopi.local", "http://"])
def test_what_is_no_address_is_told_so(url: str) -> None:
    with pytest.raises(BadInput, match="not one"):
        OctoPrintPrinter(url, "key")


def test_the_status_of_one_that_hangs_is_there_at_once_and_offline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver, "_WATCH_LIMITS", QUICK)
    hang = threading.Event()
    answers = {
        b"/api/version": VERSION,
        b"/api/currentuser": b'{"permissions": ["STATUS", "FILES_LIST", "FILES_UPLOAD",'
        b' "FILES_SELECT", "FILES_DELETE", "PRINT", "CONTROL"]}',
        b"/api/job": b'{"state": "Operational"}',
        b"/api/printer": b"{}",
    }

    def talk(connection: socket.socket, head: bytes) -> None:
        if hang.is_set():
            time.sleep(5)
        connection.sendall(answer(answers[head.split()[1].split(b"?")[0]]))

    with serving(talk) as (url, _):
        printer = OctoPrintPrinter(url, "key")
        printer.connect()
        assert printer.status().activity is Activity.IDLE
        hang.set()
        deadline = time.monotonic() + 10
        while (status := printer.status()).activity is not Activity.OFFLINE:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert "does not answer" in status.reason
        printer.close()
