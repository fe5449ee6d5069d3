"""What there is to look at of a checked file: pictures, light meshes, the places of findings.

All of it is made by background runs that let others go first, and kept as blobs by kind: the
angles (``front-light``), the pictures with places (``marked-dark``, ``marked-open_edges-light``),
the mesh for the viewer (``viewer``), the places themselves (``marks``, ``marks-deep``).
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from fabcoord.designs.meshcheck.report import (
    LIGHT_NAME,
    MARKED,
    MARKS_NAME,
    MESH_NAME,
    PREVIEW_NAME,
    VIEWER_NAME,
    Angle,
    Theme,
    picture_name,
)
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Store, row, rows
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.work import ledger, sandbox
from fabcoord.work.engine import Commit, Task

PICTURES, VIEWS = "pictures", "views"
_PRIORITY = 0
_NICENESS = 15  # meanwhile the same design is often sliced, and somebody waits for that
_MARKS = "marks"


def ask(db: Database, sha256: str, format_: str) -> None:
    """Have the pictures and light meshes of a checked file made."""
    ledger.enqueue(db, PICTURES, f"{sha256}:{format_}", priority=_PRIORITY)


def ask_for_missing(db: Database) -> int:
    """Have made what files lack that were checked by an older version; how many there are."""
    lacking = rows(
        db,
        "SELECT sha256, format FROM checks WHERE mesh_sha256 IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM previews WHERE previews.sha256 = checks.sha256"
        " AND previews.format = checks.format AND kind = 'viewer')",
    )
    for item in lacking:
        ask(db, item["sha256"], item["format"])
    return len(lacking)


def keep_marks(
    db: Database, sha256: str, format_: str, blob_sha256: str | None, *, tier: str = ""
) -> None:
    """Keep the ``marks.json`` of one tier of the check (``""`` or ``"deep"``) as the present one.

    None says that its findings have no places. The marked pictures are drawn anew when the mesh
    to draw them on is there already.
    """
    kind = f"{_MARKS}-{tier}" if tier else _MARKS
    _forget(db, sha256, format_, kind)
    if blob_sha256 is not None:
        _keep(db, sha256, format_, kind, blob_sha256)
    if made(db, sha256, format_, "viewer") is not None:
        ledger.enqueue(db, VIEWS, f"{sha256}:{format_}", priority=_PRIORITY)


def made(db: Database, sha256: str, format_: str, kind: str) -> str | None:
    """The hash of what was made of a file, by kind, or None."""
    found = row(
        db,
        "SELECT blob_sha256 FROM previews WHERE sha256 = ? AND format = ? AND kind = ?",
        (sha256, format_, kind),
    )
    return found["blob_sha256"] if found else None


def kinds(db: Database, sha256: str, format_: str) -> set[str]:
    """Which kinds are made of a file."""
    found = rows(db, "SELECT kind FROM previews WHERE sha256 = ? AND format = ?", (sha256, format_))
    return {item["kind"] for item in found}


def picture(
    db: Database,
    sha256: str,
    format_: str,
    *,
    angle: Angle = Angle.ISO,
    theme: Theme = Theme.LIGHT,
    marks: str = "",
) -> str | None:
    """The hash of a picture, or None when it is not made.

    ``marks`` is the code of a finding, or ``all``: then the picture shows the places, from the
    angle that shows them best.
    """
    if not marks:
        if (angle, theme) == (Angle.ISO, Theme.LIGHT):
            found = row(
                db,
                "SELECT preview_sha256 FROM checks WHERE sha256 = ? AND format = ?",
                (sha256, format_),
            )
            return found["preview_sha256"] if found else None
        return made(db, sha256, format_, f"{angle.value}-{theme.value}")
    every = f"{MARKED}-{theme.value}"
    of_one = None
    if marks != "all":
        of_one = made(db, sha256, format_, f"{MARKED}-{marks}-{theme.value}")
    return of_one or made(db, sha256, format_, every)


def marked_places(db: Database, blobs: BlobStore, sha256: str, format_: str) -> list[Any]:
    """The findings that have places, of both tiers: ``[{code, severity, message, marks}]``."""
    return _read_marks(blobs, _blobs_of_marks(db, sha256, format_))


def tasks(
    store: Store, blobs: BlobStore, work_dir: Path, limits: sandbox.Limits
) -> tuple[Task, Task]:
    """The two kinds of run: the picture and the light meshes, then the other views."""
    within = replace(limits, niceness=_NICENESS)

    def draw(out: Path, stage: str, stopped: Callable[[], bool]) -> None:
        argv = [*sandbox.python_module("fabcoord.designs.meshcheck"), "--out", str(out)]
        sandbox.run([*argv, "--stage", stage], cwd=out, limits=within, cancelled=stopped)

    def kept(path: Path) -> str | None:
        return blobs.add_file(path) if path.is_file() else None

    def pictures(subject: str, stopped: Callable[[], bool]) -> Commit:
        sha256, _, format_ = subject.partition(":")
        with _own_directory(work_dir, PICTURES) as out:
            with store.reading() as db:
                mesh_sha256 = _mesh(db, sha256, format_)
            if mesh_sha256 is not None:
                (out / MESH_NAME).symlink_to(blobs.path(mesh_sha256))
                draw(out, PICTURES, stopped)
            preview, light = kept(out / PREVIEW_NAME), kept(out / LIGHT_NAME)
            others = {
                "viewer": kept(out / VIEWER_NAME),
                "iso-dark": kept(out / picture_name(Angle.ISO.value, Theme.DARK)),
            }

        def commit(db: Database) -> None:
            db.conn.execute(
                "UPDATE checks SET preview_sha256 = ?, light_sha256 = ?"
                " WHERE sha256 = ? AND format = ?",
                (preview, light, sha256, format_),
            )
            for kind, blob_sha256 in others.items():
                if blob_sha256 is not None:
                    _keep(db, sha256, format_, kind, blob_sha256)
            if others["viewer"] is not None:
                ledger.enqueue(db, VIEWS, subject, priority=_PRIORITY)
            emit(db, "file.pictured", sha256=sha256)

        return commit

    def views(subject: str, stopped: Callable[[], bool]) -> Commit:
        sha256, _, format_ = subject.partition(":")
        with _own_directory(work_dir, VIEWS) as out:
            with store.reading() as db:
                viewer = made(db, sha256, format_, "viewer")
                of_marks = _blobs_of_marks(db, sha256, format_)
            items = _read_marks(blobs, of_marks)
            if viewer is not None:
                (out / VIEWER_NAME).symlink_to(blobs.path(viewer))
                if items:
                    (out / MARKS_NAME).write_text(json.dumps({"items": items}))
                draw(out, VIEWS, stopped)
            drawn = {path.stem: blobs.add_file(path) for path in out.glob("*.png")}

        def commit(db: Database) -> None:
            db.conn.execute(
                "DELETE FROM previews WHERE sha256 = ? AND format = ? AND kind GLOB ?",
                (sha256, format_, f"{MARKED}-*"),
            )
            for kind, blob_sha256 in drawn.items():
                _keep(db, sha256, format_, kind, blob_sha256)
            if _blobs_of_marks(db, sha256, format_) != of_marks:  # the deep tier ended meanwhile
                ledger.enqueue(db, VIEWS, subject, priority=_PRIORITY)
            emit(db, "file.pictured", sha256=sha256)

        return commit

    def no_picture(db: Database, subject: str, reason: str) -> None:
        emit(db, "file.pictured", sha256=subject.partition(":")[0], error=reason)

    return Task(PICTURES, pictures, no_picture), Task(VIEWS, views, no_picture)


@contextlib.contextmanager
def _own_directory(work_dir: Path, stage: str) -> Iterator[Path]:
    work_dir.mkdir(parents=True, exist_ok=True)
    out = Path(tempfile.mkdtemp(prefix=f"{stage}-", dir=work_dir))
    try:
        yield out
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _mesh(db: Database, sha256: str, format_: str) -> str | None:
    found = row(
        db, "SELECT mesh_sha256 FROM checks WHERE sha256 = ? AND format = ?", (sha256, format_)
    )
    return found["mesh_sha256"] if found else None


def _blobs_of_marks(db: Database, sha256: str, format_: str) -> list[str]:
    found = (made(db, sha256, format_, kind) for kind in (_MARKS, f"{_MARKS}-deep"))
    return [blob_sha256 for blob_sha256 in found if blob_sha256 is not None]


def _read_marks(blobs: BlobStore, found: list[str]) -> list[Any]:
    return [
        item
        for blob_sha256 in found
        for item in json.loads(blobs.path(blob_sha256).read_text())["items"]
    ]


def _keep(db: Database, sha256: str, format_: str, kind: str, blob_sha256: str) -> None:
    db.conn.execute(
        "INSERT INTO previews (sha256, format, kind, blob_sha256) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET blob_sha256 = excluded.blob_sha256",
        (sha256, format_, kind, blob_sha256),
    )


def _forget(db: Database, sha256: str, format_: str, kind: str) -> None:
    db.conn.execute(
        "DELETE FROM previews WHERE sha256 = ? AND format = ? AND kind = ?",
        (sha256, format_, kind),
    )
