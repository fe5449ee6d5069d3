"""Which file of which revision somebody means who asks for a print."""

from __future__ import annotations

from typing import Any

from fabcoord.designs import library
from fabcoord.errors import BadInput, NotFound
from fabcoord.members.roles import Member
from fabcoord.store.sqlite import Database


def file_of(db: Database, member: Member, asked: dict[str, Any]) -> dict[str, Any]:
    """The file that a request means, with its ``design_id`` and ``revision``."""
    design = library.get(db, asked["design_id"], member)
    revision = asked.get("revision")
    if revision is None:
        revision = design["revision"]["number"]
    file = _choose_file(db, design["id"], revision, asked.get("file_id"))
    return file | {"design_id": design["id"], "revision": revision}


def _choose_file(
    db: Database, design_id: str, revision: int, file_id: str | None
) -> dict[str, Any]:
    files = library.files_of(db, design_id, revision)
    if file_id is not None:
        found = next((item for item in files if item["id"] == file_id), None)
        if found is None:
            raise NotFound(f"Revision {revision} of this design has no such file.")
        return found
    if not files:
        raise NotFound(f"This design has no revision {revision}.")
    if len(files) > 1:
        names = ", ".join(item["name"] for item in files)
        raise BadInput(
            f"Revision {revision} has several files: {names}.",
            hint="Say which with file_id; ask for one job per file.",
            fields={"file_id": "missing"},
        )
    return files[0]
