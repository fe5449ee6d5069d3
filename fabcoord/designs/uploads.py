"""Uploads that arrive in pieces: begun, received, recognised, used once, and let run out."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from fabcoord.designs import upload_records as records
from fabcoord.designs.upload_records import BEGIN_AGAIN, Upload
from fabcoord.errors import (
    BadInput,
    Conflict,
    Damaged,
    Gone,
    NoSpace,
    OverQuota,
    TooLarge,
)
from fabcoord.members.roles import Member
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Store, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.spool import Spool, SpoolWriter
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, new_id, now

# What has arrived is confirmed this often, so that a crash costs little of it.
CONFIRM_BYTES = 8 << 20
CONFIRM_S = 2.0
CHECKSUMS: dict[str, Callable[..., Any]] = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}
_KEEP_FREE_BYTES = 200_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a lab lets its members send."""

    largest_bytes: int
    kept_s: float
    most_open: int
    most_open_bytes: int


@dataclass(frozen=True, slots=True)
class Ready:
    """A complete upload: its bytes at ``path``, and ``claim`` to use it up in a transaction."""

    name: str
    path: Path
    sha256: str
    size: int
    claim: Callable[[Database], None]


@dataclass(frozen=True, slots=True)
class Checksum:
    """What one piece must hash to."""

    algorithm: str
    digest: bytes


class Uploads:
    """The uploads of one lab."""

    def __init__(self, store: Store, blobs: BlobStore, spool: Spool, limits: Limits) -> None:
        self._store, self._blobs, self._spool, self.limits = store, blobs, spool, limits

    def begin(
        self, member: Member, *, size: int | None, name: str, metadata: str, sha256: str | None
    ) -> Upload:
        """A new upload; complete at once where the member may read a file of that hash anyway.

        Raises TooLarge, OverQuota, NoSpace.
        """
        if size is not None and size > self.limits.largest_bytes:
            raise self._too_large()
        if shutil.disk_usage(self._spool.root).free < (size or 0) + _KEEP_FREE_BYTES:
            raise NoSpace("The lab's disk has no room for this file.", hint="Tell staff of it.")
        upload_id = new_id()
        self._spool.create(upload_id)
        try:
            with self._store.writing(durable=True) as db:
                self._require_quota(db, member, size or 0)
                is_duplicate = (
                    sha256 is not None
                    and size is not None
                    and records.may_read(db, member, sha256, size)
                ) and self._blobs.place(sha256 or "").is_file()
                known = sha256 if is_duplicate else _EMPTY if size == 0 else None
                db.conn.execute(
                    "INSERT INTO uploads (id, member_id, name, metadata, size, arrived,"
                    " announced_sha256, sha256, is_duplicate, created_at, expires_at)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(upload_id, member.id, name, metadata, size),
                        *(size if known else 0, sha256, known, is_duplicate),
                        *(now(), in_seconds(self.limits.kept_s)),
                    ),
                )
                emit(db, "upload.created", member_id=member.id, actor=member.name)
                upload = records.find(db, member, upload_id)
        except BaseException:
            self._spool.remove(upload_id)
            raise
        if is_duplicate:
            self._spool.remove(upload_id)
        return upload

    def find(self, member: Member, upload_id: str) -> Upload:
        """One open upload of this member. Raises NotFound, or Gone when it ran out or was used."""
        self._spool.settle(upload_id)
        with self._store.reading() as db:
            return records.find(db, member, upload_id)

    def open_ones(self, member: Member) -> list[Upload]:
        """What the member has begun and not used yet, newest first."""
        with self._store.reading() as db:
            return records.open_ones(db, member)

    def receive(
        self,
        member: Member,
        upload_id: str,
        offset: int,
        pieces: Iterable[bytes],
        *,
        length: int | None = None,
        size: int | None = None,
        checksum: Checksum | None = None,
        hang_up: Callable[[], None] = lambda: None,
    ) -> Upload:
        """Append what ``pieces`` bring, and confirm it bit by bit.

        Args:
            length: of all pieces together, where it is known: a connection that was cut brings
                less, which is kept unless there is a checksum.
            size: of the whole upload, where that was not said before.

        Raises Conflict on another offset than where it stands, InUse, Gone, TooLarge, and Damaged
        when a checksum does not fit.
        """
        with self._store.reading() as db:
            upload = records.find(db, member, upload_id)
        if upload.is_complete:
            _require_offset(upload, offset)
            if length:
                raise _longer_than_said(upload.arrived)
            return upload
        with self._held(member, upload_id, hang_up) as (found, writer):
            _require_offset(found, offset)
            total = self._agreed_size(found, size)
            room = (self.limits.largest_bytes if total is None else total) - offset
            if length is not None and length > room:
                raise self._too_large() if total is None else _longer_than_said(total)
            writer.begin(offset)
            upload = replace(found, size=total)
            if total != found.size:
                self._confirm(member, upload, writer)
            if checksum is not None:
                self._take_checked(writer, pieces, room, length, checksum)
                self._confirm(member, upload, writer)
            else:
                self._take(member, upload, writer, pieces, room)
        with self._store.reading() as db:
            return records.find(db, member, upload_id)

    def terminate(self, member: Member, upload_id: str) -> None:
        """Forget an upload. Raises NotFound or Gone."""
        with self._store.writing(durable=True) as db:
            records.find(db, member, upload_id)
            self._delete(db, member, upload_id)

    def ready(self, member: Member, upload_id: str) -> Ready:
        """A complete upload, to be used. Raises NotFound, Gone, or Conflict while bytes lack."""
        with self._store.reading() as db:
            upload = records.find(db, member, upload_id)
        if upload.sha256 is None or upload.size is None:
            raise Conflict(
                f"{upload.name or 'The upload'} has not arrived as a whole.",
                hint="Let it end before you use it.",
                extra={"upload_id": upload_id},
            )
        place = self._blobs.place(upload.sha256) if upload.is_duplicate else None
        path = place or self._spool.path(upload_id)
        if not path.is_file():
            raise Gone("The bytes of that upload are no longer there.", hint=BEGIN_AGAIN)

        def claim(db: Database) -> None:
            self._claim(db, upload)

        return Ready(upload.name, path, upload.sha256, upload.size, claim)

    def store_bytes(self, ready: Ready) -> None:
        """Make the bytes of a complete upload a blob."""
        if not self._blobs.place(ready.sha256).is_file() and not ready.path.is_file():
            raise Gone("The bytes of that upload are no longer there.", hint=BEGIN_AGAIN)
        self._blobs.adopt(ready.path, ready.sha256)

    def remove_expired(self) -> None:
        """Remove what ran out, and files that belong to nothing. For the clockwork."""
        with self._store.reading() as db:
            due = value(db, "SELECT 1 FROM uploads WHERE expires_at < ? LIMIT 1", (now(),))
        if due:
            with self._store.writing() as db:
                gone = rows(db, "DELETE FROM uploads WHERE expires_at < ? RETURNING id", (now(),))
                for found in gone:
                    db.after_commit.append(partial(self._spool.remove, found["id"]))
        self._spool.sweep(self._is_known)

    @contextmanager
    def _held(
        self, member: Member, upload_id: str, hang_up: Callable[[], None]
    ) -> Iterator[tuple[Upload, SpoolWriter]]:
        """An upload and its writer; read after the lock is held, so that its offset stays."""
        with self._spool.writer(upload_id, hang_up) as writer:
            with self._store.reading() as db:
                upload = records.find(db, member, upload_id)
            yield upload, writer

    def _take(
        self, member: Member, upload: Upload, writer: SpoolWriter, pieces: Iterable[bytes],
        room: int,
    ) -> None:  # fmt: skip
        confirmed, at = writer.size, time.monotonic()
        try:
            for piece in _within(pieces, room):
                writer.write(piece)
                is_due = time.monotonic() - at >= CONFIRM_S
                if is_due or writer.size - confirmed >= CONFIRM_BYTES:
                    self._confirm(member, upload, writer)
                    confirmed, at = writer.size, time.monotonic()
        finally:
            if writer.size > confirmed or writer.size == upload.size:
                self._confirm(member, upload, writer)

    def _take_checked(
        self, writer: SpoolWriter, pieces: Iterable[bytes], room: int, length: int | None,
        checksum: Checksum,
    ) -> None:  # fmt: skip
        begun_at = writer.size
        found = CHECKSUMS[checksum.algorithm](usedforsecurity=False)
        try:
            for piece in _within(pieces, room):
                writer.write(piece)
                found.update(piece)
            is_whole = length is None or writer.size - begun_at == length
            if not (is_whole and hmac.compare_digest(found.digest(), checksum.digest)):
                raise Damaged(
                    f"The bytes do not have the {checksum.algorithm} that was announced.",
                    hint="Send this piece again.",
                )
        except BaseException:
            writer.roll_back(begun_at)
            raise

    def _confirm(self, member: Member, upload: Upload, writer: SpoolWriter) -> None:
        """Tell of what has arrived, once it is on the disk for certain; the last time, of all."""
        writer.sync()
        sha256 = writer.sha256() if writer.size == upload.size else None
        is_damaged = sha256 is not None and upload.announced_sha256 not in (None, sha256)
        with self._store.writing(durable=True) as db:
            kept = row(
                db,
                "UPDATE uploads SET arrived = ?, size = ?, expires_at = ?, sha256 = ?"
                " WHERE id = ? AND used_at IS NULL RETURNING id",
                (
                    *(writer.size, upload.size, in_seconds(self.limits.kept_s)),
                    *(sha256, upload.id),
                ),
            )
            if kept and is_damaged:
                self._delete(db, member, upload.id)
            elif kept and sha256 is not None:
                emit(db, "upload.completed", member_id=member.id, actor=member.name)
        if kept is None:
            raise Gone("The upload was taken back while it was being sent.", hint=BEGIN_AGAIN)
        if is_damaged:
            raise Damaged(
                "The file is not the one whose SHA-256 was announced.",
                hint="It may have changed while it was being sent. Send it again.",
            )
        writer.keep()

    def _claim(self, db: Database, upload: Upload) -> None:
        claimed = row(
            db,
            "UPDATE uploads SET used_at = ? WHERE id = ? AND used_at IS NULL RETURNING id",
            (now(), upload.id),
        )
        if claimed is None:
            raise records.used()
        db.after_commit.append(lambda: self._spool.remove(upload.id))

    def _delete(self, db: Database, member: Member, upload_id: str) -> None:
        db.conn.execute("DELETE FROM uploads WHERE id = ?", (upload_id,))
        emit(db, "upload.removed", member_id=member.id, actor=member.name)
        db.after_commit.append(lambda: self._spool.remove(upload_id))

    def _require_quota(self, db: Database, member: Member, size: int) -> None:
        found = row(
            db,
            "SELECT count(*) AS n, coalesce(sum(coalesce(size, arrived)), 0) AS bytes FROM uploads"
            " WHERE member_id = ? AND used_at IS NULL AND expires_at > ? AND NOT is_duplicate",
            (member.id, now()),
        )
        opened, taken = (found["n"], found["bytes"]) if found else (0, 0)
        if opened >= self.limits.most_open or taken + size > self.limits.most_open_bytes:
            raise OverQuota(
                f"You have {opened} uploads open, {taken / 1e6:.0f} MB together; this lab lets a"
                f" member have {self.limits.most_open}, and"
                f" {self.limits.most_open_bytes / 1e6:.0f} MB.",
                hint="Use them or take some back first.",
            )

    def _agreed_size(self, upload: Upload, size: int | None) -> int | None:
        if size is None or size == upload.size:
            return upload.size
        if upload.size is not None or size < upload.arrived:
            raise BadInput("The length of an upload is said once.")
        if size > self.limits.largest_bytes:
            raise self._too_large()
        return size

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"The file is larger than this lab takes ({self.limits.largest_bytes / 1e6:.0f} MB).",
            hint="Reduce its triangle count, or ask staff to raise the limit.",
        )

    def _is_known(self, name: str) -> bool:
        with self._store.reading() as db:
            found = value(db, "SELECT 1 FROM uploads WHERE id = ? AND used_at IS NULL", (name,))
            return found is not None


_EMPTY = hashlib.sha256().hexdigest()


def _require_offset(upload: Upload, offset: int) -> None:
    if offset != upload.arrived:
        raise Conflict(
            f"The upload stands at {upload.arrived} bytes, not at {offset}.",
            hint="Ask for its offset and go on from there.",
            extra={"offset": upload.arrived},
        )


def _within(pieces: Iterable[bytes], room: int) -> Iterator[bytes]:
    """The pieces as long as there is room. Raises TooLarge for the first byte beyond."""
    for piece in pieces:
        if len(piece) > room:
            raise TooLarge("More bytes came than the upload was said to have.", hint=BEGIN_AGAIN)
        room -= len(piece)
        yield piece


def _longer_than_said(total: int) -> TooLarge:
    return TooLarge(f"The upload was said to have {total} bytes; this is more.", hint=BEGIN_AGAIN)
