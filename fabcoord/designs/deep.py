"""The second look at a mesh as background work: after the verdict, when nobody waits for a slice.

Its findings join those of the check. They may change what a person does, never whether a job goes
on: nothing waits for them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fabcoord.designs import previews
from fabcoord.designs.meshcheck.deep.report import DEEP_MARKS_NAME, DEEP_NAME, read_examined
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Row, Store, row
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.work import ledger, sandbox
from fabcoord.work.engine import Commit, Task

DEEP = "deep"
PENDING: dict[str, Any] = {"state": "pending", "duration_s": None, "measures": None, "reason": ""}
_PRIORITY = 0  # lets everything go first that somebody waits for
_NICENESS = 15
_LONGEST_S = 180.0  # a million triangles take some ten seconds


# The diameter by which walls are judged, from the lab's printers; None where there is none yet.
Nozzle = Callable[[Database], float | None]


def no_printer(db: Database) -> float | None:
    """Where nothing is known of printers: the nozzle that most have."""
    return None


def ask(db: Database, sha256: str, format_: str) -> None:
    """Have the print mesh of a checked file looked at more deeply."""
    db.conn.execute(
        "UPDATE checks SET deep_state = 'pending', deep = '{}' WHERE sha256 = ? AND format = ?",
        (sha256, format_),
    )
    ledger.enqueue(db, DEEP, f"{sha256}:{format_}", priority=_PRIORITY)


def nothing_to_do(db: Database, sha256: str, format_: str) -> None:
    """There is no mesh to look at."""
    db.conn.execute(
        "UPDATE checks SET deep_state = 'done', deep = '{}' WHERE sha256 = ? AND format = ?",
        (sha256, format_),
    )


def join(db: Database, said: dict[str, Any], found: Row) -> dict[str, Any]:
    """The check with how far the second look is, and with its findings after those of the first.

    ``found`` is the row of the check.
    """
    kept = json.loads(found["deep"])
    state = found["deep_state"]
    if state == "pending" and _is_running(db, f"{found['sha256']}:{found['format']}"):
        state = "running"
    deep = {name: kept.get(name, value) for name, value in PENDING.items()} | {"state": state}
    return said | {"deep": deep, "findings": [*said["findings"], *kept.get("findings", [])]}


def best_rotation(file: dict[str, Any]) -> list[float] | None:
    """The rotation, as a job takes it, in which a file needs less support; None if it lies well."""
    rotation = (file["check"]["deep"]["measures"] or {}).get("best_rotation")
    return list(rotation) if rotation else None


def task(
    store: Store,
    blobs: BlobStore,
    work_dir: Path,
    limits: sandbox.Limits,
    nozzle_mm: Nozzle = no_printer,
) -> Task:
    """The kind of run that takes the second look, by the nozzle that ``nozzle_mm`` tells."""
    within = replace(limits, niceness=_NICENESS, wall_s=min(limits.wall_s, _LONGEST_S))

    def examine(subject: str, stopped: Callable[[], bool]) -> Commit:
        sha256, _, format_ = subject.partition(":")
        with store.reading() as db:
            found = row(
                db,
                "SELECT mesh_sha256 FROM checks WHERE sha256 = ? AND format = ?",
                (sha256, format_),
            )
            nozzle = nozzle_mm(db)
        mesh_sha256 = found["mesh_sha256"] if found else None
        if mesh_sha256 is None:
            return lambda db: nothing_to_do(db, sha256, format_)
        work_dir.mkdir(parents=True, exist_ok=True)
        out = Path(tempfile.mkdtemp(prefix="deep-", dir=work_dir))
        try:
            argv = [*sandbox.python_module("fabcoord.designs.meshcheck.deep"), "--out", str(out)]
            if nozzle is not None:
                argv += ["--nozzle", f"{nozzle:g}"]
            ended = sandbox.run(
                [*argv, "--mesh", str(blobs.path(mesh_sha256))],
                cwd=out, limits=within, cancelled=stopped,
            )  # fmt: skip
            state, deep = _read(ended, out)
            marks = out / DEEP_MARKS_NAME
            marks_sha256 = blobs.add_file(marks) if marks.is_file() else None
        finally:
            shutil.rmtree(out, ignore_errors=True)

        def commit(db: Database) -> None:
            _end(db, sha256, format_, state, deep)
            had = previews.made(db, sha256, format_, "marks-deep")
            if marks_sha256 != had:  # else the marked pictures would be drawn again for nothing
                previews.keep_marks(db, sha256, format_, marks_sha256, tier=DEEP)

        return commit

    def gave_up(db: Database, subject: str, reason: str) -> None:
        sha256, _, format_ = subject.partition(":")
        _end(db, sha256, format_, "failed", {"reason": f"The second look did not end: {reason}."})

    return Task(DEEP, examine, gave_up)


def _read(ended: sandbox.Completed, out: Path) -> tuple[str, dict[str, Any]]:
    """The state and what to keep, however the process ended."""
    path = out / DEEP_NAME
    if ended.ended_by == "wall":
        return "failed", {"reason": "Looking deeper into it took longer than this lab allows."}
    if ended.returncode != 0 or not path.is_file():
        reason = "Looking deeper into it needs more memory or time than this lab allows."
        return "failed", {"reason": reason}
    try:
        return "done", read_examined(path.read_text())
    except (ValueError, KeyError, TypeError):
        return "failed", {"reason": "The second look ended without a readable report."}


def _end(db: Database, sha256: str, format_: str, state: str, deep: dict[str, Any]) -> None:
    db.conn.execute(
        "UPDATE checks SET deep_state = ?, deep = ? WHERE sha256 = ? AND format = ?",
        (state, json.dumps(deep, allow_nan=False), sha256, format_),
    )
    emit(db, "file.examined", sha256=sha256, format=format_, state=state)


def _is_running(db: Database, subject: str) -> bool:
    found = row(
        db,
        "SELECT 1 FROM runs WHERE kind = ? AND subject = ? AND state = 'running'",
        (DEEP, subject),
    )
    return found is not None
