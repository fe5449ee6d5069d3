"""What forms offer to choose from: licences, and what the machines of this lab can do."""

from __future__ import annotations

from dataclasses import dataclass

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.ledger import wallets
from fabcoord.printers import machines
from fabcoord.queue import policy, printers
from fabcoord.store.sqlite import Database

LICENCES: tuple[tuple[str, str], ...] = (
    ("CC-BY-SA-4.0", "CC BY-SA 4.0: share alike, name the author"),
    ("CC-BY-4.0", "CC BY 4.0: name the author"),
    ("CC0-1.0", "CC0 1.0: no conditions at all"),
    ("CERN-OHL-S-2.0", "CERN-OHL-S 2.0: open hardware, share alike"),
    ("CERN-OHL-P-2.0", "CERN-OHL-P 2.0: open hardware, permissive"),
    ("GPL-3.0-or-later", "GPL 3.0 or later"),
    ("CC-BY-NC-SA-4.0", "CC BY-NC-SA 4.0: share alike, not for sale"),
)
QUALITIES = ("draft", "normal", "fine")


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be asked of the machines of this lab; ``machines`` are pairs of id and name."""

    machines: list[tuple[str, str]]
    materials: list[str]
    qualities: list[str]
    colours: list[str]
    nozzles: list[str]  # of the lab's printers, in mm
    tags: list[str]  # that printers are marked with
    overnight: bool  # whether asking for the night makes a difference
    charge_codes: list[tuple[str, str]]  # those that the signed-in member may name


def of_lab(db: Database) -> Choices:
    """The choices that the printers of this lab give."""
    known = machines.all_machines()
    here = [known[machine_id] for machine_id in printers.machines_here(db) if machine_id in known]
    offered = {quality for one in here for quality in one.presets[one.nozzle_mm].quality}
    everyone = printers.everyone(db)
    loaded = {printer["colour"] for printer in everyone if printer["colour"]}
    widths = {printer["nozzle_mm"] for printer in everyone if printer["nozzle_mm"]}
    hours = policy.current(db)[1].hours
    return Choices(
        machines=[(one.id, one.name) for one in here],
        materials=list(dict.fromkeys(name for one in here for name in one.materials)),
        qualities=[quality for quality in QUALITIES if quality in offered],
        colours=sorted(loaded),
        nozzles=[f"{width:g}" for width in sorted(widths)],
        tags=sorted({tag for printer in everyone for tag in printer["tags"]}),
        overnight=bool(hours.open) and hours.overnight == "asked",
        charge_codes=[
            (code["name"], f"{code['name']} {code['title']}".strip())
            for code in wallets.codes(db, lab().charges, member())
            if not code["closed"] and member().id in (code.get("members") or [member().id])
        ],
    )
