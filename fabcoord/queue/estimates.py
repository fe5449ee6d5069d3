"""What a print would take, for somebody who has not asked for it yet."""

from __future__ import annotations

import json
from typing import Any

from fabcoord.designs import checks
from fabcoord.errors import Unprocessable
from fabcoord.queue import policy, printers, quotes
from fabcoord.queue.preparation import Preparation
from fabcoord.store.database import Row
from fabcoord.store.sqlite import Database


def estimate(
    db: Database, preparation: Preparation, file: dict[str, Any], asked: dict[str, Any]
) -> dict[str, Any]:
    """``{state, estimate, machine, price}``: ``state`` is ``pending`` until the slice is made.

    Makes the slice in the background, so asking again a little later answers it, and a job with
    the same wishes does not slice again. Raises Unprocessable when it cannot be printed.
    """
    mesh = checks.checked_mesh(db, file["sha256"], file["format"])
    if mesh.state == "pending":
        return {"state": "pending", "estimate": None, "machine": None, "price": None}
    wishes = dict(zip(("machine", "quality", "material"),
                      str(asked.get("preset") or "").split(":"), strict=False))  # fmt: skip
    machine_id = asked.get("machine") or wishes.get("machine")
    here = [machine_id] if machine_id else printers.machines_here(db)
    if not here:
        raise Unprocessable("This lab has no printer yet.", hint="Name a machine model.")
    job: Row = {
        "request": json.dumps({"scale": asked.get("scale"), "rotation": asked.get("rotation")}),
        "material": asked.get("material") or wishes.get("material"),
        "quality": asked.get("quality") or wishes.get("quality"),
        "nozzle_mm": asked.get("nozzle_mm"),
    }
    plan = preparation.plan_first(job, [mesh], [(one, None) for one in here])
    made = preparation.slices.ensure(db, plan)
    if made.state == "failed":
        raise Unprocessable(made.error)
    copies = asked["copies"]
    total = {name: round(each * copies, 4) for name, each in made.estimate.items()}
    _, rules = policy.current(db, preparation.default)
    wanted = job | {"colour": asked.get("colour"), "printer_id": asked.get("printer_id")}
    price = quotes.quote(db, rules, wanted, plan.machine, made.estimate) if total else None
    if price is not None:
        total["cost"] = quotes.cost(price, copies)
    return {
        "state": made.state,
        "estimate": total or None,
        "machine": plan.machine,
        "price": price.shape(copies) if price else None,
    }
