"""Whatever members do in whatever order: revisions stay, blobs in use stay, garbage goes."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from fabcoord.designs import documentation, garbage, library, pictures
from fabcoord.designs.library import NewFile
from fabcoord.designs.pictures import NewPicture
from fabcoord.errors import Conflict, FabcoordError, NotFound
from fabcoord.members import accounts
from fabcoord.members.roles import Member, Role
from fabcoord.store.blobs import BlobStore, BlobWriter
from fabcoord.store.database import Store, rows
from fabcoord.store.migrations import migrate

CONTENTS = st.sampled_from([f"solid {number}".encode() for number in range(3)])
WORDS = st.text("abc \n", max_size=12)
GRACE_S = 3600.0
_AN_AGE_S = 10 * GRACE_S


class LibraryMachine(RuleBasedStateMachine):
    """Members and the garbage collection, taking turns on one real lab."""

    designs = Bundle("designs")
    removed = Bundle("removed")
    album = Bundle("album")
    uploads = Bundle("uploads")
    stored = Bundle("stored")

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="library-"))
        self.store = Store(self.directory / "lab.db")
        migrate(self.store)
        self.blobs = BlobStore(self.directory / "blobs")
        with self.store.writing() as db:
            self.people: list[Member] = [
                accounts.create(db, name, Role.MEMBER) for name in ("Ben", "Eve")
            ]
        self.owners: dict[str, Member] = {}
        self.revisions: dict[tuple[str, int], Any] = {}
        self.awaited: set[str] = set()
        self.texts: dict[tuple[str, int], str] = {}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.directory)

    # What members do

    @rule(target=designs, content=CONTENTS, who=st.integers(0, 1))
    def create(self, content: bytes, who: int) -> str:
        with self.store.writing() as db:
            files = [self._file(content)]
            design_id = library.create(
                db, self.people[who], title="Part", licence="CC0-1.0", files=files
            )
        self.owners[design_id] = self.people[who]
        return self._remember(design_id)

    @rule(target=uploads, content=CONTENTS)
    def begin_an_upload(self, content: bytes) -> BlobWriter:
        writer = self.blobs.writer()
        writer.write(content)
        writer.sync()
        return writer

    @rule(design_id=designs, writer=consumes(uploads))
    def end_an_upload_as_a_revision(self, design_id: str, writer: BlobWriter) -> None:
        """The bytes may be those of a blob that was garbage when the upload began."""
        new = NewFile("part.stl", writer.sha256, writer.size, "stl", keep=writer.commit)
        with self.store.writing() as db:
            library.add_revision(db, self.owners[design_id], design_id, [new])
        self._remember(design_id)

    @rule(writer=consumes(uploads))
    def give_up_an_upload(self, writer: BlobWriter) -> None:
        writer.discard()

    @rule(target=stored, content=CONTENTS)
    def store_what_a_revision_will_need(self, content: bytes) -> bytes:
        """As workers do: the bytes first, and a while later what refers to them."""
        self.awaited.add(self.blobs.add(content))
        return content

    @rule(content=CONTENTS)
    def leave_old_garbage(self, content: bytes) -> None:
        sha256 = self.blobs.add(content)
        if sha256 not in self.awaited:
            self._age(sha256)

    @rule(design_id=designs, content=consumes(stored))
    def refer_to_what_is_stored(self, design_id: str, content: bytes) -> None:
        new = NewFile("part.stl", _sha256(content), len(content), "stl")
        with self.store.writing() as db:
            library.add_revision(db, self.owners[design_id], design_id, [new])
        self.awaited.discard(new.sha256)
        self._remember(design_id)

    @rule(design_id=designs, number=st.integers(1, 4))
    def restore(self, design_id: str, number: int) -> None:
        try:
            with self.store.writing() as db:
                library.restore(db, self.owners[design_id], design_id, number)
        except (NotFound, Conflict):
            return
        self._remember(design_id)

    @rule(target=designs, design_id=designs, who=st.integers(0, 1))
    def fork(self, design_id: str, who: int) -> str:
        with self.store.writing() as db:
            fork_id = library.fork(db, self.people[who], design_id)
        self.owners[fork_id] = self.people[who]
        return self._remember(fork_id)

    @rule(target=removed, design_id=consumes(designs))
    def delete(self, design_id: str) -> str:
        with self.store.writing() as db:
            library.delete(db, self.owners[design_id], design_id)
        return design_id

    @rule(target=designs, design_id=consumes(removed))
    def undelete(self, design_id: str) -> Any:
        try:
            with self.store.writing() as db:
                library.undelete(db, self.owners[design_id], design_id)
        except Conflict:
            return multiple()  # its bytes are gone, and so is the design
        return design_id

    @rule(design_id=designs, text=WORDS, is_late=st.booleans())
    def document(self, design_id: str, text: str, is_late: bool) -> None:
        with self.store.reading() as db:
            present = documentation.current(db, design_id)["version"]
        try:
            with self.store.writing() as db:
                began_from = present - 1 if is_late else present
                version = documentation.write(
                    db, self.owners[design_id], design_id, text, began_from
                )
        except FabcoordError:
            assert is_late
            return
        self.texts.setdefault((design_id, version), text)

    @rule(target=album, design_id=designs, content=CONTENTS)
    def add_a_picture(self, design_id: str, content: bytes) -> str:
        sha256 = self.blobs.add(content)
        with self.store.writing() as db:
            new = NewPicture("a.png", sha256, lambda: None)
            return pictures.add(db, self.owners[design_id], design_id, new)

    @rule(picture_id=consumes(album))
    def delete_a_picture(self, picture_id: str) -> None:
        with self.store.writing() as db:
            (found,) = rows(db, "SELECT * FROM pictures WHERE id = ?", (picture_id,))
            pictures.delete(db, self.owners[found["design_id"]], picture_id)

    @rule(content=CONTENTS)
    def check_ends(self, content: bytes) -> None:
        """A worker made a mesh and a picture of a file, if anybody waits for them."""
        mesh = self.blobs.add(b"mesh of " + content)
        with self.store.writing() as db:
            db.conn.execute(
                "UPDATE checks SET state = 'done', mesh_sha256 = ? WHERE sha256 = ?",
                (mesh, _sha256(content)),
            )
            db.conn.execute("UPDATE runs SET state = 'done'")

    # What the lab does by itself

    @rule()
    def time_passes(self) -> None:
        for sha256 in set(self.blobs.all()) - self.awaited:
            self._age(sha256)

    @rule(deleted_kept_s=st.sampled_from([-1.0, 1e6]))
    def collect(self, deleted_kept_s: float) -> None:
        garbage.collect(self.store, self.blobs, grace_s=GRACE_S, deleted_kept_s=deleted_kept_s)

    @rule()
    def collect_when_all_is_old(self) -> None:
        """Then what is left is referred to, or was stored just now by who will refer to it."""
        self.time_passes()
        self.collect(-1.0)
        left = set(self.blobs.all()) - self.awaited
        assert left <= garbage.referred_to(self.store), "garbage stayed"

    # What always holds

    @invariant()
    def no_revision_ever_changed(self) -> None:
        with self.store.reading() as db:
            for (design_id, number), was in self.revisions.items():
                assert _facts(db, design_id, number) == was

    @invariant()
    def no_blob_in_use_is_gone(self) -> None:
        """In use, said without asking the garbage collection: what can be downloaded or shown."""
        with self.store.reading() as db:
            used = rows(
                db,
                "SELECT files.sha256 FROM files JOIN designs ON designs.id = design_id"
                " WHERE purged_at IS NULL UNION"
                " SELECT mesh_sha256 FROM checks JOIN files USING (sha256)"
                " JOIN designs ON designs.id = design_id"
                " WHERE mesh_sha256 IS NOT NULL AND purged_at IS NULL UNION"
                " SELECT upload_sha256 FROM pictures JOIN designs ON designs.id = design_id"
                " WHERE upload_sha256 IS NOT NULL AND pictures.deleted_at IS NULL"
                " AND purged_at IS NULL",
            )
        missing = {one["sha256"] for one in used} - set(self.blobs.all())
        assert missing == set()

    @invariant()
    def no_words_are_lost(self) -> None:
        with self.store.reading() as db:
            for (design_id, version), text in self.texts.items():
                assert version == 0 or documentation.at(db, design_id, version)["text"] == text

    def _file(self, content: bytes) -> NewFile:
        return NewFile("part.stl", self.blobs.add(content), len(content), "stl")

    def _age(self, sha256: str) -> None:
        long_ago = time.time() - _AN_AGE_S
        os.utime(self.blobs.place(sha256), (long_ago, long_ago))

    def _remember(self, design_id: str) -> str:
        with self.store.reading() as db:
            number = library.get(db, design_id)["revision"]["number"]
            self.revisions[design_id, number] = _facts(db, design_id, number)
        return design_id


def _facts(db: Any, design_id: str, number: int) -> Any:
    return (
        rows(db, "SELECT * FROM revisions WHERE design_id = ? AND number = ?", (design_id, number)),
        rows(db, "SELECT * FROM files WHERE design_id = ? AND revision = ?", (design_id, number)),
    )


def _sha256(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


LibraryMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
test_library_machine = LibraryMachine.TestCase
