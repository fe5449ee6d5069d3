"""A link as bad Wi-Fi makes it: a TCP proxy that drops its connections after so many bytes."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
from typing import Self

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST and forgets what waits


class CutLink:
    """Hands bytes on to ``port`` of this machine, and cuts after each ``every_bytes`` sent to it.

    Cuts are an end of the stream or a reset in turn; each fourth one resets the server's side as
    well, which loses what waits in the server's own buffers. Attributes: ``port`` to connect
    to; ``cuts`` made so far; ``sent_bytes`` from clients.
    """

    def __init__(self, port: int, every_bytes: int) -> None:
        self._to, self._every = port, every_bytes
        self._left = every_bytes
        self._kinds = itertools.cycle(range(4))
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self.sent_bytes = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                passed, is_cut = self._count(len(data))
                server.sendall(data[:passed])
                if is_cut:
                    self._cut(client, server)
                    return
        _end(server)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        _end(client)

    def _count(self, size: int) -> tuple[int, bool]:
        with self._lock:
            passed = min(size, self._left)
            self._left -= passed
            self.sent_bytes += passed
            is_cut = self._left == 0
            if is_cut:
                self._left, self.cuts = self._every, self.cuts + 1
            return passed, is_cut

    def _cut(self, client: socket.socket, server: socket.socket) -> None:
        kind = next(self._kinds)
        for one, is_reset in ((client, kind % 2 == 1), (server, kind == 3)):
            if is_reset:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RD)  # lets go who still reads from it
                one.close()
            else:
                _end(one)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
