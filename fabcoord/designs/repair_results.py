"""What repairs came to, in the shape of the API: their tables, and files that are promised only."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from fabcoord.designs import checks, library
from fabcoord.designs.formats import Format
from fabcoord.errors import NotFound
from fabcoord.members.roles import Member
from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.sqlite import Database

REPAIR = "repair"
FORMAT = Format.STL.value  # of what a repair makes


class RepairState(StrEnum):
    """Where a repair is."""

    PENDING = "pending"  # asked for, or being done
    ADDED = "added"  # the repaired file is in the library
    REFUSED = "refused"  # it changed so much that a person has to confirm it first
    NO_BETTER = "no_better"  # it would be no better than the original; nothing was added
    FAILED = "failed"  # it did not end, or there is no solid to be made of the file


def of_file(db: Database, file_id: str) -> dict[str, Any] | None:
    """The repair that made this file, or will; None for a file that was brought."""
    found = row(db, "SELECT * FROM repairs WHERE id = ?", (file_id,))
    return _shape(db, found) if found else None


def of_design(db: Database, design_id: str) -> dict[str, list[dict[str, Any]]]:
    """All repairs of a design's files, newest first, by the hash of what was to be repaired."""
    found = rows(
        db,
        "SELECT repairs.*, files.sha256 AS original FROM repairs"
        " JOIN files ON files.id = file_id WHERE repairs.design_id = ?"
        " ORDER BY repairs.created_at DESC, repairs.rowid DESC",
        (design_id,),
    )
    by_content: dict[str, list[dict[str, Any]]] = {}
    for item in found:
        by_content.setdefault(item["original"], []).append(_shape(db, item))
    return by_content


def promised(db: Database, file_id: str, viewer: Member) -> dict[str, Any]:
    """A repaired file that is not in the library (yet), in the shape of the API.

    Raises NotFound when there is none, or when ``viewer`` may not see its design.
    """
    found = row(
        db,
        "SELECT repairs.*, files.name FROM repairs JOIN files ON files.id = file_id"
        " WHERE repairs.id = ?",
        (file_id,),
    )
    if found is None:
        raise NotFound("There is no such file.")
    library.get(db, found["design_id"], viewer)
    repair = _shape(db, found)
    return {
        "id": file_id,
        "name": repaired_name(found["name"], set()),
        "sha256": None,
        "size": None,
        "format": FORMAT,
        "state": "checking" if found["state"] == RepairState.PENDING else "failed",
        "check": _check(db, found, repair),
        "derived_from": found["file_id"],
        "preview_url": f"/api/v1/files/{file_id}/preview.png",
        "created_at": found["created_at"],
        "design_id": found["design_id"],
        "revision": found["revision"],
        "repair": repair,
    }


def result_of(db: Database, file_id: str, viewer: Member) -> dict[str, Any]:
    """The content of a refused repair, to look at: ``sha256``, ``format``, ``name``.

    Raises NotFound when there is none, or when ``viewer`` may not see its design.
    """
    file = promised(db, file_id, viewer)
    sha256 = value(db, "SELECT result_sha256 FROM repairs WHERE id = ?", (file_id,))
    if sha256 is None:
        raise NotFound("That is not made yet.", hint="Ask again when the repair has ended.")
    return file | {"sha256": sha256}


def repaired_name(original: str, taken: set[str]) -> str:
    """``part.stl`` becomes ``part-repaired.stl``, numbered where there is one already."""
    stem = original.rpartition(".")[0] or original
    stem = stem[:150]
    name, number = f"{stem}-repaired.stl", 2
    while name in taken:
        name, number = f"{stem}-repaired-{number}.stl", number + 1
    return name


def _shape(db: Database, found: Row) -> dict[str, Any]:
    result = json.loads(found["result"])
    told = {
        name: result.get(name)
        for name in ("message", "steps", "doubts", "before", "after", "volume_change", "duration_s")
    }
    running = found["state"] == RepairState.PENDING and row(
        db,
        "SELECT 1 FROM runs WHERE kind = ? AND subject = ? AND state = 'running'",
        (REPAIR, found["id"]),
    )
    return {
        "state": "running" if running else found["state"],
        "file_id": found["id"],
        "derived_from": found["file_id"],
        "revision": found["revision"],
        "options": json.loads(found["options"]),
        "needs_confirmation": found["state"] == RepairState.REFUSED,
        **told,
        "asked_at": found["created_at"],
    }


def _check(db: Database, found: Row, repair: dict[str, Any]) -> dict[str, Any]:
    """The check of a file that is promised only: pending, or failed with the reason."""
    check = checks.report(db, "", FORMAT)
    if found["state"] == RepairState.PENDING:
        return check | {"state": "pending"}
    said = " ".join([repair["message"] or "", *(repair["doubts"] or [])]).strip()
    finding = {
        "code": f"repair_{found['state']}",
        "severity": "error",
        "message": said,
        "count": None,
        "value": repair["volume_change"],
        "repairable": False,
        "suggested_scale": None,
        "suggested_rotation": None,
    }
    done = check["deep"] | {"state": "done"}
    return check | {"state": "failed", "findings": [finding], "deep": done}
