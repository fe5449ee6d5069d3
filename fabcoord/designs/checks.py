"""Mesh checks as background work: asked for, done in a sandbox, kept per content."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabcoord.designs import deep, previews
from fabcoord.designs.formats import Format
from fabcoord.designs.meshcheck.report import (
    CHECK_VERSION,
    MARKS_NAME,
    MESH_NAME,
    REPORT_NAME,
    CheckReport,
    CheckState,
)
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Store, row
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import now
from fabcoord.work import ledger, sandbox
from fabcoord.work.engine import Commit, Task

CHECK = "check"
_CHECK_PRIORITY = 20
_EMPTY = CheckReport(state=CheckState.DONE, verdict=None, findings=()).as_dict() | {
    "deep": deep.PENDING
}


def ensure(db: Database, sha256: str, format_: str) -> None:
    """Have this content checked, unless the present check has done so."""
    # G-code holds no mesh; the gate judges it, for each machine model.
    state = "done" if format_ == Format.GCODE else "pending"
    known = row(
        db,
        "SELECT state, check_version FROM checks WHERE sha256 = ? AND format = ?",
        (sha256, format_),
    )
    if known and known["check_version"] == CHECK_VERSION and known["state"] != "failed":
        return
    db.conn.execute(
        "INSERT INTO checks (sha256, format, state, check_version, updated_at)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state,"
        " check_version = excluded.check_version, updated_at = excluded.updated_at,"
        " deep_state = 'pending', deep = '{}'",
        (sha256, format_, state, CHECK_VERSION, now()),
    )
    if state == "pending":
        ledger.enqueue(db, CHECK, f"{sha256}:{format_}", priority=_CHECK_PRIORITY)
    else:
        deep.nothing_to_do(db, sha256, format_)


def report(db: Database, sha256: str, format_: str) -> dict[str, Any]:
    """The check of this content in the shape of the API; ``state`` says how far it is."""
    found = row(
        db,
        "SELECT sha256, format, state, report, deep_state, deep FROM checks"
        " WHERE sha256 = ? AND format = ?",
        (sha256, format_),
    )
    if found is None:
        return _EMPTY | {"state": "pending"}
    said: dict[str, Any] = _EMPTY | json.loads(found["report"]) | {"state": found["state"]}
    if found["state"] == "pending" and _is_running(db, sha256, format_):
        said["state"] = "running"
    if found["state"] == "failed":
        said["verdict"] = "unprintable"
    return deep.join(db, said, found)


def file_state(check: dict[str, Any]) -> str:
    """One word for a file: ``checking``, ``ready`` or ``failed``."""
    return {"done": "ready", "failed": "failed"}.get(check["state"], "checking")


@dataclass(frozen=True, slots=True)
class CheckedMesh:
    """What slicing needs of a checked file.

    ``mesh_sha256`` is None when there is no mesh; ``gcode_sha256`` is set when the file is G-code.
    """

    state: str
    verdict: str | None
    mesh_sha256: str | None
    size_mm: tuple[float, float, float] | None
    first_error: str
    gcode_sha256: str | None = None

    @property
    def is_checked(self) -> bool:
        """Whether the check has ended."""
        return self.state in ("done", "failed")

    @property
    def is_usable(self) -> bool:
        """Whether there is anything that a printer could be given."""
        if self.gcode_sha256 is not None:
            return True
        good = self.state == "done" and self.verdict != "unprintable"
        return good and self.mesh_sha256 is not None


def checked_mesh(db: Database, sha256: str, format_: str) -> CheckedMesh:
    """The outcome of the check as far as it decides whether and what to slice."""
    found = row(
        db,
        "SELECT state, report, mesh_sha256 FROM checks WHERE sha256 = ? AND format = ?",
        (sha256, format_),
    )
    said = _EMPTY | (json.loads(found["report"]) if found else {})
    errors = [item["message"] for item in said["findings"] if item["severity"] == "error"]
    size = said["size_mm"]
    return CheckedMesh(
        state=found["state"] if found else "pending",
        verdict=said["verdict"],
        mesh_sha256=found["mesh_sha256"] if found else None,
        size_mm=(size[0], size[1], size[2]) if size else None,
        first_error=errors[0] if errors else "",
        gcode_sha256=sha256 if format_ == Format.GCODE else None,
    )


def picture(db: Database, sha256: str, format_: str, kind: str) -> str | None:
    """The hash of the ``preview`` or the ``light`` mesh of a file, once it is made."""
    found = row(db, "SELECT * FROM checks WHERE sha256 = ? AND format = ?", (sha256, format_))
    return found[f"{kind}_sha256"] if found else None


def tasks(
    store: Store,
    blobs: BlobStore,
    work_dir: Path,
    limits: sandbox.Limits,
    nozzle_mm: deep.Nozzle = deep.no_printer,
) -> tuple[Task, ...]:
    """The kinds of run: the verdict first, what there is to look at after it.

    ``nozzle_mm`` tells by which nozzle walls and features are judged.
    """

    def own_directory(stage: str) -> Path:
        work_dir.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{stage}-", dir=work_dir))

    def meshcheck(out: Path, stopped: Callable[[], bool], *options: str) -> sandbox.Completed:
        argv = [*sandbox.python_module("fabcoord.designs.meshcheck"), "--out", str(out), *options]
        return sandbox.run(argv, cwd=out, limits=limits, cancelled=stopped)

    def check(subject: str, stopped: Callable[[], bool]) -> Commit:
        sha256, _, format_ = subject.partition(":")
        out = own_directory(CHECK)
        try:
            file = ("--input", str(blobs.path(sha256)), "--format", format_)
            ended = meshcheck(out, stopped, "--stage", "verdict", *file)
            said = _read_report(ended, out)
            mesh = out / MESH_NAME
            marks = out / MARKS_NAME
            mesh_sha256, marks_sha256 = (
                blobs.add_file(path) if path.is_file() else None for path in (mesh, marks)
            )
        finally:
            shutil.rmtree(out, ignore_errors=True)

        def commit(db: Database) -> None:
            _end_check(db, subject, said, mesh_sha256)
            previews.keep_marks(db, sha256, format_, marks_sha256)
            if mesh_sha256 is not None:
                previews.ask(db, sha256, format_)
                deep.ask(db, sha256, format_)

        return commit

    def gave_up(db: Database, subject: str, reason: str) -> None:
        _end_check(db, subject, CheckReport.failed(f"The check did not end: {reason}."), None)

    looks = deep.task(store, blobs, work_dir, limits, nozzle_mm)
    return Task(CHECK, check, gave_up), *previews.tasks(store, blobs, work_dir, limits), looks


def _read_report(ended: sandbox.Completed, out: Path) -> CheckReport:
    path = out / REPORT_NAME
    if ended.ended_by == "wall":
        return CheckReport.failed(
            "Checking this file took longer than this lab allows. Reduce its triangle count and"
            " upload it again.",
            code="too_slow",
        )
    if ended.returncode < 0 or not path.is_file():
        return CheckReport.failed(
            "This file needs more memory or time to check than this lab allows, or is built to"
            " break programs. Export it again from the design program, with fewer triangles.",
            code="check_killed",
        )
    try:
        return CheckReport.from_json(path.read_text())
    except (ValueError, KeyError, TypeError):
        return CheckReport.failed("The check ended without a readable report.", code="check_broken")


def _end_check(db: Database, subject: str, said: CheckReport, mesh_sha256: str | None) -> None:
    sha256, _, format_ = subject.partition(":")
    db.conn.execute(
        "UPDATE checks SET state = ?, report = ?, mesh_sha256 = ?, updated_at = ?"
        " WHERE sha256 = ? AND format = ?",
        (said.state.value, said.to_json(), mesh_sha256, now(), sha256, format_),
    )
    deep.nothing_to_do(db, sha256, format_)
    emit(db, "file.checked", sha256=sha256, format=format_, state=said.state.value)


def _is_running(db: Database, sha256: str, format_: str) -> bool:
    found = row(
        db,
        "SELECT 1 FROM runs WHERE kind = ? AND subject = ? AND state = 'running'",
        (CHECK, f"{sha256}:{format_}"),
    )
    return found is not None
