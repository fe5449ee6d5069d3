"""Blobs: named by their content, stored once, and nothing left of what did not become one."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from fabcoord.errors import NotFound, TooLarge
from fabcoord.store.blobs import BlobStore

DATA = b"solid cube\nendsolid cube\n"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def files_in(blobs: BlobStore) -> list[str]:
    found = (path for path in blobs.root.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(blobs.root)) for path in found)


def test_bytes_come_back_under_their_hash(blobs: BlobStore) -> None:
    assert blobs.add(DATA) == SHA256
    assert blobs.path(SHA256).read_bytes() == DATA
    assert files_in(blobs) == [f"{SHA256[:2]}/{SHA256}"]


def test_the_same_bytes_are_stored_once_however_they_come(blobs: BlobStore, tmp_path: Path) -> None:
    source = tmp_path / "cube.stl"
    source.write_bytes(DATA)
    blobs.add(DATA)
    first = blobs.path(SHA256).stat().st_ino
    with blobs.writer() as writer:
        for byte in DATA:
            writer.write(bytes([byte]))
        assert writer.commit() == SHA256
    assert blobs.add_file(source) == SHA256
    assert blobs.path(SHA256).stat().st_ino == first
    assert len(files_in(blobs)) == 1
    assert source.exists()


def test_a_blob_is_readable_by_the_group_that_serves_it(blobs: BlobStore) -> None:
    assert blobs.path(blobs.add(DATA)).stat().st_mode & 0o777 == 0o644


def test_what_is_too_large_is_refused_and_leaves_nothing(blobs: BlobStore) -> None:
    with pytest.raises(TooLarge), blobs.writer(limit_bytes=10) as writer:  # noqa: PT012
        writer.write(b"0123456789")
        writer.write(b"0")
    assert files_in(blobs) == []


def test_exactly_the_limit_is_not_too_large(blobs: BlobStore) -> None:
    with blobs.writer(limit_bytes=10) as writer:
        writer.write(b"0123456789")
        writer.commit()
    assert len(files_in(blobs)) == 1


def test_what_is_not_committed_is_gone(blobs: BlobStore) -> None:
    with blobs.writer() as writer:
        writer.write(DATA)
    discarded = blobs.writer()
    discarded.write(DATA)
    discarded.discard()
    discarded.discard()
    assert files_in(blobs) == []


def test_discarding_after_the_commit_keeps_the_blob(blobs: BlobStore) -> None:
    writer = blobs.writer()
    writer.write(DATA)
    writer.commit()
    writer.discard()
    assert blobs.path(SHA256).read_bytes() == DATA


def test_a_writer_can_be_read_while_it_is_judged(blobs: BlobStore) -> None:
    with blobs.writer() as writer:
        writer.write(DATA)
        writer.seek(0)
        assert writer.read(5) == DATA[:5]
        writer.seek(0, os.SEEK_END)
        assert writer.tell() == len(DATA) == writer.size
        assert writer.sha256 == SHA256


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "A" * 64, SHA256[:-1], "0" * 64])
def test_a_name_that_is_no_blob_of_ours_is_not_found(blobs: BlobStore, name: str) -> None:
    with pytest.raises(NotFound):
        blobs.path(name)


def test_leftovers_of_a_crash_are_swept_and_running_uploads_are_not(blobs: BlobStore) -> None:
    old, running = blobs.writer(), blobs.writer()
    yesterday = time.time() - 25 * 3600
    os.utime(old.temporary_path, (yesterday, yesterday))
    blobs.sweep_incoming()
    assert not old.temporary_path.exists()
    assert running.temporary_path.exists()
    running.discard()
    old.discard()
