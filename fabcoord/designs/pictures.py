"""Pictures of a design: shown only as we encoded them anew, without metadata."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabcoord.designs import garbage, library
from fabcoord.errors import BadInput, Conflict, NotAllowed, NotFound, UnreadableFile
from fabcoord.members.roles import Member, Permission
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Row, Store, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now
from fabcoord.work import ledger, sandbox
from fabcoord.work.engine import Commit, Task

PICTURE = "picture"
MOST_PICTURES = 60
MOST_BYTES = 30_000_000
_PRIORITY = 10
_LIMITS = sandbox.Limits(memory_bytes=1 << 30, cpu_s=30, wall_s=60, niceness=5)
_MAGIC = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"))


@dataclass(frozen=True, slots=True)
class NewPicture:
    """A picture whose bytes ``keep`` will store when nothing is refused."""

    name: str
    sha256: str
    keep: Callable[[], object]


def sniff(head: bytes) -> None:
    """Raise UnreadableFile unless the first bytes are those of a PNG, JPEG or WebP."""
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    if not is_webp and not any(head.startswith(magic) for magic, _ in _MAGIC):
        raise UnreadableFile(
            "That is no picture that this lab can show.", hint="Send PNG, JPEG or WebP."
        )


def add(
    db: Database, author: Member, design_id: str, new: NewPicture, caption: str = "",
    make_id: str | None = None,
) -> str:  # fmt: skip
    """Take a picture of the design, or of a make; it is shown once it is encoded anew."""
    if make_id is None:
        library.require_owner(db, author, design_id)
    else:
        _require_maker(db, author, make_id)
    many = value(
        db, "SELECT count(*) FROM pictures WHERE design_id = ? AND deleted_at IS NULL"
        " AND make_id IS ?", (design_id, make_id),
    )  # fmt: skip
    if many >= MOST_PICTURES:
        raise Conflict(f"There are {many} pictures already.", hint="Remove one first.")
    picture_id = new_id()
    db.conn.execute(
        "INSERT INTO pictures (id, design_id, make_id, name, caption, author_id, upload_sha256,"
        " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (picture_id, design_id, make_id, new.name, _caption(caption), author.id, new.sha256, now()),
    )
    db.before_commit.append(new.keep)
    ledger.enqueue(db, PICTURE, picture_id, priority=_PRIORITY)
    emit(
        db, "picture.added", member_id=author.id, actor=author.name, design_id=design_id,
        picture_id=picture_id,
    )  # fmt: skip
    return picture_id


def change(db: Database, member: Member, picture_id: str, changes: dict[str, Any]) -> None:
    """Change a picture's ``caption``; ``is_main`` makes it the one that lists show."""
    found = _changeable(db, member, picture_id)
    if "caption" in changes:
        caption = _caption(changes["caption"])
        db.conn.execute("UPDATE pictures SET caption = ? WHERE id = ?", (caption, picture_id))
    if changes.get("is_main") is not None:
        if found["make_id"] is not None or found["state"] == "failed":
            raise Conflict("Only a picture of the design itself can be its main picture.")
        library.require_owner(db, member, found["design_id"])
        main = picture_id if changes["is_main"] else None
        db.conn.execute(
            "UPDATE designs SET main_picture_id = ? WHERE id = ?", (main, found["design_id"])
        )
    _tell(db, "picture.changed", member, found)


def delete(db: Database, member: Member, picture_id: str) -> None:
    """Take a picture away; its author, the design's owner and moderators may."""
    found = _changeable(db, member, picture_id)
    db.conn.execute("UPDATE pictures SET deleted_at = ? WHERE id = ?", (now(), picture_id))
    db.conn.execute(
        "UPDATE designs SET main_picture_id = NULL WHERE main_picture_id = ?", (picture_id,)
    )
    _tell(db, "picture.deleted", member, found)


def get(db: Database, picture_id: str) -> dict[str, Any]:
    """One picture in the shape of the API. Raises NotFound."""
    return shape(_row(db, picture_id))


def of_design(db: Database, design_id: str, make_id: str | None = None) -> list[dict[str, Any]]:
    """The pictures of a design, or of one make, in the order in which they came."""
    found = rows(
        db,
        "SELECT pictures.*, members.name AS author, pictures.id = main_picture_id AS is_main"
        " FROM pictures JOIN members ON members.id = author_id"
        " JOIN designs ON designs.id = design_id WHERE design_id = ? AND make_id IS ?"
        " AND pictures.deleted_at IS NULL AND pictures.hidden_at IS NULL"
        " ORDER BY pictures.created_at, pictures.rowid",
        (design_id, make_id),
    )
    return [shape(item) for item in found]


def content(db: Database, picture_id: str, member: Member, *, small: bool) -> tuple[str, str]:
    """Hash and MIME type of a picture as we encoded it. Raises NotFound until that is done."""
    found = _row(db, picture_id)
    if found["hidden_at"] is not None and not member.may(Permission.MODERATE):
        raise NotFound("There is no such picture.")
    sha256 = found["small_sha256" if small else "sha256"]
    if sha256 is None:
        raise NotFound("That picture is not ready yet.", hint=found["reason"])
    return str(sha256), f"image/{found['format']}"


def addresses(db: Database, design: dict[str, Any]) -> dict[str, str]:
    """What documentation may show: names of the design's pictures and files, with addresses."""
    named = {
        file["name"]: f"/api/v1/files/{file['id']}/content" for file in design["revision"]["files"]
    }
    for picture in of_design(db, design["id"]):
        if picture["state"] == "ready":
            named[picture["name"]] = picture["url"]
            named[picture["id"]] = picture["url"]
    return named


def shape(found: Row) -> dict[str, Any]:
    """A picture's row in the shape of the API."""
    kept = ("id", "design_id", "make_id", "name", "caption", "state", "reason", "width", "height")
    return {
        **{name: found[name] for name in kept},
        "author": found.get("author"),
        "is_main": bool(found.get("is_main")),
        "url": f"/api/v1/pictures/{found['id']}/content",
        "small_url": f"/api/v1/pictures/{found['id']}/small",
        "created_at": found["created_at"],
    }


def task(store: Store, blobs: BlobStore, work_dir: Path) -> Task:
    """The kind of run that encodes a picture anew, in a subprocess with limits."""

    def encode(picture_id: str, stopped: Callable[[], bool]) -> Commit:
        with store.reading() as db:
            sha256 = value(db, "SELECT upload_sha256 FROM pictures WHERE id = ?", (picture_id,))
        if sha256 is None:
            return lambda db: None
        work_dir.mkdir(parents=True, exist_ok=True)
        out = Path(tempfile.mkdtemp(prefix="picture-", dir=work_dir))
        try:
            argv = [*sandbox.python_module("fabcoord.designs.reencode")]
            argv += [str(blobs.path(sha256)), str(out)]
            ended = sandbox.run(argv, cwd=out, limits=_LIMITS, cancelled=stopped)
            said = _report(ended, out)
            if "error" not in said:
                said["sha256"] = blobs.add_file(out / "large")
                said["small_sha256"] = blobs.add_file(out / "small")
        finally:
            shutil.rmtree(out, ignore_errors=True)
        return lambda db: end(db, picture_id, said, sha256)

    def end(db: Database, picture_id: str, said: dict[str, Any], sha256: str | None) -> None:
        _end(db, picture_id, said)
        if sha256 is not None:  # it may tell where it was taken, so it goes at once
            db.after_commit.append(lambda: _drop(sha256))

    def _drop(sha256: str) -> None:
        garbage.drop(store, blobs, sha256)

    def gave_up(db: Database, picture_id: str, reason: str) -> None:
        sha256 = value(db, "SELECT upload_sha256 FROM pictures WHERE id = ?", (picture_id,))
        end(db, picture_id, {"error": f"It could not be read: {reason}."}, sha256)

    return Task(PICTURE, encode, gave_up)


def _report(ended: sandbox.Completed, out: Path) -> dict[str, Any]:
    path = out / "report.json"
    if ended.returncode != 0 or not path.is_file():
        return {"error": "This picture is too large or damaged. Save it again, and smaller."}
    said: dict[str, Any] = json.loads(path.read_text())
    return said


def _end(db: Database, picture_id: str, said: dict[str, Any]) -> None:
    # What was uploaded may tell where it was taken: nothing refers to it from now on.
    found = row(
        db,
        "UPDATE pictures SET state = :state, reason = :reason, sha256 = :sha256,"
        " small_sha256 = :small, format = :format, width = :width, height = :height,"
        " upload_sha256 = NULL WHERE id = :id RETURNING design_id, make_id",
        {
            "state": "failed" if "error" in said else "ready",
            "reason": said.get("error", ""),
            "sha256": said.get("sha256"),
            "small": said.get("small_sha256"),
            "format": said.get("format", ""),
            "width": said.get("width"),
            "height": said.get("height"),
            "id": picture_id,
        },
    )
    if found is None:
        return
    if "error" not in said and found["make_id"] is None:
        db.conn.execute(
            "UPDATE designs SET main_picture_id = ? WHERE id = ? AND main_picture_id IS NULL",
            (picture_id, found["design_id"]),
        )
    emit(db, "picture.ready", design_id=found["design_id"], picture_id=picture_id)


def _row(db: Database, picture_id: str) -> Row:
    found = row(
        db,
        "SELECT pictures.*, members.name AS author, pictures.id = main_picture_id AS is_main"
        " FROM pictures JOIN members ON members.id = author_id"
        " JOIN designs ON designs.id = design_id"
        " WHERE pictures.id = ? AND pictures.deleted_at IS NULL",
        (picture_id,),
    )
    if found is None:
        raise NotFound("There is no such picture.")
    return found


def _changeable(db: Database, member: Member, picture_id: str) -> Row:
    found = _row(db, picture_id)
    owner = value(db, "SELECT owner_id FROM designs WHERE id = ?", (found["design_id"],))
    if member.id not in (found["author_id"], owner) and not member.may(Permission.MODERATE):
        raise NotAllowed("This picture belongs to someone else.")
    return found


def _require_maker(db: Database, member: Member, make_id: str) -> None:
    maker = value(db, "SELECT member_id FROM makes WHERE id = ? AND deleted_at IS NULL", (make_id,))
    if maker is None:
        raise NotFound("There is no such make.")
    if maker != member.id and not member.may(Permission.MODERATE):
        raise NotAllowed("This make belongs to someone else.")


def _caption(text: str) -> str:
    caption = " ".join(text.split())
    if len(caption) > 200:
        raise BadInput("A caption has at most 200 characters.", fields={"caption": "too long"})
    return caption


def _tell(db: Database, kind: str, member: Member, found: Row) -> None:
    emit(
        db, kind, member_id=found["author_id"], actor=member.name, design_id=found["design_id"],
        picture_id=found["id"],
    )  # fmt: skip
