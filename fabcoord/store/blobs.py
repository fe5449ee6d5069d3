"""Content-addressed files: a blob is named by its SHA-256 and stored once."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from fabcoord.errors import NotFound, TooLarge
from fabcoord.store.directories import fsync_directory, make_directory

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ABANDONED_AFTER_S = 24 * 3600


class BlobStore:
    """The blobs of one lab, under ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / "incoming"
        make_directory(self._incoming)

    def writer(self, limit_bytes: int | None = None) -> BlobWriter:
        """A file to stream into; becomes a blob at `BlobWriter.commit`."""
        return BlobWriter(self, self._incoming, limit_bytes)

    def add(self, data: bytes) -> str:
        """Store ``data`` and return its SHA-256."""
        with self.writer() as writer:
            writer.write(data)
            return writer.commit()

    def add_file(self, path: Path) -> str:
        """Store a copy of the file at ``path`` and return its SHA-256."""
        with self.writer() as writer, path.open("rb") as source:
            while chunk := source.read(1 << 20):
                writer.write(chunk)
            return writer.commit()

    def adopt(self, path: Path, sha256: str) -> None:
        """Make the file at ``path``, which has that hash and is on the disk, a blob as well.

        The file stays where it is (a second name for the same bytes), so that it can still be
        used when the transaction around it fails.
        """
        place = self.place(sha256)
        with self.locked(exclusive=False):
            place.parent.mkdir(exist_ok=True)
            is_there = True
            try:
                os.link(path, place)
            except FileExistsError:
                pass
            except OSError:  # another file system, or one without links
                is_there = False
            if is_there:
                os.utime(place)  # as fresh as a new one, for whoever removes what is old
        if not is_there:
            self.add_file(path)
            return
        _keep_name(place)

    def path(self, sha256: str) -> Path:
        """Where the blob lies. Raises NotFound when there is none of that name."""
        path = self.place(sha256)
        if not path.is_file():
            raise NotFound(f"This lab holds no file with the hash {sha256[:12]}….")
        return path

    def place(self, sha256: str) -> Path:
        """Where a blob of that hash lies or would lie."""
        if not _SHA256.fullmatch(sha256):
            raise NotFound("That is not a SHA-256 in lower-case hexadecimal.")
        return self.root / sha256[:2] / sha256

    def all(self) -> list[str]:
        """The hashes of all blobs that lie here."""
        found = self.root.glob("[0-9a-f][0-9a-f]/*")
        return sorted(path.name for path in found if _SHA256.fullmatch(path.name))

    def remove_old(self, sha256: str, grace_s: float) -> int | None:
        """Remove a blob unless it was stored, or stored once more, within ``grace_s`` seconds.

        Returns its size in bytes, or None where it stays. Only garbage collection calls this.
        """
        place = self.place(sha256)
        with self.locked(exclusive=True):
            try:
                facts = place.stat()
            except FileNotFoundError:
                return None
            if facts.st_mtime > time.time() - grace_s:
                return None
            place.unlink()
            return facts.st_size

    @contextlib.contextmanager
    def locked(self, *, exclusive: bool) -> Iterator[None]:
        """Between processes: those that store share it, the one that removes has it alone."""
        descriptor = os.open(self.root.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    def sweep_incoming(self) -> None:
        """Remove what uploads left behind that never ended, older than a day."""
        for path in self._incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):  # just became a blob
                if path.stat().st_mtime < time.time() - _ABANDONED_AFTER_S:
                    path.unlink()


class BlobWriter:
    """A temporary file that hashes what is written to it.

    Readable and seekable as well, so that a form parser may hand it on as an uploaded file.
    Without a commit it leaves nothing behind.
    """

    def __init__(self, store: BlobStore, directory: Path, limit_bytes: int | None) -> None:
        self._store = store
        self._hash = hashlib.sha256()
        self._limit_bytes = limit_bytes
        self.size = 0
        descriptor, name = tempfile.mkstemp(dir=directory)
        self.file: IO[bytes] = os.fdopen(descriptor, "w+b")
        self.temporary_path = Path(name)

    def write(self, data: bytes) -> int:
        """Append ``data``; raises TooLarge past the limit, OSError when the disk is full."""
        self.size += len(data)
        if self._limit_bytes is not None and self.size > self._limit_bytes:
            raise TooLarge(
                f"The file is larger than this lab takes ({self._limit_bytes / 1e6:.0f} MB).",
                hint="Reduce its triangle count, or ask staff to raise the limit.",
            )
        self._hash.update(data)
        return self.file.write(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def sync(self) -> None:
        """Bring what was written to the disk, so that a commit takes no time."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def commit(self) -> str:
        """Make it a blob, durably, and return its SHA-256; the same bytes are stored once."""
        sha256 = self._hash.hexdigest()
        place = self._store.place(sha256)
        if not place.is_file():
            self.sync()
        with self._store.locked(exclusive=False):
            if place.is_file():
                os.utime(place)  # as fresh as a new one, for whoever removes what is old
                self.discard()
            else:
                self.sync()
                self.file.close()
                place.parent.mkdir(exist_ok=True)
                self.temporary_path.chmod(0o644)
                os.utime(self.temporary_path)
                self.temporary_path.replace(place)
        _keep_name(place)
        return sha256

    def discard(self) -> None:
        """Forget it, unless it was committed."""
        self.file.close()
        self.temporary_path.unlink(missing_ok=True)

    # What a form parser and its users expect of a file:

    def read(self, size: int = -1) -> bytes:
        return self.file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()


def _keep_name(place: Path) -> None:
    """Have a blob's name survive a power cut, also one that somebody else is just giving it."""
    for directory in (place.parent, place.parent.parent):
        fsync_directory(directory)
