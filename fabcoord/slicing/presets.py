"""Presets: what a machine, a quality and a material mean, as one flat file for the slicer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from fabcoord.errors import NotFound, SlicingFailed, Unprocessable
from fabcoord.printers.machines import (
    MachineModel,
    NozzlePresets,
    Quality,
    all_machines,
)
from fabcoord.printers.machines import machine as find_machine
from fabcoord.slicing.bundles import Bundle, find_bundle
from fabcoord.slicing.conditions import holds
from fabcoord.slicing.locate import profile_directories

_HOTEND = ("temperature", "first_layer_temperature")
_BED = ("bed_temperature", "first_layer_bed_temperature")
DEFAULT_FILAMENT_COST_PER_KG = 25.0  # where a filament preset names no price

# What only the slicer's own preset menus use. `printer_model` is not among them: start G-code
# hands it to the printer, which compares (M862.3).
_BOOKKEEPING = frozenset(
    {
        "inherits",
        "alias",
        "renamed_from",
        "renamed_From",
        "compatible_printers",
        "compatible_printers_condition",
        "compatible_prints",
        "compatible_prints_condition",
        "default_print_profile",
        "default_filament_profile",
        "printer_vendor",
    }
)


@dataclass(frozen=True, slots=True)
class PresetInfo:
    """One way to print on a machine model, for choosing; its id comes back in requests."""

    id: str  # "prusa_mk3s:normal:PLA:0.4"
    machine: str
    quality: str
    material: str
    nozzle_mm: float
    print_preset: str  # the vendor's names
    filament_preset: str


@dataclass(frozen=True, slots=True)
class Preset:
    """Everything the slicer needs to know, resolved.

    ``ini`` is a flat PrusaSlicer configuration; ``sha256`` is the hash of it and of the place on
    the bed: two presets that slice alike have the same hash, whatever they are called.
    """

    info: PresetInfo
    ini: str = field(repr=False)
    sha256: str
    layer_height_mm: float
    density_g_cm3: float
    filament_cost_per_kg: float
    skirt_mm: float  # how far skirt and brim reach beyond the part
    hotend_c: float  # the hottest that it asks of the nozzle
    bed_c: float  # and of the bed


def resolve(
    machine: MachineModel,
    quality: str = Quality.NORMAL,
    material: str = "PLA",
    nozzle_mm: float | None = None,
) -> Preset:
    """The preset for this machine, quality, material and nozzle (its standard nozzle if None).

    Raises Unprocessable when the machine has no such preset, and SlicingFailed when the vendor
    bundle lacks what the machine's file names or when its parts do not belong together.
    """
    nozzle, presets = _nozzle(machine, nozzle_mm)
    quality = _pick(quality, presets.quality, f"{machine.name} has no quality")
    material = _pick(material, presets.material, f"{machine.name} has no preset for material")
    info = _info(machine, nozzle, quality, material)
    directories = [machine.source.parent, *profile_directories()]
    bundle = find_bundle(machine.bundle, directories)
    printer = bundle.resolve("printer", presets.printer)
    printing = bundle.resolve("print", info.print_preset)
    filament = bundle.resolve("filament", info.filament_preset)
    _must_fit(bundle, "print", info.print_preset, printing, presets.printer, printer)
    _must_fit(bundle, "filament", info.filament_preset, filament, presets.printer, printer)
    if not holds(filament.get("compatible_prints_condition", ""), printing):
        raise _misfit(bundle, "filament", info.filament_preset, info.print_preset)
    settings = _flat(printer, printing, filament)
    settings |= {
        "printer_settings_id": presets.printer,
        "print_settings_id": info.print_preset,
        "filament_settings_id": info.filament_preset,
    }
    ini = "".join(f"{key} = {value}\n" for key, value in sorted(settings.items()))
    density = _number(settings, "filament_density")
    if density <= 0:
        raise SlicingFailed(f"The filament preset {info.filament_preset!r} has no density.")
    return Preset(
        info=info,
        ini=ini,
        sha256=hashlib.sha256(f"{machine.centre_mm}\n{ini}".encode()).hexdigest(),
        layer_height_mm=_number(settings, "layer_height"),
        density_g_cm3=density,
        filament_cost_per_kg=_number(settings, "filament_cost") or DEFAULT_FILAMENT_COST_PER_KG,
        skirt_mm=_skirt(settings, nozzle),
        hotend_c=max(_number(settings, name) for name in _HOTEND),
        bed_c=max(_number(settings, name) for name in _BED),
    )


def resolve_id(preset_id: str) -> Preset:
    """The preset with this id, as `available` lists it; raises NotFound."""
    try:
        machine_id, quality, material, nozzle = preset_id.split(":")
        return resolve(find_machine(machine_id), quality, material, float(nozzle))
    except ValueError:
        raise NotFound(
            f"There is no preset {preset_id!r}.", hint="GET /api/v1/presets lists them."
        ) from None


def available(machine: str | None = None, material: str | None = None) -> list[PresetInfo]:
    """The presets there are, of one machine model or all, for one material or all.

    Read from the machine files alone, so it answers even where no slicer is installed.
    """
    models = [find_machine(machine)] if machine is not None else all_machines().values()
    return [
        _info(model, nozzle, quality, name)
        for model in models
        for nozzle, presets in model.presets.items()
        for quality in presets.quality
        for name in presets.material
        if material is None or name.casefold() == material.casefold()
    ]


def _nozzle(machine: MachineModel, nozzle_mm: float | None) -> tuple[float, NozzlePresets]:
    nozzle = machine.nozzle_mm if nozzle_mm is None else nozzle_mm
    if nozzle not in machine.presets:
        known = ", ".join(f"{one:g}" for one in machine.presets)
        raise Unprocessable(
            f"{machine.name} has no presets for a {nozzle:g} mm nozzle.",
            hint=f"There are: {known}.",
        )
    return nozzle, machine.presets[nozzle]


def _pick(wanted: str, offered: Mapping[str, str], complaint: str) -> str:
    for name in offered:
        if name.casefold() == wanted.casefold():
            return name
    raise Unprocessable(f"{complaint} {wanted!r}.", hint=f"There are: {', '.join(offered)}.")


def _info(machine: MachineModel, nozzle: float, quality: str, material: str) -> PresetInfo:
    presets = machine.presets[nozzle]
    return PresetInfo(
        id=f"{machine.id}:{quality}:{material}:{nozzle:g}",
        machine=machine.id,
        quality=quality,
        material=material,
        nozzle_mm=nozzle,
        print_preset=presets.quality[quality],
        filament_preset=presets.material[material],
    )


def _must_fit(
    bundle: Bundle,
    kind: str,
    name: str,
    settings: Mapping[str, str],
    printer_name: str,
    printer: Mapping[str, str],
) -> None:
    named = [one.strip().strip('"') for one in settings.get("compatible_printers", "").split(";")]
    listed = [one for one in named if one]
    condition = settings.get("compatible_printers_condition", "")
    if (listed and printer_name not in listed) or not holds(condition, printer):
        raise _misfit(bundle, kind, name, printer_name)


def _misfit(bundle: Bundle, kind: str, name: str, other: str) -> SlicingFailed:
    return SlicingFailed(
        f"In {bundle.path.name} the {kind} preset {name!r} is not meant for {other!r}.",
        hint="Correct the presets in the machine's file.",
    )


def _flat(*parts: Mapping[str, str]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for part in parts:
        settings |= {key: value for key, value in part.items() if key not in _BOOKKEEPING}
    # Never a program of somebody else's choosing (CVE-2023-47268), wherever a preset came from.
    settings["post_process"] = ""
    return settings


def _skirt(settings: Mapping[str, str], nozzle_mm: float) -> float:
    brim = _number(settings, "brim_width")
    loops = _number(settings, "skirts")
    if not loops:
        return brim
    # Widths may be a percentage or 0 for automatic; 1.5 nozzles is more than any bundle uses.
    return brim + _number(settings, "skirt_distance", 6.0) + loops * 1.5 * nozzle_mm


def _number(settings: Mapping[str, str], key: str, default: float = 0.0) -> float:
    try:
        return float(settings.get(key, str(default)).split(",")[0])
    except ValueError:
        return default
