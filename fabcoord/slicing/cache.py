"""Slices as background work: planned, made once, vetted, kept under their key."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabcoord.errors import FabcoordError, Unprocessable
from fabcoord.printers import machines
from fabcoord.printers.machines import MachineModel, Vector
from fabcoord.slicing import plates, presets
from fabcoord.slicing.engine import Cancelled, Engine, SliceRequest
from fabcoord.slicing.estimates import estimate
from fabcoord.slicing.gate import GateReport, vet
from fabcoord.slicing.gcode import GcodeInfo, read_info
from fabcoord.slicing.keys import plate_key, slice_key
from fabcoord.slicing.placement import Placement, fits
from fabcoord.slicing.plates import Part
from fabcoord.slicing.presets import Preset
from fabcoord.slicing.vetting import vet_apart
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Row, Store, row, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import now
from fabcoord.work import ledger
from fabcoord.work.engine import Commit, Task
from fabcoord.work.sandbox import Limits

SLICE = "slice"
_PRIORITY = 10
_READY_MADE = "ready-made"  # instead of a preset: G-code that somebody else sliced
_USUAL_DENSITY_G_CM3 = 1.24  # PLA, where a file does not say how heavy its print is
_VETTING_LIMITS = Limits(memory_bytes=1 << 30, cpu_s=120, wall_s=240)
# Failures that another try may mend; all others are the mesh's or the preset's own.
_WORTH_RETRYING = ("slicer-missing", "interrupted")


@dataclass(frozen=True, slots=True)
class Plan:
    """One slice to be made: what of, for which machine, with which preset."""

    key: str
    mesh_sha256: str
    machine: str
    preset_id: str
    placement: Placement
    parts: tuple[Part, ...] = ()  # of a plate; the mesh is then the first of them

    def to_json(self) -> str:
        return json.dumps(
            {
                "mesh_sha256": self.mesh_sha256,
                "machine": self.machine,
                "preset_id": self.preset_id,
                "scale": self.placement.scale,
                "rotation_deg": self.placement.rotation_deg,
                "parts": plates.to_json(self.parts),
            }
        )


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice as far as it is made. ``estimate`` is of one copy, in the shape of the API."""

    key: str
    state: str  # pending | done | failed
    gcode_sha256: str | None
    gcode_size: int
    layers: int | None
    estimate: dict[str, float]
    error: str


class Slices:
    """The slices of one lab.

    Args:
        store: the lab's database.
        engine: the slicer.
        blobs: where meshes are and G-code goes.
        work_dir: under which each run gets a directory of its own.
    """

    def __init__(self, store: Store, engine: Engine, blobs: BlobStore, work_dir: Path) -> None:
        self._store, self._engine = store, engine
        self._blobs, self._work_dir = blobs, work_dir

    def warm(self, machine_ids: list[str]) -> None:
        """Read the bundles of these machines and the slicer's version before anyone waits."""
        with contextlib.suppress(FabcoordError):
            self._engine.version()
        for machine_id in machine_ids:
            with contextlib.suppress(FabcoordError):
                model = machines.machine(machine_id)
                presets.resolve(model, material=model.materials[0])

    def plan(
        self,
        mesh_sha256: str,
        size_mm: Vector,
        machine_id: str,
        *,
        quality: str,
        material: str,
        nozzle_mm: float | None = None,
        placement: Placement,
    ) -> Plan:
        """Work out what to slice, without slicing.

        Raises Unprocessable when the part does not fit or there is no such preset, and
        SlicerMissing when no slicer is installed.
        """
        model = machines.machine(machine_id)
        preset = presets.resolve(model, quality, material, nozzle_mm)
        if reason := fits(size_mm, placement, model, preset.skirt_mm):
            raise Unprocessable(reason, hint="Scale it down, turn it, or split it.")
        if reason := too_hot(preset, model):
            raise Unprocessable(reason, hint="Choose another material, or another machine.")
        version = self._engine.version()
        key = slice_key(mesh_sha256, placement, preset.sha256, self._engine.name, version)
        return Plan(key, mesh_sha256, machine_id, preset.info.id, placement)

    def plan_plate(
        self,
        parts: Sequence[tuple[Part, Vector]],
        machine_id: str,
        *,
        quality: str,
        material: str,
        nozzle_mm: float | None = None,
    ) -> Plan:
        """The same for several parts, each with the size of its mesh in mm, on one plate."""
        for part, size_mm in parts:
            single = self.plan(
                part.mesh_sha256, size_mm, machine_id, quality=quality, material=material,
                nozzle_mm=nozzle_mm, placement=part.placement,
            )  # fmt: skip
        together = plates.gathered(part for part, _ in parts)
        preset = presets.resolve_id(single.preset_id)
        key = plate_key(together, preset.sha256, self._engine.name, self._engine.version())
        return Plan(
            key, together[0].mesh_sha256, machine_id, single.preset_id, Placement(), together
        )

    def plan_gcode(self, gcode_sha256: str, machine_id: str) -> Plan:
        """Work out how to take G-code that somebody else sliced: it only has to be vetted."""
        key = hashlib.sha256(f"gcode {gcode_sha256} {machine_id}".encode()).hexdigest()
        return Plan(key, gcode_sha256, machine_id, _READY_MADE, Placement())

    def machine_of_gcode(self, gcode_sha256: str, machine_ids: list[str]) -> str | None:
        """Which of these machine models a G-code file says it was sliced for, if it says so."""
        said = read_info(self._blobs.path(gcode_sha256)).settings.get("printer_model", "")
        for machine_id in machine_ids:
            model = machines.machine(machine_id)
            preset = presets.resolve(model, material=model.materials[0])
            if said and f"\nprinter_model = {said}\n" in preset.ini:
                return machine_id
        return None

    def ensure(self, db: Database, plan: Plan) -> Slice:
        """The slice of this plan; queued for making if there is none yet."""
        known = row(db, "SELECT * FROM slices WHERE key = ?", (plan.key,))
        if known is None or _is_to_be_made_again(db, known, plan.machine):
            db.conn.execute(
                "INSERT INTO slices (key, request, created_at) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET state = 'pending', error = '', error_slug = ''",
                (plan.key, plan.to_json(), now()),
            )
            ledger.enqueue(db, SLICE, plan.key, priority=_PRIORITY)
        return get(db, plan.key)

    def abandon(self, db: Database, key: str) -> None:
        """No job waits for this slice any more; who asks for it again has it made anew."""
        ledger.cancel(db, SLICE, key)
        db.conn.execute("DELETE FROM slices WHERE key = ? AND state = 'pending'", (key,))

    def task(self) -> Task:
        """The kind of run that makes a slice."""
        return Task(SLICE, self._make, _gave_up)

    def _make(self, key: str, stopped: Callable[[], bool]) -> Commit:
        """Slice, vet, store; an error becomes the slice's outcome, not the run's."""
        with self._store.reading() as db:
            asked = value(db, "SELECT request FROM slices WHERE key = ?", (key,))
        if asked is None:
            return lambda _db: None  # abandoned between claim and now; the run is cancelled
        self._work_dir.mkdir(parents=True, exist_ok=True)
        out = Path(tempfile.mkdtemp(prefix="slice-", dir=self._work_dir))
        try:
            return self._sliced(key, json.loads(asked), out, stopped)
        except Cancelled:
            return lambda db: _fail(db, key, "interrupted", "Nobody waited for it any more.")
        except FabcoordError as error:
            slug, text = error.slug, str(error)
            return lambda db: _fail(db, key, slug, text)
        finally:
            shutil.rmtree(out, ignore_errors=True)

    def _sliced(
        self, key: str, request: dict[str, Any], out: Path, stopped: Callable[[], bool]
    ) -> Commit:
        model = machines.machine(request["machine"])
        if request["preset_id"] == _READY_MADE:
            return self._taken(key, request["mesh_sha256"], model, out, stopped)
        preset = presets.resolve_id(request["preset_id"])
        x, y, z = request["rotation_deg"]
        made = self._engine.slice(
            SliceRequest(
                mesh=self._blobs.path(request["mesh_sha256"]),
                machine=model,
                preset=preset,
                placement=Placement(request["scale"], (x, y, z)),
                parts=tuple(
                    (self._blobs.path(part.mesh_sha256), part)
                    for part in plates.from_json(request.get("parts") or [])
                ),
            ),
            out,
            cancelled=stopped,
        )
        vetted = vet(made.gcode, model).require(model)
        size = made.gcode.stat().st_size
        expected = _estimate(
            made.info, model, preset.density_g_cm3, preset.filament_cost_per_kg, vetted
        )
        return _done(key, self._blobs.add_file(made.gcode), size, expected, model, vetted)

    def _taken(
        self, key: str, sha256: str, model: MachineModel, out: Path, stopped: Callable[[], bool]
    ) -> Commit:
        """G-code from outside: vetted in a process of its own, kept as it is."""
        path = self._blobs.path(sha256)
        vetted, info = vet_apart(path, model, out, _VETTING_LIMITS, stopped)
        vetted.require(model)
        expected = _estimate(
            info, model, _USUAL_DENSITY_G_CM3, presets.DEFAULT_FILAMENT_COST_PER_KG, vetted
        )
        return _done(key, sha256, path.stat().st_size, expected, model, vetted)


def _done(
    key: str,
    gcode_sha256: str,
    size: int,
    expected: dict[str, Any],
    model: MachineModel,
    vetted: GateReport,
) -> Commit:
    def commit(db: Database) -> None:
        db.conn.execute(
            "UPDATE slices SET state = 'done', gcode_sha256 = ?, gcode_size = ?, estimate = ?,"
            " ended_at = ? WHERE key = ?",
            (gcode_sha256, size, json.dumps(expected), now(), key),
        )
        record_vetting(db, gcode_sha256, model, vetted)
        emit(db, "slice.done", key=key)

    return commit


def _is_to_be_made_again(db: Database, known: Row, machine_id: str) -> bool:
    """Whether another try may mend a failure, or the machine's limits changed since the gate."""
    if known["state"] == "failed":
        return known["error_slug"] in _WORTH_RETRYING
    return known["state"] == "done" and not is_vetted(db, known["gcode_sha256"], machine_id)


def too_hot(preset: Preset, model: MachineModel) -> str | None:
    """Why this machine cannot print this material: the heat that it needs; None when it can."""
    for wanted_c, most_c, what in (
        (preset.hotend_c, model.max_hotend_c, "nozzle"),
        (preset.bed_c, model.max_bed_c, "bed"),
    ):
        if wanted_c > most_c:
            return (
                f"{preset.info.material} needs {wanted_c:g} °C at the {what}, and {model.name} may"
                f" have {most_c:g} °C."
            )
    return None


def get(db: Database, key: str) -> Slice:
    """The slice of that key, which must have been planned."""
    found = row(db, "SELECT * FROM slices WHERE key = ?", (key,)) or {}
    expected = json.loads(found["estimate"])
    return Slice(
        key=key,
        state=found["state"],
        gcode_sha256=found["gcode_sha256"],
        gcode_size=found["gcode_size"] or 0,
        layers=expected.pop("layers", None),
        estimate=expected,
        error=found["error"],
    )


def record_vetting(db: Database, gcode_sha256: str, model: MachineModel, seen: GateReport) -> None:
    """Keep what the gate said of this G-code on this machine, as the machine is defined now."""
    said = {
        "refusals": [[one.line, one.code, one.text] for one in seen.refusals],
        "max_hotend_c": seen.max_hotend_c,
        "max_bed_c": seen.max_bed_c,
        "layers": seen.layers,
        "lines": seen.lines,
    }
    db.conn.execute(
        "INSERT INTO vettings (gcode_sha256, machine_sha256, ok, report, created_at)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET ok = excluded.ok,"
        " report = excluded.report",
        (gcode_sha256, _machine_sha256(model), int(seen.ok), json.dumps(said), now()),
    )


def is_vetted(db: Database, gcode_sha256: str, machine_id: str) -> bool:
    """Whether the gate let this G-code pass for this machine with its present limits."""
    model = machines.machine(machine_id)
    return bool(
        value(
            db,
            "SELECT ok FROM vettings WHERE gcode_sha256 = ? AND machine_sha256 = ?",
            (gcode_sha256, _machine_sha256(model)),
        )
    )


def _machine_sha256(model: MachineModel) -> str:
    limits = (model.id, model.build_volume_mm, model.travel_mm, model.max_hotend_c)
    more = (model.max_bed_c, model.max_chamber_c, sorted(model.allow_commands), model.firmware)
    return hashlib.sha256(repr((limits, more)).encode()).hexdigest()


def _estimate(
    info: GcodeInfo,
    model: MachineModel,
    density_g_cm3: float,
    filament_cost_per_kg: float,
    vetted: GateReport,
) -> dict[str, Any]:
    expected = estimate(
        info,
        model,
        density_g_cm3=density_g_cm3,
        filament_cost_per_kg=filament_cost_per_kg,
    )
    return {
        "duration_s": round(expected.duration_s),
        "mass_g": round(expected.mass_g, 2),
        "length_mm": round(expected.length_mm, 1),
        "cost": round(expected.cost, 2),
        "energy_kwh": round(expected.energy_kwh, 4),
        "layers": vetted.layers or info.layers,
    }


def _fail(db: Database, key: str, slug: str, text: str) -> None:
    db.conn.execute(
        "UPDATE slices SET state = 'failed', error = ?, error_slug = ?, ended_at = ? WHERE key = ?",
        (text, slug, now(), key),
    )
    emit(db, "slice.failed", key=key, error=text)


def _gave_up(db: Database, key: str, reason: str) -> None:
    _fail(db, key, "interrupted", f"Slicing did not end: {reason}. Retry, or simplify the mesh.")
