"""What a copy costs, by the lab's prices: whole minor units, each part rounded by itself; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from fabcoord.queue.policy import Prices

# Currencies of which a unit has no hundred parts (ISO 4217).
_DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF"), 0),
    **dict.fromkeys(("UGX", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
PARTS = ("machine", "material", "energy", "labour")


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one copy in minor units (cents) of ``currency``, part by part."""

    currency: str
    machine: int = 0
    material: int = 0
    energy: int = 0
    labour: int = 0

    @property
    def total(self) -> int:
        return self.machine + self.material + self.energy + self.labour

    def shape(self, copies: int = 1) -> dict[str, Any]:
        """In the shape of the API, for that many copies."""
        parts = {f"{name}_minor": getattr(self, name) * copies for name in PARTS}
        total_minor = self.total * copies
        return {
            "currency": self.currency,
            **parts,
            "total_minor": total_minor,
            "total": words(total_minor, self.currency),
        }

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def from_json(kept: Mapping[str, Any]) -> Price | None:
    """The price that `Price.to_json` wrote; None where nothing was quoted."""
    return Price(**kept) if kept else None


def are_set(prices: Prices) -> bool:
    """Whether the lab says at all what prints cost."""
    rates = (prices.machine_h, prices.material_kg, prices.energy_kwh, prices.labour)
    return prices.charge or any(rates) or any(prices.machines.values())


def of_copy(
    prices: Prices,
    machine_id: str,
    estimate: Mapping[str, Any],
    material_kg_minor: float | None = None,
) -> Price:
    """The price of one copy.

    Args:
        estimate: of one copy: ``duration_s``, ``mass_g``, ``energy_kwh``.
        material_kg_minor: what the spool's filament costs, where that is known.

    Each part is rounded to a minor unit, half up; the total is the sum of what is shown.
    """
    unit = Decimal(10) ** digits(prices.currency)

    def part(rate: float | Decimal, amount: float | Decimal) -> int:
        exact = Decimal(str(rate)) * Decimal(str(amount))
        return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))

    hours = Decimal(str(estimate.get("duration_s") or 0)) / 3600
    kilograms = Decimal(str(estimate.get("mass_g") or 0)) / 1000
    per_hour = prices.machines.get(machine_id, prices.machine_h)
    per_kg = (
        Decimal(str(prices.material_kg)) * unit
        if material_kg_minor is None
        else Decimal(str(material_kg_minor))
    )
    return Price(
        currency=prices.currency,
        machine=part(Decimal(str(per_hour)) * unit, hours),
        material=part(per_kg, kilograms),
        energy=part(Decimal(str(prices.energy_kwh)) * unit, estimate.get("energy_kwh") or 0),
        labour=part(Decimal(str(prices.labour)) * unit, 1),
    )


def digits(currency: str) -> int:
    """How many decimals amounts of a currency have."""
    return _DIGITS.get(currency.upper(), 2)


def to_minor(amount: float | str, currency: str) -> int:
    """An amount as people write it, in minor units. Raises ValueError for parts of a cent."""
    exact = Decimal(str(amount)) * 10 ** digits(currency)
    if not exact.is_finite() or exact != exact.to_integral_value():
        raise ValueError(f"{amount} is no amount of {currency}")
    return int(exact)


def words(amount_minor: int, currency: str) -> str:
    """``12.30 EUR``."""
    places = digits(currency)
    return f"{Decimal(amount_minor).scaleb(-places):.{places}f} {currency}"
