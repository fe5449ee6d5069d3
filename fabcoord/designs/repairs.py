"""Repairs as background work: asked for, done in a sandbox, shown, and added as a new revision.

The original stays. What changes more than a little is shown with its figures, and only added when
a person has confirmed it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fabcoord.designs import checks, library
from fabcoord.designs.formats import Format
from fabcoord.designs.library import NewFile
from fabcoord.designs.meshcheck.repair.report import (
    REPAIR_VERSION,
    REPAIRED_NAME,
    RESULT_NAME,
    Options,
    Outcome,
    read_result,
)
from fabcoord.designs.repair_results import FORMAT, REPAIR, RepairState, repaired_name
from fabcoord.errors import BadInput, FabcoordError, NotFound, Unprocessable
from fabcoord.members import accounts
from fabcoord.members.roles import Member
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Row, Store, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, new_id, now
from fabcoord.work import ledger, sandbox
from fabcoord.work.engine import Commit, Task

_PRIORITY = 15  # somebody looks at the page, but slices are waited for more
_LONGEST_S = 300.0  # pymeshfix may take hours over a mesh that fights back
_REFUSED_KEPT_S = 30 * 24 * 3600.0
MOST_TRIANGLES = 5_000_000


def make_options(
    scale: float | None = None, union: bool | None = None, decimate: int | None = None
) -> Options:
    """Options as somebody asked for them; raises BadInput that names the field."""
    factor = 1.0 if scale is None else float(scale)
    if not 0.001 <= factor <= 1000:
        raise BadInput(
            "A repair scales by 0.001 to 1000: 1000 from metres, 25.4 from inches.",
            fields={"scale": "must lie between 0.001 and 1000"},
        )
    if decimate is not None and not 100 <= decimate <= MOST_TRIANGLES:
        raise BadInput(
            f"decimate is the number of triangles to get by with, 100 to {MOST_TRIANGLES:,}.",
            fields={"decimate": "out of range"},
        )
    return Options(factor, bool(union), decimate)


def ask(
    db: Database, member: Member, file_id: str, options: Options, *, confirm: bool = False
) -> tuple[str, int]:
    """Have a file repaired; the id that the repaired file gets and the revision it comes with.

    Asking again for the same gives the same answer. ``confirm`` adds a result that was refused and
    shown; where none was shown yet it has no effect. The revision has another number in the end
    if somebody adds one meanwhile. Raises NotAllowed for who may not change the design, and
    Unprocessable where there is nothing to repair.
    """
    file = _repairable(db, member, file_id)
    _forget_refused(db)
    asked = row(
        db,
        "SELECT * FROM repairs WHERE file_id = ? AND options = ? AND repair_version = ?",
        (file_id, options.canonical(), REPAIR_VERSION),
    )
    if asked and asked["state"] == RepairState.FAILED:
        db.conn.execute("DELETE FROM repairs WHERE id = ?", (asked["id"],))
        asked = None
    if asked is not None:
        if confirm and asked["state"] == RepairState.REFUSED:
            revision = _add(db, asked, member, asked["result_sha256"], asked["result_size"])
            _ended(db, asked, RepairState.ADDED)
            return str(asked["id"]), revision
        return str(asked["id"]), int(asked["revision"])
    newest = value(
        db, "SELECT max(number) FROM revisions WHERE design_id = ?", (file["design_id"],)
    )
    repair_id, revision = new_id(), int(newest) + 1
    db.conn.execute(
        "INSERT INTO repairs (id, file_id, design_id, member_id, options, repair_version,"
        " revision, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(repair_id, file_id, file["design_id"], member.id, options.canonical()),
            *(REPAIR_VERSION, revision, now()),
        ),
    )
    ledger.enqueue(db, REPAIR, repair_id, priority=_PRIORITY)
    emit(
        db, "repair.asked", member_id=member.id, actor=member.name, design_id=file["design_id"],
        file_id=file_id,
    )  # fmt: skip
    return repair_id, revision


def task(store: Store, blobs: BlobStore, work_dir: Path, limits: sandbox.Limits) -> Task:
    """The kind of run that repairs a file."""
    within = replace(limits, niceness=5, wall_s=min(limits.wall_s, _LONGEST_S))

    def work(repair_id: str, stopped: Callable[[], bool]) -> Commit:
        with store.reading() as db:
            asked = row(
                db,
                "SELECT repairs.*, sha256, format FROM repairs JOIN files ON files.id = file_id"
                " WHERE repairs.id = ?",
                (repair_id,),
            )
        if asked is None:
            return lambda db: None
        work_dir.mkdir(parents=True, exist_ok=True)
        out = Path(tempfile.mkdtemp(prefix="repair-", dir=work_dir))
        try:
            argv = [*sandbox.python_module("fabcoord.designs.meshcheck.repair"), "--out", str(out)]
            file = ("--input", str(blobs.path(asked["sha256"])), "--format", asked["format"])
            ended = sandbox.run(
                [*argv, *file, "--options", asked["options"]],
                cwd=out, limits=within, cancelled=stopped,
            )  # fmt: skip
            result = _read(ended, out)
            mesh = out / REPAIRED_NAME
            size = mesh.stat().st_size if mesh.is_file() else 0
            sha256 = blobs.add_file(mesh) if size else None
        finally:
            shutil.rmtree(out, ignore_errors=True)
        return lambda db: _settle(db, asked, result, sha256, size)

    def gave_up(db: Database, repair_id: str, reason: str) -> None:
        asked = row(db, "SELECT * FROM repairs WHERE id = ?", (repair_id,))
        if asked is not None:
            _settle(db, asked, _failed(f"The repair did not end: {reason}."), None, 0)

    return Task(REPAIR, work, gave_up)


def _repairable(db: Database, member: Member, file_id: str) -> Row:
    """The row of a file that this member may have repaired."""
    file = row(db, "SELECT * FROM files WHERE id = ?", (file_id,))
    if file is None:
        raise NotFound("There is no such file.")
    library.require_owner(db, member, file["design_id"])
    if file["format"] == Format.GCODE:
        raise Unprocessable(
            "G-code holds no mesh to repair.", hint="Repair the model that it was sliced from."
        )
    known = checks.checked_mesh(db, file["sha256"], file["format"])
    if known.state == "failed" or (known.state == "done" and known.verdict == "unprintable"):
        raise Unprocessable(
            f"Repair cannot help here. {known.first_error}".strip(),
            hint="Export the model again from the program that made it.",
        )
    return file


def _settle(
    db: Database, asked: Row, result: dict[str, Any], sha256: str | None, size: int
) -> None:
    """Write how a repair ended; in the transaction that ends its run."""
    outcome = result["outcome"]
    if outcome in (Outcome.MENDED, Outcome.DOUBTFUL) and sha256 is None:
        result, outcome = _failed("The repair ended without a mesh."), Outcome.IMPOSSIBLE
    db.conn.execute(
        "UPDATE repairs SET result = ?, result_sha256 = ?, result_size = ? WHERE id = ?",
        (json.dumps(result, allow_nan=False), sha256, size, asked["id"]),
    )
    if outcome == Outcome.MENDED and sha256 is not None:
        member = accounts.get(db, asked["member_id"])
        try:
            _add(db, asked, member, sha256, size)
        except FabcoordError as error:  # the design was removed, or the member lost the right
            text = json.dumps(_failed(str(error)))
            db.conn.execute("UPDATE repairs SET result = ? WHERE id = ?", (text, asked["id"]))
            _ended(db, asked, RepairState.FAILED)
            return
        _ended(db, asked, RepairState.ADDED)
    elif outcome == Outcome.DOUBTFUL and sha256 is not None:
        checks.ensure(db, sha256, FORMAT)  # for its picture and what the check says of it
        _ended(db, asked, RepairState.REFUSED)
    elif outcome == Outcome.NO_BETTER:
        _ended(db, asked, RepairState.NO_BETTER)
    else:
        _ended(db, asked, RepairState.FAILED)


def _add(db: Database, asked: Row, member: Member, sha256: str, size: int) -> int:
    """Add the revision with all files of the newest, the original and the repaired; its number."""
    library.require_owner(db, member, asked["design_id"])
    newest = value(
        db, "SELECT max(number) FROM revisions WHERE design_id = ?", (asked["design_id"],)
    )
    wanted = rows(
        db,
        "SELECT name, sha256, size, format, derived_from FROM files"
        " WHERE design_id = ? AND revision = ? ORDER BY rowid",
        (asked["design_id"], newest),
    )
    original = row(
        db,
        "SELECT name, sha256, size, format, derived_from FROM files WHERE id = ?",
        (asked["file_id"],),
    )
    if original and original["sha256"] not in {item["sha256"] for item in wanted}:
        wanted.append(original)
    files = [NewFile(**item) for item in wanted if item["sha256"] != sha256]
    name = repaired_name(original["name"] if original else "model", {one.name for one in files})
    files.append(NewFile(name, sha256, size, FORMAT, derived_from=asked["file_id"], id=asked["id"]))
    number = library.add_revision(db, member, asked["design_id"], files, f"{name}: repaired")
    db.conn.execute("UPDATE repairs SET revision = ? WHERE id = ?", (number, asked["id"]))
    return number


def _ended(db: Database, asked: Row, state: RepairState) -> None:
    # What was added is kept by its revision; only what waits for a person is kept from here.
    db.conn.execute(
        "UPDATE repairs SET state = :state, ended_at = :now, result_sha256 ="
        " CASE WHEN :state = 'refused' THEN result_sha256 END WHERE id = :id",
        {"state": state.value, "now": now(), "id": asked["id"]},
    )
    emit(
        db, f"repair.{state.value}", member_id=asked["member_id"], design_id=asked["design_id"],
        file_id=asked["file_id"],
    )  # fmt: skip


def _forget_refused(db: Database) -> None:
    """Nobody confirmed them for a month: their meshes need not be kept any longer."""
    db.conn.execute(
        "DELETE FROM repairs WHERE state = 'refused' AND ended_at < ?",
        (in_seconds(-_REFUSED_KEPT_S),),
    )


def _read(ended: sandbox.Completed, out: Path) -> dict[str, Any]:
    """What the repair says it did, however its process ended."""
    path = out / RESULT_NAME
    if ended.ended_by == "wall":
        return _failed(
            "Repairing this model takes longer than this lab allows. Close it in the program that "
            "made it, or reduce its triangle count first."
        )
    if ended.returncode != 0 or not path.is_file():
        return _failed("Repairing this model needs more memory or time than this lab allows.")
    try:
        return read_result(path.read_text())
    except (ValueError, KeyError, TypeError):
        return _failed("The repair ended without a readable result.")


def _failed(message: str) -> dict[str, Any]:
    return {"outcome": Outcome.IMPOSSIBLE, "message": message}
