"""The bytes of uploads on their way: one file each, one writer at a time, hashed as they come."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fabcoord.errors import Gone, InUse
from fabcoord.store.directories import fsync_directory, make_directory

_SILENT_AFTER_S = 5.0
_LETS_GO_WITHIN_S = 3.0
_ENDS_WITHIN_S = 1.0
_ORPHANED_AFTER_S = 3600.0
_READ_BYTES = 1 << 20
_HASHES_KEPT = 256


class Spool:
    """The files of uploads under ``root``, named by their ids.

    A lock on the file keeps a second writer out, in this process and in any other; the kernel
    lifts it when its holder dies.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._writers: dict[str, SpoolWriter] = {}
        self._hashes: dict[str, tuple[int, Any]] = {}  # of how many bytes, and their SHA-256
        self._changed = threading.Condition()
        make_directory(root)

    def path(self, upload_id: str) -> Path:
        return self.root / upload_id

    def create(self, upload_id: str) -> None:
        """An empty file, whose name is on the disk."""
        self.path(upload_id).touch(mode=0o644, exist_ok=False)
        fsync_directory(self.root)

    def remove(self, upload_id: str) -> None:
        """Forget the bytes; a writer that still writes writes into nothing."""
        self.path(upload_id).unlink(missing_ok=True)
        with self._changed:
            self._hashes.pop(upload_id, None)

    @contextmanager
    def writer(self, upload_id: str, hang_up: Callable[[], None]) -> Iterator[SpoolWriter]:
        """The one writer of this upload while the block runs.

        ``hang_up`` is called from another thread to end a wait for more bytes: a client that
        comes back over a new connection must not wait until its lost one is given up. Raises
        InUse while another one writes, Gone when there is no such file.
        """
        self.settle(upload_id)
        try:
            descriptor = os.open(self.path(upload_id), os.O_RDWR)
        except FileNotFoundError as error:
            raise _gone() from error
        writer = None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InUse(
                    "Another connection is sending this upload just now.",
                    hint="Ask for its offset in some seconds and go on from there.",
                ) from error
            if os.fstat(descriptor).st_nlink == 0:
                raise _gone()
            writer = SpoolWriter(self, upload_id, descriptor, hang_up)
            with self._changed:
                self._writers[upload_id] = writer
            yield writer
        finally:
            os.close(descriptor)  # which lifts the lock
            with self._changed:
                if writer is not None and self._writers.get(upload_id) is writer:
                    del self._writers[upload_id]
                self._changed.notify_all()

    def settle(self, upload_id: str) -> None:
        """Wait a moment for the writer of this upload to end, where there is one.

        A sender that asks how far its upload is has usually just lost its connection, and what
        that brought is about to be confirmed. A writer that has heard nothing for a while is
        hung up.
        """
        with self._changed:
            writer = self._writers.get(upload_id)
            if writer is None:
                return
            is_silent = time.monotonic() - writer.heard_at >= _SILENT_AFTER_S
            if is_silent:
                writer.hang_up()
            self._changed.wait_for(
                lambda: self._writers.get(upload_id) is not writer,
                _LETS_GO_WITHIN_S if is_silent else _ENDS_WITHIN_S,
            )

    def running_hash(self, upload_id: str, size: int) -> Any:
        """The SHA-256 of the first ``size`` bytes, to be gone on with.

        It is at hand where this process received them; else they are read once more.
        """
        with self._changed:
            known, running = self._hashes.pop(upload_id, (0, None))
        if running is not None and known == size:
            return running
        running, left = hashlib.sha256(), size
        with self.path(upload_id).open("rb") as file:
            while left > 0 and (chunk := file.read(min(_READ_BYTES, left))):
                running.update(chunk)
                left -= len(chunk)
        return running

    def keep_hash(self, upload_id: str, size: int, running: Any) -> None:
        """Remember how far the hash is, until the upload goes on."""
        with self._changed:
            self._hashes[upload_id] = (size, running)
            while len(self._hashes) > _HASHES_KEPT:
                del self._hashes[next(iter(self._hashes))]

    def sweep(self, is_known: Callable[[str], bool]) -> None:
        """Remove files that belong to no upload, as a crash between two steps leaves them."""
        oldest = time.time() - _ORPHANED_AFTER_S
        for path in self.root.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest and not is_known(path.name):
                    path.unlink()


class SpoolWriter:
    """Appends to the file of one upload; made by `Spool.writer`, which holds its lock.

    Attributes:
        size: where the next byte goes.
        heard_at: when the last bytes came, by the monotonic clock.
    """

    def __init__(
        self, spool: Spool, upload_id: str, descriptor: int, hang_up: Callable[[], None]
    ) -> None:
        self._spool, self._id, self._descriptor = spool, upload_id, descriptor
        self._running: Any = None
        self.hang_up = hang_up
        self.size = 0
        self.heard_at = time.monotonic()

    def begin(self, size: int) -> None:
        """Go on after ``size`` bytes; what lies beyond was never confirmed and is dropped."""
        os.ftruncate(self._descriptor, size)
        self._running = self._spool.running_hash(self._id, size)
        self.size = size

    def write(self, data: bytes) -> None:
        """Append; raises OSError when the disk is full."""
        self.heard_at = time.monotonic()
        rest = memoryview(data)
        at = self.size
        while rest:
            written = os.pwrite(self._descriptor, rest, at)
            rest, at = rest[written:], at + written
        self._running.update(data)
        self.size = at

    def sync(self) -> None:
        """Bring what was written to the disk."""
        os.fdatasync(self._descriptor)

    def sha256(self) -> str:
        """Of all bytes so far."""
        return str(self._running.hexdigest())

    def keep(self) -> None:
        """The bytes so far count: their hash is kept for when the upload goes on."""
        self._spool.keep_hash(self._id, self.size, self._running.copy())

    def roll_back(self, size: int) -> None:
        """Drop what came after ``size`` bytes; their hash is worked out anew when needed."""
        os.ftruncate(self._descriptor, size)
        self.size = size


def _gone() -> Gone:
    return Gone("That upload is no longer there.", hint="Begin it again.")
