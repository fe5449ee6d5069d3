"""Whether a part has room on the machines of this lab, as a finding beside those of its check.

It is judged when a file is read, for the lab's machines come and go while a check stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from fabcoord.designs.meshcheck.report import Finding, Severity
from fabcoord.printers import machines
from fabcoord.printers.machines import MachineModel, Vector
from fabcoord.queue import printers
from fabcoord.slicing.placement import Placement, fits
from fabcoord.store.sqlite import Database

_QUARTERS: tuple[Vector, ...] = (
    (0.0, 0.0, 90.0),
    (90.0, 0.0, 0.0),
    (0.0, 90.0, 0.0),
    (90.0, 0.0, 90.0),
    (90.0, 90.0, 0.0),
)  # fmt: skip  (with the part as it lies, every order of its three sides)


def models(db: Database) -> list[MachineModel]:
    """The machine models of the lab's printers."""
    known = machines.all_machines()
    return [known[one] for one in printers.machines_here(db) if one in known]


def judge(size_mm: Vector, here: Sequence[MachineModel]) -> Finding | None:
    """What to say of a part of this size: None when it fits every machine as it lies."""
    flat, turned, not_at_all = [], [], []
    for model in here:
        if fits(size_mm, Placement(), model) is None:
            flat.append(model)
        elif any(fits(size_mm, Placement(1.0, one), model) is None for one in _QUARTERS):
            turned.append(model)
        else:
            not_at_all.append(model)
    if not turned and not not_at_all:
        return None
    size = " × ".join(f"{round(side, 1):g}" for side in size_mm)
    said = []
    if flat:
        said.append(f"It fits {_names(flat)}.")
    if turned:
        said.append(f"Turned by a quarter it fits {_names(turned)}.")
    if flat or turned:
        if not_at_all:
            said.append(f"It does not fit {_names(not_at_all, with_room=True)}.")
        opening = f"The part of {size} mm is not for every machine of this lab."
        count = len(not_at_all) or None
        return Finding("larger_than_machine", Severity.WARNING, " ".join([opening, *said]), count)
    text = (
        f"The part of {size} mm is larger than each machine of this lab: "
        f"{_names(not_at_all, with_room=True)}. Scale it down, or split it."
    )
    return Finding("larger_than_machine", Severity.ERROR, text, len(not_at_all))


def with_room(db: Database, files: Iterable[dict[str, Any]]) -> None:
    """Add what `judge` says to the check of each file (in the shape of the API)."""
    here = models(db)
    for file in files:
        check = file["check"]
        # The box around several plates is no part; each of them is judged when it is taken out.
        if not check["size_mm"] or check.get("plates") or not all(check["size_mm"]):
            continue
        x, y, z = check["size_mm"]
        finding = judge((x, y, z), here)
        if finding is not None:
            said = asdict(finding)
            del said["marks"]
            check["findings"] = [*check["findings"], said]


def of_design(db: Database, design: dict[str, Any]) -> dict[str, Any]:
    """A design (in the shape of the API) with `with_room` for the files of its newest revision."""
    with_room(db, (design["revision"] or {}).get("files", ()))
    return design


def usual_nozzle_mm(db: Database) -> float | None:
    """The nozzle that most printers of the lab have, of several the finest; None without any."""
    found = db.conn.execute(
        "SELECT nozzle_mm FROM printers WHERE deleted_at IS NULL AND nozzle_mm > 0"
        " GROUP BY nozzle_mm ORDER BY count(*) DESC, nozzle_mm LIMIT 1"
    ).fetchone()
    return float(found[0]) if found else None


def _names(some: Sequence[MachineModel], *, with_room: bool = False) -> str:
    words = []
    for model in some:
        room = " × ".join(f"{side:g}" for side in model.build_volume_mm)
        words.append(f"{model.name} ({room} mm)" if with_room else model.name)
    return ", ".join(words)
