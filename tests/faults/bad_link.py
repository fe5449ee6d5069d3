"""The network between one agent and the server, as bad as a test wants it."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Self

_PASSED_ON = ("Authorization", "Content-Type", "Accept", "Accept-Encoding", "Range", "User-Agent")
_ANSWERED = ("Content-Type", "Content-Encoding", "Content-Range", "ETag", "Date", "Retry-After")


class BadLink:
    """A proxy for one agent's requests.

    Its trouble is one of `TROUBLES`, or none: ``cut`` ends all connections and takes no new
    ones; ``deaf`` hands requests on and loses the answers; ``slow`` holds each request up for a
    while, so that they overtake each other; ``echo`` sends each sync a second time, later, as it
    was. ``struck`` counts requests that met with trouble.
    """

    TROUBLES = ("cut", "deaf", "slow", "echo")

    def __init__(self, to_port: int, seed: int) -> None:
        self._to = to_port
        self._random = random.Random(seed)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._trouble = ""
        self.struck: dict[str, int] = dict.fromkeys(self.TROUBLES, 0)
        self._stopped = threading.Event()
        link = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def setup(self) -> None:
                super().setup()
                with link._lock:
                    link._open.add(self.connection)

            def finish(self) -> None:
                with link._lock:
                    link._open.discard(self.connection)
                with contextlib.suppress(OSError):
                    super().finish()

            def handle_one_request(self) -> None:
                with contextlib.suppress(OSError):
                    super().handle_one_request()
                    return
                self.close_connection = True

            def do_GET(self) -> None:
                link._handle(self)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def trouble(self, kind: str) -> None:
        """What is wrong with the link from now on; empty for nothing."""
        self._trouble = kind
        if kind == "cut":
            with self._lock:
                cut = list(self._open)
            for one in cut:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self.trouble("cut")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _handle(self, said: http.server.BaseHTTPRequestHandler) -> None:
        trouble = self._trouble
        body = said.rfile.read(int(said.headers.get("Content-Length") or 0))
        headers = {name: said.headers[name] for name in _PASSED_ON if said.headers[name]}
        if trouble:
            self.struck[trouble] += 1
        if trouble == "cut":
            said.close_connection = True
            return
        if trouble == "slow":
            self._stopped.wait(self._random.uniform(0.1, 1.5))

        def send() -> tuple[int, dict[str, str], bytes]:
            return self._send(said.command, said.path, headers, body)

        if trouble == "echo" and said.path.endswith("/sync"):
            later_s = self._random.uniform(0.0, 3.0)
            threading.Thread(target=self._echo, args=(send, later_s), daemon=True).start()
        try:
            status, answered, data = send()
        except (OSError, http.client.HTTPException):
            said.close_connection = True
            return
        if trouble == "deaf" or self._trouble == "cut":
            said.close_connection = True
            return
        said.send_response_only(status)
        for name, value in answered.items():
            said.send_header(name, value)
        said.send_header("Content-Length", str(len(data)))
        said.end_headers()
        said.wfile.write(data)

    def _send(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        server = http.client.HTTPConnection("127.0.0.1", self._to, timeout=40)
        try:
            server.request(method, path, body or None, headers)
            answer = server.getresponse()
            data = answer.read()
        finally:
            server.close()
        kept = {name: text for name in _ANSWERED if (text := answer.getheader(name))}
        return answer.status, kept, data

    def _echo(self, send: Callable[[], object], later_s: float) -> None:
        time.sleep(later_s)
        with contextlib.suppress(OSError, http.client.HTTPException):
            send()
