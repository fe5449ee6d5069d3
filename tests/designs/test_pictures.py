"""Pictures: encoded anew in the sandbox, without where and when, and bounded."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from fabcoord.designs import library, pictures
from fabcoord.designs.library import NewFile
from fabcoord.designs.pictures import NewPicture
from fabcoord.errors import NotAllowed, UnreadableFile
from fabcoord.members import accounts
from fabcoord.members.roles import Member, Role
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Store, row


def photo(path: Path, size: tuple[int, int] = (3000, 2000)) -> bytes:
    """A JPEG that tells where it was taken, and that it lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turned right
    exif[0x010F] = "Camera of Ben"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)  # GPS latitude
    image = Image.new("RGB", size, (200, 30, 30))
    image.save(path, "JPEG", exif=exif, comment=b"at home")
    return path.read_bytes()


def added(store: Store, blobs: BlobStore, owner: Member, data: bytes) -> str:
    """A picture of a new design, encoded."""
    with store.writing() as db:
        files = [NewFile("a.stl", "a" * 64, 4, "stl")]
        design_id = library.create(db, owner, title="Part", licence="CC0-1.0", files=files)
        new = NewPicture("front.jpg", blobs.add(data), lambda: None)
        picture_id = pictures.add(db, owner, design_id, new)
    commit = pictures.task(store, blobs, blobs.root.parent / "work").work(picture_id, lambda: False)
    with store.writing() as db:
        commit(db)
    return picture_id


def test_a_photo_is_shown_upright_smaller_and_without_its_place(
    store: Store, blobs: BlobStore, ben: Member, tmp_path: Path
) -> None:
    data = photo(tmp_path / "in.jpg")
    assert b"Camera of Ben" in data
    picture_id = added(store, blobs, ben, data)
    with store.reading() as db:
        shown = pictures.get(db, picture_id)
        sha256, mimetype = pictures.content(db, picture_id, ben, small=False)
        small, _ = pictures.content(db, picture_id, ben, small=True)
        kept = row(db, "SELECT upload_sha256 FROM pictures") or {}
    assert (shown["state"], shown["width"], shown["height"]) == ("ready", 1365, 2048)
    assert shown["is_main"], "the first picture is the one that lists show"
    assert mimetype == "image/jpeg"
    encoded = blobs.path(sha256).read_bytes()
    assert b"Camera" not in encoded
    assert b"at home" not in encoded
    with Image.open(blobs.path(sha256)) as opened:
        assert dict(opened.getexif()) == {}
    with Image.open(blobs.path(small)) as opened:
        assert max(opened.size) == 480
    assert kept["upload_sha256"] is None, "nothing refers to what was uploaded any more"
    assert not blobs.place(hashlib.sha256(data).hexdigest()).exists(), "and it is gone at once"


def test_an_original_that_is_a_file_of_a_design_as_well_stays(
    store: Store, blobs: BlobStore, ben: Member, tmp_path: Path
) -> None:
    data = photo(tmp_path / "in.jpg")
    sha256 = hashlib.sha256(data).hexdigest()
    with store.writing() as db:
        files = [NewFile("front.jpg", sha256, len(data), "stl")]
        library.create(db, ben, title="Other", licence="CC0-1.0", files=files)
    added(store, blobs, ben, data)
    assert blobs.path(sha256).read_bytes() == data


@pytest.mark.parametrize("damage", [lambda data: data[:200], lambda data: data[:4] + b"x" * 500])
def test_a_damaged_picture_says_so(
    store: Store, blobs: BlobStore, ben: Member, tmp_path: Path, damage: object
) -> None:
    picture_id = added(store, blobs, ben, damage(photo(tmp_path / "in.jpg")))  # type: ignore[operator]
    with store.reading() as db:
        shown = pictures.get(db, picture_id)
    assert shown["state"] == "failed"
    assert "cannot be read" in shown["reason"] or "damaged" in shown["reason"]


def test_what_is_no_picture_and_who_does_not_own_the_design_is_refused(
    store: Store, blobs: BlobStore, ben: Member, tmp_path: Path
) -> None:
    with pytest.raises(UnreadableFile):
        pictures.sniff(b"<svg onload=alert(1)>")
    pictures.sniff(b"RIFF\0\0\0\0WEBPVP8 ")
    picture_id = added(store, blobs, ben, photo(tmp_path / "in.jpg", (40, 30)))
    with store.writing() as db:
        eve = accounts.create(db, "Eve", Role.MEMBER)
        with pytest.raises(NotAllowed):
            pictures.delete(db, eve, picture_id)
