"""Meshes made of a source on request: OpenSCAD with chosen parameters, one plate of a project.

What is made becomes a file of a new revision, ``derived_from`` its source; the source stays.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fabcoord.designs import library, openscad
from fabcoord.designs.formats import Format, safe_name
from fabcoord.designs.library import NewFile
from fabcoord.designs.meshcheck.report import DERIVED_NAME, REPORT_NAME, CheckReport
from fabcoord.errors import BadInput, FabcoordError, NotFound, TooBusy, Unprocessable
from fabcoord.members import accounts
from fabcoord.members.roles import Member
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Store, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now
from fabcoord.work import ledger, sandbox
from fabcoord.work.engine import Commit, Task

RENDER = "render"
_PRIORITY = 10
_MOST_WAITING = 5  # of one design: each may take minutes


def offer(blobs: BlobStore, file: dict[str, Any]) -> dict[str, Any]:
    """What may be chosen of a file: ``{"parameters": […], "plates": […]}``, both often empty.

    ``file`` is in the shape of the API. Reads at most a megabyte.
    """
    return {
        "parameters": [one.as_dict() for one in parameters(blobs, file)],
        "plates": file["check"].get("plates") or [],
    }


def parameters(blobs: BlobStore, file: dict[str, Any]) -> list[openscad.Parameter]:
    """The parameters of an OpenSCAD source; none for any other file."""
    if file["format"] != Format.SCAD:
        return []
    with blobs.path(file["sha256"]).open("rb") as source:
        return openscad.parameters(openscad.decoded(source.read(openscad.MAX_SOURCE_BYTES)))


def ask(
    db: Database,
    blobs: BlobStore,
    member: Member,
    file_id: str,
    *,
    given: dict[str, Any] | None = None,
    plate: int | None = None,
) -> str:
    """Have a mesh made of a file; returns the id of the request.

    Args:
        given: parameters of an OpenSCAD source that shall differ from their defaults, by name.
        plate: which plate of a slicer's project, from 1.

    Raises NotAllowed for who may not change the design, BadInput that names wrong parameters,
    Unprocessable for a file that has neither parameters nor plates.
    """
    file = library.file(db, file_id, member)
    library.require_owner(db, member, file["design_id"])
    if file["format"] == Format.SCAD:
        if plate is not None:
            raise BadInput("An OpenSCAD file has no plates.", fields={"plate": "not here"})
        choice: dict[str, Any] = {
            "parameters": openscad.definitions(parameters(blobs, file), given or {})
        }
    else:
        choice = {"plate": _plate(file, given, plate)}
    waiting = value(
        db,
        "SELECT count(*) FROM renders JOIN files ON files.id = file_id"
        " WHERE design_id = ? AND state = 'pending'",
        (file["design_id"],),
    )
    if waiting >= _MOST_WAITING:
        raise TooBusy("Several meshes of this design are being made already.", hint="Wait for one.")
    render_id = new_id()
    db.conn.execute(
        "INSERT INTO renders (id, file_id, asked_by, choice, created_at) VALUES (?, ?, ?, ?, ?)",
        (render_id, file_id, member.id, json.dumps(choice), now()),
    )
    ledger.enqueue(db, RENDER, render_id, priority=_PRIORITY)
    return render_id


def get(db: Database, file_id: str, render_id: str) -> dict[str, Any]:
    """One request in the shape of the API. Raises NotFound."""
    for one in of_file(db, file_id):
        if one["id"] == render_id:
            return one
    raise NotFound("Nothing like that was asked for of this file.")


def of_file(db: Database, file_id: str) -> list[dict[str, Any]]:
    """What was asked for of a file, newest first."""
    found = rows(
        db,
        "SELECT id, file_id, state, choice, reason, made_file_id, created_at, ended_at FROM renders"
        " WHERE file_id = ? ORDER BY created_at DESC, rowid DESC",
        (file_id,),
    )
    return [{**one, "choice": json.loads(one["choice"])} for one in found]


def task(store: Store, blobs: BlobStore, work_dir: Path, limits: sandbox.Limits) -> Task:
    """The kind of run that makes the mesh and, with its end, the revision."""

    def work(render_id: str, stopped: Callable[[], bool]) -> Commit:
        with store.reading() as db:
            asked = row(db, "SELECT * FROM renders WHERE id = ?", (render_id,)) or {}
            source = library.file(db, asked["file_id"])
        choice = json.loads(asked["choice"])
        work_dir.mkdir(parents=True, exist_ok=True)
        out = Path(tempfile.mkdtemp(prefix=f"{RENDER}-", dir=work_dir))
        try:
            argv = [
                *sandbox.python_module("fabcoord.designs.meshcheck.derive"),
                *("--input", str(blobs.path(source["sha256"])), "--out", str(out)),
                *_options(choice),
            ]
            ended = sandbox.run(argv, cwd=out, limits=limits, cancelled=stopped)
            made = out / DERIVED_NAME
            reason = "" if made.is_file() else _reason(ended, out)
            size = made.stat().st_size if made.is_file() else 0
            sha256 = blobs.add_file(made) if made.is_file() else ""
        finally:
            shutil.rmtree(out, ignore_errors=True)

        def commit(db: Database) -> None:
            if reason:
                _end(db, render_id, reason)
                return
            name = safe_name(_derived_name(source["name"], choice))
            new = NewFile(name, sha256, size, Format.STL.value, derived_from=source["id"])
            try:
                _end(db, render_id, "", _add(db, asked["asked_by"], source, new))
            except FabcoordError as error:  # the design was deleted meanwhile, or given away
                _end(db, render_id, str(error))

        return commit

    return Task(RENDER, work, _end)


def _add(db: Database, member_id: str, source: dict[str, Any], new: NewFile) -> str:
    """The newest revision once more, with ``new``; the id of its file."""
    member = accounts.get(db, member_id)
    newest = library.get(db, source["design_id"])["revision"]
    kept = [
        NewFile(one["name"], one["sha256"], one["size"], one["format"], one["derived_from"])
        for one in newest["files"]
        if one["name"] != new.name
    ]
    note = f"{new.name}, made from {source['name']}"
    number = library.add_revision(db, member, source["design_id"], [*kept, new], note)
    return next(
        str(one["id"])
        for one in library.files_of(db, source["design_id"], number)
        if one["name"] == new.name
    )


def _end(db: Database, render_id: str, reason: str, made_file_id: str | None = None) -> None:
    db.conn.execute(
        "UPDATE renders SET state = ?, reason = ?, made_file_id = ?, ended_at = ? WHERE id = ?",
        ("failed" if made_file_id is None else "done", reason, made_file_id, now(), render_id),
    )
    emit(db, "file.rendered", render_id=render_id, made_file_id=made_file_id, reason=reason)


def _plate(file: dict[str, Any], given: dict[str, Any] | None, plate: int | None) -> int:
    plates = [one["number"] for one in file["check"].get("plates") or []]
    if not plates or given:
        raise Unprocessable(
            "There is nothing to choose in this file: it is neither an OpenSCAD source nor a"
            " project with several plates."
        )
    if plate is None or plate not in plates:
        raise BadInput(
            f"Choose one of the plates {', '.join(map(str, plates))}.",
            fields={"plate": "no such plate"},
        )
    return plate


def _options(choice: dict[str, Any]) -> list[str]:
    defined = [f"--define={name}={said}" for name, said in choice.get("parameters", {}).items()]
    return [*defined, *([f"--plate={choice['plate']}"] if "plate" in choice else [])]


def _derived_name(name: str, choice: dict[str, Any]) -> str:
    stem = name.rpartition(".")[0]
    if "plate" in choice:
        return f"{stem}-plate-{choice['plate']}.stl"
    said = ", ".join(f"{key}={text}" for key, text in choice["parameters"].items())
    said = re.sub(r'[/\\"<>|:*?]', "", said)[:100]
    return f"{stem} ({said}).stl" if said else f"{stem}.stl"


def _reason(ended: sandbox.Completed, out: Path) -> str:
    if ended.ended_by == "wall" or ended.returncode < 0:
        return "Making the mesh took longer or more memory than this lab allows. Make it simpler."
    try:
        return CheckReport.from_json((out / REPORT_NAME).read_text()).findings[0].message
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return "Making the mesh failed without a word."
