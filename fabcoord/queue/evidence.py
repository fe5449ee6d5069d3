"""What a finished job proves about a design: with what it was printed, for its make."""

from __future__ import annotations

from typing import Any

from fabcoord.designs import facets
from fabcoord.designs.makes import Evidence
from fabcoord.errors import Conflict
from fabcoord.members.roles import Member, Permission
from fabcoord.printers import machines
from fabcoord.queue import jobs
from fabcoord.store.database import row
from fabcoord.store.events import Event
from fabcoord.store.sqlite import Database

_PRINTED = ("awaiting_pickup", "collected")


def of_job(db: Database, member: Member, job_id: str) -> tuple[str, Evidence]:
    """The design that the job printed, and with what.

    Raises Conflict, naming the state, for a job that is not printed, and NotAllowed for a job of
    somebody else.
    """
    job = jobs.get_row(db, job_id)
    if job["member_id"] != member.id:
        member.require(Permission.MODERATE)
    if job["state"] not in _PRINTED:
        raise Conflict(
            "Only a finished print is evidence.",
            hint="Come back when its last copy is printed.",
            extra={"state": job["state"]},
        )
    printer = row(
        db,
        "SELECT printers.* FROM attempts JOIN printers ON printers.id = printer_id"
        " WHERE job_id = ? AND attempts.state = 'finished' ORDER BY ended_at DESC LIMIT 1",
        (job_id,),
    )
    shape = jobs.get(db, job_id)
    estimate: dict[str, Any] = shape["estimate"] or {}
    material = job["material"] or (printer["material"] if printer else None)
    return job["design_id"], Evidence(
        revision=job["revision"],
        machine=printer["machine"] if printer else job["machine"] or "",
        material=material or "",
        quality=job["quality"] or "",
        file_id=job["file_id"],
        job_id=job_id,
        nozzle_mm=printer["nozzle_mm"] if printer else None,
        duration_s=estimate.get("duration_s"),
        mass_g=estimate.get("mass_g"),
    )


def on_job_printed(db: Database, event: Event) -> None:
    """Remember in which material the job's design was printed, to find it by that."""
    job = row(db, "SELECT * FROM jobs WHERE id = ?", (event.job_id,))
    if job is not None and job["material"]:
        facets.printed_in(db, job["design_id"], job["material"])


def machine_name(machine_id: str) -> str:
    """The name of a machine model, or what was typed for a machine elsewhere."""
    known = machines.all_machines().get(machine_id)
    return known.name if known else machine_id
