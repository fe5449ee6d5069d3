"""A file as a multipart/form-data body (RFC 7578) that is never in memory as a whole."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

_PIECE_BYTES = 64 * 1024


class FileBody:
    """The body of one upload; its hashes are known once it has been sent.

    requests takes the length from ``len`` and sends what iterating gives.

    Args:
        fields: form fields that go before the file; plain text without line breaks.
        file_name: the name that the receiver is told; no quotes or line breaks.
        progress: called with 0 to 1 as pieces are handed on.
    """

    def __init__(
        self, path: Path, file_name: str, fields: dict[str, str], progress: Callable[[float], None]
    ) -> None:
        self._path = path
        self._progress = progress
        self.size = path.stat().st_size
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{file_name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        self._head = "".join(parts).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    def __len__(self) -> int:
        return len(self._head) + self.size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        sent = 0
        with self._path.open("rb") as file:
            # Never more than announced, should the file grow while it is sent.
            while piece := file.read(min(_PIECE_BYTES, self.size - sent)):
                self._sha1.update(piece)
                self._sha256.update(piece)
                yield piece
                sent += len(piece)
                self._progress(sent / self.size)
        yield self._tail

    @property
    def sha1(self) -> str:
        """SHA-1 of the file's bytes as sent; the hash that OctoPrint keeps."""
        return self._sha1.hexdigest()

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes as sent."""
        return self._sha256.hexdigest()


def hashes_of(path: Path) -> tuple[str, str]:
    """SHA-1 and SHA-256 of a file, read piece by piece."""
    sha1, sha256 = hashlib.sha1(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            sha1.update(piece)
            sha256.update(piece)
    return sha1.hexdigest(), sha256.hexdigest()
