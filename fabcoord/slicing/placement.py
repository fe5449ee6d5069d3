"""How a part lies on the bed, and whether it fits there, before any slicing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fabcoord.errors import Unprocessable
from fabcoord.printers.machines import MachineModel, Vector

_SLACK_MM = 0.01  # meshes are float32


@dataclass(frozen=True, slots=True)
class Placement:
    """Scale, then rotation in degrees about X, then Y, then Z; the part lies on the bed's middle.

    Raises Unprocessable for a scale that is not between 0.001 and 1000 or a rotation that is not
    a finite number.
    """

    scale: float = 1.0
    rotation_deg: Vector = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if not 0.001 <= self.scale <= 1000:
            raise Unprocessable(
                "The scale must lie between 0.001 and 1000; 1 leaves the size as it is.",
                fields={"scale": "must lie between 0.001 and 1000"},
            )
        if len(self.rotation_deg) != 3 or not all(math.isfinite(one) for one in self.rotation_deg):
            raise Unprocessable(
                "The rotation must be three angles in degrees, about X, Y and Z.",
                fields={"rotation": "must be three numbers"},
            )

    def canonical(self) -> str:
        """The placement as text, alike for placements that slice alike."""
        # Adding 0.0 turns the negative zero into zero.
        angles = (round(one % 360.0, 6) % 360.0 + 0.0 for one in self.rotation_deg)
        return f"{self.scale:.6g} " + " ".join(f"{one:g}" for one in angles)

    def placed_size(self, size_mm: Vector) -> Vector | None:
        """The size of the part as it lies, in mm; None when only the slicer can tell.

        From the bounding box alone that is known only for quarter turns.
        """
        placed = [side * self.scale for side in size_mm]
        for axis, degrees in enumerate(self.rotation_deg):
            quarters = degrees / 90.0
            if abs(quarters - round(quarters)) > 1e-9:
                return None
            if round(quarters) % 2:
                one, other = (index for index in range(3) if index != axis)
                placed[one], placed[other] = placed[other], placed[one]
        return placed[0], placed[1], placed[2]


def fits(
    size_mm: Vector, placement: Placement, machine: MachineModel, margin_mm: float = 0.0
) -> str | None:
    """Why a part of this size cannot be printed there, in one sentence; None when it fits.

    Args:
        size_mm: extents of the mesh's bounding box in mm, before the placement.
        margin_mm: room that skirt and brim need on every side (`Preset.skirt_mm`).

    After a rotation other than quarter turns it answers None, and slicer and gate decide.
    """
    if not all(math.isfinite(side) and side > 0 for side in size_mm):
        return "The part has no size in at least one direction."
    placed = placement.placed_size(size_mm)
    if placed is None:
        return None
    x, y, z = machine.build_volume_mm
    room = (x - 2 * margin_mm, y - 2 * margin_mm, z)
    if all(side <= most + _SLACK_MM for side, most in zip(placed, room, strict=True)):
        return None
    reason = f"The part is {_text(placed)} mm, {machine.name} prints up to {_text(room)} mm"
    if margin_mm:
        reason += f" ({_text((x, y, z))} mm less {margin_mm:g} mm on each side for the skirt)"
    return reason + "."


def _text(size_mm: Vector) -> str:
    return " × ".join(f"{round(side, 1):g}" for side in size_mm)
