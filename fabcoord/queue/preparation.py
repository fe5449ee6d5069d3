"""Brings a job from its file to the queue: check, machine, reference slice, policy."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from fabcoord.designs import checks
from fabcoord.designs.checks import CheckedMesh
from fabcoord.designs.licences import AS_SHIPPED, PrintRules
from fabcoord.errors import FabcoordError, Unprocessable
from fabcoord.printers import machines
from fabcoord.queue import (
    attempts,
    policy,
    printers,
    quotes,
    reputation,
    terms,
)
from fabcoord.queue.policy import Policy
from fabcoord.queue.states import JobEvent, JobState
from fabcoord.queue.transitions import move_job
from fabcoord.slicing import cache
from fabcoord.slicing.cache import Plan, Slices
from fabcoord.slicing.placement import Placement
from fabcoord.slicing.plates import Part
from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.events import Event
from fabcoord.store.sqlite import Database


@dataclass(frozen=True, slots=True)
class Preparation:
    """What preparing a job depends on.

    Args:
        slices: the lab's slices.
        default: the policy of a lab that never changed it.
        print_rules: what the lab does with prints that the design's licence does not allow.
    """

    slices: Slices
    default: Policy = field(default_factory=Policy)
    print_rules: PrintRules = AS_SHIPPED

    def advance(self, db: Database, job_id: str) -> None:
        """Move a job as far towards the queue as what is known allows."""
        job = row(db, "SELECT * FROM jobs WHERE id = ?", (job_id,))
        if job and job["state"] == JobState.CHECKING:
            self._after_check(db, job)
            job = row(db, "SELECT * FROM jobs WHERE id = ?", (job_id,))
        if job and job["state"] == JobState.SLICING:
            self._after_slice(db, job)

    def plan_for(
        self, job: Row, meshes: list[CheckedMesh], machine_id: str, nozzle_mm: float | None
    ) -> Plan:
        """The slice that this job needs on a machine model; raises where that cannot be.

        Args:
            meshes: of the job's file, or of all the parts of its plate (`meshes_of`).
        """
        asked = json.loads(job["request"])
        if asked.get("parts"):
            return self._plan_plate(job, asked["parts"], meshes, machine_id, nozzle_mm)
        (mesh,) = meshes
        if mesh.gcode_sha256 is not None:
            return self.slices.plan_gcode(mesh.gcode_sha256, machine_id)
        if mesh.mesh_sha256 is None or mesh.size_mm is None:
            raise Unprocessable("The file holds nothing that can be sliced.")
        return self.slices.plan(
            mesh.mesh_sha256,
            mesh.size_mm,
            machine_id,
            quality=job["quality"] or "normal",
            material=_material(job, machine_id),
            nozzle_mm=job.get("nozzle_mm") or nozzle_mm,
            placement=_placement(asked),
        )

    def _plan_plate(
        self,
        job: Row,
        asked: list[dict[str, Any]],
        meshes: list[CheckedMesh],
        machine_id: str,
        nozzle_mm: float | None,
    ) -> Plan:
        parts = []
        for one, mesh in zip(asked, meshes, strict=True):
            if mesh.mesh_sha256 is None or mesh.size_mm is None:
                raise Unprocessable(
                    "Only meshes can share a plate.",
                    hint="Ask for G-code that is sliced already by itself.",
                )
            parts.append((Part(mesh.mesh_sha256, _placement(one), one["copies"]), mesh.size_mm))
        return self.slices.plan_plate(
            parts, machine_id, quality=job["quality"] or "normal",
            material=_material(job, machine_id), nozzle_mm=job.get("nozzle_mm") or nozzle_mm,
        )  # fmt: skip

    def plan_first(
        self, job: Row, meshes: list[CheckedMesh], candidates: list[tuple[str, float | None]]
    ) -> Plan:
        """The plan for the first of these machine models (and nozzles) that the job fits.

        Raises Unprocessable with the reason of every model when it fits none.
        """
        refusals: dict[str, Unprocessable] = {}
        for machine_id, nozzle_mm in candidates:
            try:
                return self.plan_for(job, meshes, machine_id, nozzle_mm)
            except Unprocessable as error:
                refusals.setdefault(error.detail, error)
        if len(refusals) == 1:
            raise next(iter(refusals.values()))
        raise Unprocessable(
            f"No printer of this lab can print it: {' '.join(refusals)}",
            hint="Scale it down, turn it, or split it.",
        )

    def meshes_of(self, db: Database, job: Row) -> list[CheckedMesh]:
        """The checked mesh of the job's file, or those of all the parts of its plate."""
        parts = json.loads(job["request"]).get("parts")
        found = []
        for file_id in [part["file_id"] for part in parts] if parts else [job["file_id"]]:
            file = row(db, "SELECT sha256, format FROM files WHERE id = ?", (file_id,)) or {}
            found.append(checks.checked_mesh(db, file["sha256"], file["format"]))
        return found

    def abandon(self, db: Database, job: Row) -> None:
        """A job is given up while being sliced: stop slicing if no other job waits for it."""
        others = value(
            db,
            "SELECT 1 FROM jobs WHERE state = 'slicing' AND slice_key = ? AND id != ?",
            (job["slice_key"], job["id"]),
        )
        if job["state"] == JobState.SLICING and not others:
            self.slices.abandon(db, job["slice_key"])

    def on_file_checked(self, db: Database, event: Event) -> None:
        """Subscriber: the jobs that waited for this check go on."""
        waiting = rows(
            db,
            "SELECT jobs.id FROM jobs WHERE state = 'checking' AND EXISTS (SELECT 1 FROM files"
            "  WHERE sha256 = ? AND format = ? AND (files.id = file_id OR files.id IN"
            "  (SELECT value ->> '$.file_id' FROM json_each(request, '$.parts'))))"
            " ORDER BY created_at, rowid",
            (event.data["sha256"], event.data["format"]),
        )
        for item in waiting:
            self.advance(db, item["id"])

    def on_slice_ended(self, db: Database, event: Event) -> None:
        """Subscriber: the jobs that waited for this slice go on."""
        waiting = rows(
            db,
            "SELECT id FROM jobs WHERE state = 'slicing' AND slice_key = ?"
            " ORDER BY created_at, rowid",
            (event.data["key"],),
        )
        for item in waiting:
            self.advance(db, item["id"])

    def _after_check(self, db: Database, job: Row) -> None:
        meshes = self.meshes_of(db, job)
        if not all(mesh.is_checked for mesh in meshes):
            return
        if bad := next((mesh for mesh in meshes if not mesh.is_usable), None):
            reason = bad.first_error or "The check found nothing in the file that can be printed."
            move_job(db, job["id"], JobEvent.UNPRINTABLE, reason)
            return
        try:
            plan = self.plan_first(job, meshes, _machines_for(db, job))
        except FabcoordError as error:
            move_job(db, job["id"], JobEvent.NEEDS_PERSON, str(error))
            return
        db.conn.execute("UPDATE jobs SET slice_key = ? WHERE id = ?", (plan.key, job["id"]))
        self.slices.ensure(db, plan)
        name = machines.machine(plan.machine).name
        doing = "sliced" if meshes[0].gcode_sha256 is None else "vetted"
        move_job(db, job["id"], JobEvent.CHECKED, f"Is being {doing} for {name}.")

    def _after_slice(self, db: Database, job: Row) -> None:
        made = cache.get(db, job["slice_key"])
        if made.state == "failed":
            move_job(db, job["id"], JobEvent.NEEDS_PERSON, made.error)
        if made.state != "done":
            return
        _, rules = policy.current(db, self.default)
        total = {name: round(each * job["copies"], 4) for name, each in made.estimate.items()}
        total = quotes.for_job(db, rules, job, total)
        db.conn.execute("UPDATE jobs SET estimate = ? WHERE id = ?", (json.dumps(total), job["id"]))
        self._keep_models(db, job)
        review = None if job["approved"] else self._why_reviewed(db, rules, job, total)
        if review is not None:
            move_job(db, job["id"], JobEvent.NEEDS_APPROVAL, review)
        elif not json.loads(job["request"]).get("released") and rules.release != "automatic":
            where = " at the kiosk" if rules.release == "badge" else ""
            move_job(db, job["id"], JobEvent.NEEDS_RELEASE, f"Waits for you to release it{where}.")
        else:
            move_job(db, job["id"], JobEvent.SLICED, "Waits for a printer.")
            if value(db, "SELECT state FROM jobs WHERE id = ?", (job["id"],)) == JobState.QUEUED:
                attempts.resume_job(db, job["id"])  # it may have been retried with copies out

    def _why_reviewed(
        self, db: Database, rules: Policy, job: Row, estimate: dict[str, float]
    ) -> str | None:
        for part in json.loads(job["request"]).get("parts") or [{}]:
            objection = terms.objection(db, job | part, self.print_rules)
            if objection is not None:
                return f"{objection.reason} Staff decide."
        return reputation.why_reviewed(db, rules, job, estimate)

    def _keep_models(self, db: Database, job: Row) -> None:
        """Keep which machine models, of all that are known, could print this; and why not others.

        Those of this lab are told the reason of; the rest would only make the list long.
        """
        meshes, here = self.meshes_of(db, job), printers.machines_here(db)
        fitting, misfits = [], {}
        for machine_id in sorted(machines.all_machines()):
            try:
                self.plan_for(job, meshes, machine_id, None)
                fitting.append(machine_id)
            except FabcoordError as error:
                if machine_id in here:
                    misfits[machine_id] = error.detail
        db.conn.execute(
            "UPDATE jobs SET machines = ?, misfits = ? WHERE id = ?",
            (json.dumps(fitting), json.dumps(misfits), job["id"]),
        )


def _placement(asked: dict[str, Any]) -> Placement:
    x, y, z = asked.get("rotation") or (0.0, 0.0, 0.0)
    return Placement(asked.get("scale") or 1.0, (x, y, z))


def _material(job: Row, machine_id: str) -> str:
    """The material that was asked for, else the usual one."""
    offered = machines.machine(machine_id).materials
    return str(job["material"] or ("PLA" if "PLA" in offered else offered[0]))


def _machines_for(db: Database, job: Row) -> list[tuple[str, float | None]]:
    if job["printer_id"]:
        wanted = printers.get(db, job["printer_id"])
        return [(wanted["machine"], wanted["nozzle_mm"])]
    here = printers.machines_here(db)
    if job["machine"]:
        if job["machine"] not in here:
            raise Unprocessable(
                f"This lab has no {machines.machine(job['machine']).name}.",
                hint="Ask for one of the lab's own machine models, or for none.",
            )
        return [(job["machine"], None)]
    if not here:
        raise Unprocessable(
            "This lab has no printer yet.", hint="Staff can add one under Printers; then retry."
        )
    return [(machine_id, None) for machine_id in here]
