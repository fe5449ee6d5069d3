"""Which printer may take which job: pure, one reason in words for each refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENCLOSED = "enclosed"  # the tag of printers with a closed chamber


@dataclass(frozen=True, slots=True)
class Wish:
    """What a job asks of a printer; None, or nothing, where it does not care.

    ``machines`` are the machine models that can print the part; None where that is not known.
    ``untrained`` are models that its member may not use yet.
    """

    machine: str | None
    material: str | None
    colour: str | None
    printer_id: str | None
    machines: frozenset[str] | None = None
    tags: frozenset[str] = frozenset()
    nozzle_mm: float | None = None
    untrained: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Offering:
    """What a printer has; None where nobody said what is loaded.

    ``overdue`` names the maintenance without which it gets no further print.
    """

    printer_id: str
    name: str
    machine: str
    material: str | None
    colour: str | None
    tags: frozenset[str] = frozenset()
    nozzle_mm: float | None = None
    overdue: str = ""


def why_not(wish: Wish, offering: Offering) -> str | None:
    """Why this printer cannot take this job, in one sentence; None when it can."""
    name = offering.name
    if wish.printer_id is not None and wish.printer_id != offering.printer_id:
        return f"{name} is not the printer that was asked for."
    if wish.machine is not None and wish.machine != offering.machine:
        return f"{name} is another machine model."
    if wish.machines is not None and offering.machine not in wish.machines:
        return f"{name} cannot print it as it is asked for."
    if offering.machine in wish.untrained:
        return f"You are not trained on {name}."
    if missing := wish.tags - offering.tags:
        if missing == {ENCLOSED}:
            return f"{name} has no enclosure, which {wish.material or 'this print'} needs."
        return f"{name} is not marked {', '.join(sorted(missing))}."
    if wish.nozzle_mm and offering.nozzle_mm and wish.nozzle_mm != offering.nozzle_mm:
        return f"{name} has a {offering.nozzle_mm:g} mm nozzle, not {wish.nozzle_mm:g} mm."
    if _differs(wish.material, offering.material):
        return f"{name} has {offering.material} loaded, not {wish.material}."
    if _differs(wish.colour, offering.colour):
        return f"{name} has {offering.colour} loaded, not {wish.colour}."
    if offering.overdue:
        return f"{name} waits for maintenance: {offering.overdue}."
    return None


def spool_objection(
    job: Mapping[str, Any], printer: str, left_g: float | None, margin: float
) -> str | None:
    """Why the spool that is loaded does not do for one copy; None when it does or is not known.

    Args:
        job: its row, with ``estimate`` (of all copies) and ``copies``.
        printer: its name.
        left_g: what the spool in it will have left when what prints has ended.
        margin: of the lab's policy: a spool is enough when it holds this times what is needed.
    """
    mass_g = float(json.loads(job["estimate"]).get("mass_g") or 0.0) / job["copies"]
    if left_g is None or mass_g * margin <= left_g:
        return None
    return (
        f"The spool in {printer} has {max(0.0, left_g):.0f} g left and the print takes"
        f" {mass_g:.0f} g. Ask for another spool to be loaded."
    )


def _differs(wanted: str | None, loaded: str | None) -> bool:
    return bool(wanted and loaded) and str(wanted).casefold() != str(loaded).casefold()
