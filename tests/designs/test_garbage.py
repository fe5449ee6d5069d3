"""Garbage collection: what it takes, what it leaves, and what it does beside an upload."""

from __future__ import annotations

import os
import threading
import time

import pytest

from fabcoord.designs import garbage, library
from fabcoord.designs.library import NewFile
from fabcoord.errors import Conflict
from fabcoord.members.roles import Member
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Store, rows

LONG_AGO = time.time() - 90 * 24 * 3600


def old(blobs: BlobStore, data: bytes) -> str:
    """A blob that was stored long ago."""
    sha256 = blobs.add(data)
    os.utime(blobs.place(sha256), (LONG_AGO, LONG_AGO))
    return sha256


def design_of(store: Store, owner: Member, sha256: str) -> str:
    with store.writing() as db:
        files = [NewFile("part.stl", sha256, 4, "stl")]
        return library.create(db, owner, title="Part", licence="CC0-1.0", files=files)


def test_what_nothing_refers_to_goes_and_what_is_fresh_stays(
    store: Store, blobs: BlobStore, ben: Member
) -> None:
    used, unused, fresh = old(blobs, b"used"), old(blobs, b"unused"), blobs.add(b"fresh")
    design_of(store, ben, used)
    done = garbage.collect(store, blobs)
    assert (done.kept, done.removed, done.freed_bytes) == (2, 1, len(b"unused"))
    assert set(blobs.all()) == {used, fresh}
    assert unused not in blobs.all()


def test_what_was_made_from_a_file_goes_with_it(
    store: Store, blobs: BlobStore, ben: Member
) -> None:
    file, mesh = old(blobs, b"file"), old(blobs, b"mesh")
    design_id = design_of(store, ben, file)
    with store.writing() as db:
        db.conn.execute("UPDATE checks SET mesh_sha256 = ?, state = 'done'", (mesh,))
        db.conn.execute("UPDATE runs SET state = 'done'")
    garbage.collect(store, blobs)
    assert set(blobs.all()) == {file, mesh}
    with store.writing() as db:
        library.delete(db, ben, design_id)
    garbage.collect(store, blobs)
    assert set(blobs.all()) == {file, mesh}, "a removed design can be brought back for a while"
    garbage.collect(store, blobs, deleted_kept_s=-1)
    assert blobs.all() == []
    with store.reading() as db:
        assert rows(db, "SELECT * FROM checks") == [], "so that the same file is checked anew"
        assert library.files_of(db, design_id, 1)[0]["name"] == "part.stl", "its history stays"
    with pytest.raises(Conflict), store.writing() as db:
        library.undelete(db, ben, design_id)


def test_a_table_that_nobody_told_it_of_is_a_reference(store: Store, blobs: BlobStore) -> None:
    photo = old(blobs, b"photo")
    with store.writing() as db:
        db.conn.execute("CREATE TABLE snapshots (facts TEXT)")
        db.conn.execute("INSERT INTO snapshots VALUES (?)", (f'{{"photo": "{photo}"}}',))
    garbage.collect(store, blobs)
    assert blobs.all() == [photo]


def test_bytes_that_are_stored_once_more_are_as_fresh_as_new_ones(
    store: Store, blobs: BlobStore, ben: Member
) -> None:
    sha256 = old(blobs, b"again")
    assert blobs.add(b"again") == sha256
    garbage.collect(store, blobs)
    design_of(store, ben, sha256)
    assert blobs.path(sha256).read_bytes() == b"again"


def test_uploads_of_the_same_bytes_beside_collections_never_miss_their_blob(
    store: Store, blobs: BlobStore, ben: Member
) -> None:
    ended = threading.Event()
    missing: list[str] = []

    def upload() -> None:
        for number in range(40):
            with blobs.writer() as writer:
                writer.write(b"contested")
                new = NewFile("p.stl", writer.sha256, writer.size, "stl", keep=writer.commit)
                with store.writing() as db:
                    design_id = library.create(
                        db, ben, title=f"Part {number}", licence="CC0-1.0", files=[new]
                    )
            if new.sha256 not in blobs.all():
                missing.append(design_id)
            with store.writing() as db:
                library.delete(db, ben, design_id)
                db.conn.execute("UPDATE runs SET state = 'done'")  # a check that waits needs them
            try:
                os.utime(blobs.place(new.sha256), (LONG_AGO, LONG_AGO))
            except FileNotFoundError:
                continue  # collected already: that is what is to be tried
        ended.set()

    uploading = threading.Thread(target=upload)
    uploading.start()
    removed = 0
    while not ended.is_set():
        removed += garbage.collect(store, blobs, deleted_kept_s=-1).removed
    uploading.join()
    assert missing == []
    assert removed > 0


def test_it_says_in_the_log_what_it_did(store: Store, blobs: BlobStore) -> None:
    old(blobs, b"unused")
    commit = garbage.task(store, blobs).work("by the clock", lambda: False)
    with store.writing() as db:
        commit(db)
        (event,) = rows(db, "SELECT kind, data FROM events")
    assert event["kind"] == "garbage.collected"
    assert '"removed":1' in event["data"]
