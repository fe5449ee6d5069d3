"""Makes: a finished print as evidence that a revision prints on a machine in a material."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fabcoord.designs import facets, library, pictures
from fabcoord.errors import BadInput, Conflict, NotAllowed, NotFound
from fabcoord.members.roles import Member, Permission
from fabcoord.store.database import Row, row, rows
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now


class Outcome(StrEnum):
    """How the print came out."""

    GOOD = "good"  # usable as it is
    FLAWED = "flawed"  # finished, with flaws
    FAILED = "failed"  # did not finish, or is no good


@dataclass(frozen=True, slots=True)
class Evidence:
    """With what a print was made. ``job_id`` is set when this lab printed it and knows.

    ``machine`` is the id of a machine model, or the name of a machine elsewhere.
    """

    revision: int
    machine: str
    material: str = ""
    quality: str = ""
    file_id: str | None = None
    job_id: str | None = None
    nozzle_mm: float | None = None
    layer_mm: float | None = None
    duration_s: float | None = None
    mass_g: float | None = None


def add(
    db: Database, member: Member, design_id: str, made: Evidence, outcome: str, note: str = ""
) -> str:
    """Store a make; returns its id. Raises Conflict when the job has one already."""
    member.require(Permission.CONTRIBUTE)
    library.get(db, design_id, member)
    machine = " ".join(made.machine.split())
    if not machine or len(machine) > 100:
        raise BadInput("Say on which machine it was made.", fields={"machine": "missing"})
    if made.job_id and row(
        db, "SELECT 1 FROM makes WHERE job_id = ? AND deleted_at IS NULL", (made.job_id,)
    ):
        raise Conflict("This print is recorded already.", hint="Change that make instead.")
    if not library.files_of(db, design_id, made.revision):
        raise NotFound(f"This design has no revision {made.revision}.")
    make_id = new_id()
    db.conn.execute(
        "INSERT INTO makes (id, design_id, revision, file_id, job_id, member_id, machine, material,"
        " quality, nozzle_mm, layer_mm, duration_s, mass_g, outcome, note, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(make_id, design_id, made.revision, made.file_id, made.job_id, member.id, machine),
            *(_material(made.material), made.quality, made.nozzle_mm, made.layer_mm),
            *(made.duration_s, made.mass_g, _outcome(outcome), note.strip(), now()),
        ),
    )
    facets.printed_in(db, design_id, _material(made.material))
    _tell(db, "make.added", member, _row(db, make_id))
    return make_id


def change(db: Database, member: Member, make_id: str, changes: dict[str, Any]) -> None:
    """Change outcome or note of one's own make."""
    found = _own(db, member, make_id)
    outcome = _outcome(changes["outcome"]) if "outcome" in changes else None
    db.conn.execute(
        "UPDATE makes SET outcome = coalesce(?, outcome), note = coalesce(?, note) WHERE id = ?",
        (outcome, changes.get("note"), make_id),
    )
    _tell(db, "make.changed", member, found)


def delete(db: Database, member: Member, make_id: str) -> None:
    """Take one's own make back."""
    found = _own(db, member, make_id)
    db.conn.execute("UPDATE makes SET deleted_at = ? WHERE id = ?", (now(), make_id))
    _tell(db, "make.deleted", member, found)


def get(db: Database, viewer: Member, make_id: str) -> dict[str, Any]:
    """One make in the shape of the API. Raises NotFound."""
    found = _row(db, make_id)
    if found["hidden_at"] is not None and not _reads_hidden(viewer, found):
        raise NotFound("There is no such make.")
    return _shape(db, found, viewer)


def of_design(db: Database, viewer: Member, design_id: str) -> list[dict[str, Any]]:
    """The makes of a design, newest first."""
    found = rows(
        db,
        "SELECT makes.*, members.name AS member FROM makes JOIN members ON members.id = member_id"
        " WHERE design_id = ? AND deleted_at IS NULL ORDER BY makes.created_at DESC, makes.rowid"
        " DESC LIMIT 200",
        (design_id,),
    )
    seen = [item for item in found if item["hidden_at"] is None or _reads_hidden(viewer, item)]
    return [_shape(db, item, viewer) for item in seen]


def recorded(db: Database, design_id: str) -> set[str]:
    """The ids of those jobs that a make of this design came from."""
    found = rows(
        db,
        "SELECT job_id FROM makes WHERE design_id = ? AND job_id IS NOT NULL"
        " AND deleted_at IS NULL",
        (design_id,),
    )
    return {item["job_id"] for item in found}


def evidence(db: Database, design_id: str) -> list[dict[str, Any]]:
    """What the makes prove: ``{revision, machine, material, good, flawed, failed}`` each."""
    return rows(
        db,
        "SELECT revision, machine, material, sum(outcome = 'good') AS good,"
        " sum(outcome = 'flawed') AS flawed, sum(outcome = 'failed') AS failed FROM makes"
        " WHERE design_id = ? AND deleted_at IS NULL AND hidden_at IS NULL"
        " GROUP BY revision, machine, material ORDER BY revision DESC, good DESC, machine",
        (design_id,),
    )


def _shape(db: Database, found: Row, viewer: Member) -> dict[str, Any]:
    kept = (
        *("id", "design_id", "revision", "file_id", "member", "machine", "material", "quality"),
        *("nozzle_mm", "layer_mm", "duration_s", "mass_g", "outcome", "note", "created_at"),
    )
    return {
        **{name: found[name] for name in kept},
        "is_ours": found["job_id"] is not None,
        "is_mine": found["member_id"] == viewer.id,
        "is_hidden": found["hidden_at"] is not None,
        "pictures": pictures.of_design(db, found["design_id"], found["id"]),
    }


def _reads_hidden(viewer: Member, found: Row) -> bool:
    return viewer.may(Permission.MODERATE) or viewer.id == found["member_id"]


def _row(db: Database, make_id: str) -> Row:
    found = row(
        db,
        "SELECT makes.*, members.name AS member FROM makes JOIN members ON members.id = member_id"
        " WHERE makes.id = ? AND deleted_at IS NULL",
        (make_id,),
    )
    if found is None:
        raise NotFound("There is no such make.")
    return found


def _own(db: Database, member: Member, make_id: str) -> Row:
    found = _row(db, make_id)
    if found["member_id"] != member.id:
        raise NotAllowed("Only who made it changes a make.", hint="Moderators can hide it.")
    return found


def _outcome(text: str) -> str:
    if text not in set(Outcome):
        raise BadInput(
            "A print came out good, flawed or failed.", fields={"outcome": "good, flawed, failed"}
        )
    return text


def _material(text: str) -> str:
    return " ".join(text.split())[:50]


def _tell(db: Database, kind: str, member: Member, found: Row) -> None:
    emit(
        db, kind, member_id=found["member_id"], actor=member.name, design_id=found["design_id"],
        make_id=found["id"], revision=found["revision"], machine=found["machine"],
        outcome=found["outcome"],
    )  # fmt: skip
