"""What a print will take: time, material, money and energy, from its G-code and its machine."""

from __future__ import annotations

from dataclasses import dataclass

from fabcoord.printers.machines import MachineModel
from fabcoord.slicing.gcode import GcodeInfo


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one copy will take. Money is in the lab's currency."""

    duration_s: float
    length_mm: float
    mass_g: float
    filament_cost: float
    machine_cost: float
    energy_kwh: float

    @property
    def cost(self) -> float:
        """Filament and machine together."""
        return round(self.filament_cost + self.machine_cost, 4)


def estimate(
    info: GcodeInfo, machine: MachineModel, *, density_g_cm3: float, filament_cost_per_kg: float
) -> Estimate:
    """The estimate for one copy.

    Mass is the slicer's where it gives one, otherwise volume or length (of 1.75 mm filament)
    times the density; the price likewise. The energy is the machine's average power times the
    time, heating included in the average.
    """
    duration_s = info.duration_s or 0.0
    length_mm = info.length_mm or 0.0
    volume_cm3 = info.volume_cm3 or length_mm * _AREA_MM2 / 1000
    mass_g = info.mass_g or volume_cm3 * density_g_cm3
    hours = duration_s / 3600
    return Estimate(
        duration_s=duration_s,
        length_mm=length_mm,
        mass_g=mass_g,
        filament_cost=info.filament_cost or mass_g / 1000 * filament_cost_per_kg,
        machine_cost=hours * machine.cost_per_hour,
        energy_kwh=hours * machine.power_w / 1000,
    )


_AREA_MM2 = 2.405  # of 1.75 mm filament
