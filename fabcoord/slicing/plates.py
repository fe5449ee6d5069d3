"""Plates of several parts: what lies on one, and how the slicer is given them to arrange."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabcoord.errors import SlicingFailed, Unprocessable
from fabcoord.slicing.placement import Placement

MOST_PARTS = 100


@dataclass(frozen=True, slots=True)
class Part:
    """One mesh on a plate, turned and scaled by itself, so many times."""

    mesh_sha256: str
    placement: Placement
    copies: int = 1


def gathered(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The same plate whatever the order in which its parts are named: equal ones together.

    Raises Unprocessable for a plate with too many.
    """
    counted: Counter[tuple[str, str]] = Counter()
    placements: dict[tuple[str, str], Placement] = {}
    for part in parts:
        key = part.mesh_sha256, part.placement.canonical()
        counted[key] += part.copies
        placements[key] = part.placement
    if not 1 <= counted.total() <= MOST_PARTS:
        raise Unprocessable(f"A plate holds 1 to {MOST_PARTS} parts.", hint="Ask for several.")
    return tuple(Part(key[0], placements[key], counted[key]) for key in sorted(counted))


def to_json(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """The parts as they are kept with a slice that is asked for."""
    return [
        {
            "mesh_sha256": part.mesh_sha256,
            "scale": part.placement.scale,
            "rotation_deg": part.placement.rotation_deg,
            "copies": part.copies,
        }
        for part in parts
    ]


def from_json(kept: Sequence[dict[str, Any]]) -> tuple[Part, ...]:
    """The reverse of `to_json`."""
    return tuple(
        Part(
            one["mesh_sha256"],
            Placement(one["scale"], tuple(one["rotation_deg"])),
            one["copies"],
        )
        for one in kept
    )


def turn_options(placement: Placement) -> list[str]:
    """PrusaSlicer's options for a placement, applied in this order; none where nothing changes."""
    options: list[str] = []
    if placement.scale != 1:
        options += ["--scale", f"{placement.scale:.6g}"]
    for option, degrees in zip(
        ("--rotate-x", "--rotate-y", "--rotate"), placement.rotation_deg, strict=True
    ):
        if degrees % 360:
            options += [option, f"{degrees % 360:g}"]
    return options


def lay_out(
    parts: Sequence[tuple[Path, Part]], cwd: Path, bake: Callable[[list[str]], object]
) -> list[str]:
    """Put the meshes of a plate into ``cwd``; returns the names that the slicer is to arrange.

    The slicer turns all that it is given alike, so a part that lies differently is turned and
    written by it first. A part that is wanted n times is named n times.

    Args:
        bake: runs the slicer with these arguments in ``cwd``.
    """
    names: list[str] = []
    for number, (mesh, part) in enumerate(parts):
        name, options = f"part-{number}.stl", turn_options(part.placement)
        if options:
            source = cwd / f"source-{number}.stl"
            source.symlink_to(mesh.resolve())
            bake([*options, "--export-stl", "-o", name, source.name])
            if not (cwd / name).is_file():
                raise SlicingFailed("The slicer could not turn a part of the plate.")
        else:
            (cwd / name).symlink_to(mesh.resolve())
        names += [name] * part.copies
    return names
