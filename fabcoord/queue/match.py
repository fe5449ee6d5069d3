"""Which printer may take which job: pure, one reason in words for each refusal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wish:
    """What a job asks of a printer; None, or nothing, where it does not care.

    ``machines`` are the machine models that the part fits and its member may use; None where
    that is not known.
    """

    machine: str | None
    material: str | None
    colour: str | None
    printer_id: str | None
    machines: frozenset[str] | None = None
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Offering:
    """What a printer has; None where nobody said what is loaded."""

    printer_id: str
    name: str
    machine: str
    material: str | None
    colour: str | None
    tags: frozenset[str] = frozenset()


def why_not(wish: Wish, offering: Offering) -> str | None:
    """Why this printer cannot take this job, in one sentence; None when it can."""
    if wish.printer_id is not None and wish.printer_id != offering.printer_id:
        return f"{offering.name} is not the printer that was asked for."
    if wish.machine is not None and wish.machine != offering.machine:
        return f"{offering.name} is another machine model."
    if wish.machines is not None and offering.machine not in wish.machines:
        return f"It does not fit {offering.name}, or you are not trained on it."
    if missing := wish.tags - offering.tags:
        return f"{offering.name} is not marked {', '.join(sorted(missing))}."
    if _differs(wish.material, offering.material):
        return f"{offering.name} has {offering.material} loaded, not {wish.material}."
    if _differs(wish.colour, offering.colour):
        return f"{offering.name} has {offering.colour} loaded, not {wish.colour}."
    return None


def _differs(wanted: str | None, loaded: str | None) -> bool:
    return bool(wanted and loaded) and str(wanted).casefold() != str(loaded).casefold()
