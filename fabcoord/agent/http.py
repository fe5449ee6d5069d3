"""HTTP as the agent needs it: one kept-alive connection over the standard library's client.

A general HTTP library would cost 9 MB of memory, a third of the whole agent.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from fabcoord import __version__
from fabcoord.errors import BadInput, TooBusy

_LARGEST_ANSWER = 4 << 20
_CONNECT_S = 10.0
_AGAIN = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]  # names as the server wrote them; look up with `header`
    body: bytes

    def header(self, name: str) -> str:
        """One header, whatever its case; empty when absent."""
        wanted = name.lower()
        return next((v for k, v in self.headers.items() if k.lower() == wanted), "")


class Download:
    """An answer whose body is read piece by piece; close it, or use it in ``with``."""

    def __init__(self, response: http.client.HTTPResponse, close: Callable[[], None]) -> None:
        self.status = response.status
        self._response = response
        self._close = close

    def header(self, name: str) -> str:
        return self._response.getheader(name) or ""

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; empty at the end. Raises TooBusy when the connection breaks."""
        try:
            return self._response.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise TooBusy(f"The download broke off: {error}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._close()


class Http:
    """Requests to one server over one connection; for one thread.

    Redirects are not followed: they would carry the token to a place nobody named.
    ``base_url`` may have a path prefix. Certificates are verified against the system's
    authorities (or the file that ``SSL_CERT_FILE`` names).
    """

    def __init__(self, base_url: str, *, token: str = "") -> None:
        self._token = token
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(
                f"“{base_url}” is not the address of a server.",
                hint="Give it as in a browser, for example https://fabcoord.example.org.",
            )
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        try:
            self._port = parts.port
        except ValueError as error:
            raise BadInput(f"“{base_url}” has no usable port number.") from error
        self._prefix = parts.path.rstrip("/")
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self, method: str, path: str, *, body: bytes | None = None, timeout_s: float = 15.0
    ) -> Reply:
        """Send one request and read the whole answer, gzip undone.

        Raises TooBusy when the server cannot be reached or its answer cannot be read. A
        connection that the server closed while it was idle is opened again once, so the
        request must bear repetition; all requests of an agent do.
        """
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        response = self._send(method, path, headers, body, timeout_s)
        try:
            raw = response.read(_LARGEST_ANSWER + 1)
            if len(raw) > _LARGEST_ANSWER:
                raise TooBusy("The server's answer is larger than an agent takes.")
            if response.getheader("Content-Encoding") == "gzip":
                raw = _unzip(raw)
        except (OSError, EOFError, zlib.error, http.client.HTTPException) as error:
            self.close()
            raise TooBusy(f"The server's answer broke off: {error}.") from error
        except TooBusy:
            self.close()
            raise
        return Reply(response.status, dict(response.getheaders()), raw)

    def download(self, path: str, *, offset: int = 0, timeout_s: float = 30.0) -> Download:
        """GET ``path`` from byte ``offset`` on, to be read piece by piece."""
        # Plain bytes only: a range of a compressed body would not be a range of the file.
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        return Download(self._send("GET", path, headers, None, timeout_s), self.close)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None, timeout_s: float
    ) -> http.client.HTTPResponse:
        headers["User-Agent"] = f"fabcoord-agent/{__version__}"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        used_before = self._connection is not None and self._connection.sock is not None
        try:
            return self._send_once(method, path, headers, body, timeout_s)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not (used_before and isinstance(error, _AGAIN)):
                raise _away(error) from error
        try:
            return self._send_once(method, path, headers, body, timeout_s)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _away(error) from error

    def _send_once(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None, timeout_s: float
    ) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = self._make_connection()
        if self._connection.sock is None:
            self._connection.timeout = min(timeout_s, _CONNECT_S)
            self._connection.connect()
        self._connection.sock.settimeout(timeout_s)
        self._connection.request(method, self._prefix + path, body=body, headers=headers)
        return self._connection.getresponse()

    def _make_connection(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(self._host, self._port, context=context)


def _unzip(raw: bytes) -> bytes:
    """Undo gzip, within the same limit as a plain answer."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    plain = unpacker.decompress(raw, _LARGEST_ANSWER + 1)
    if len(plain) > _LARGEST_ANSWER or not unpacker.eof:
        raise TooBusy("The server's answer is larger than an agent takes, or broken off.")
    return plain


def _away(error: Exception) -> TooBusy:
    if isinstance(error, ssl.SSLCertVerificationError):
        return TooBusy(
            f"The server's certificate is not valid here: {error.verify_message}.",
            hint="Check the address and the clock, or name your authority in SSL_CERT_FILE.",
        )
    if isinstance(error, socket.gaierror):
        return TooBusy("The server's name is not known here.", hint="Check the address.")
    return TooBusy(f"The server cannot be reached: {error or type(error).__name__}.")
