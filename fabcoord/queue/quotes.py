"""What a print is offered for: the price that is shown before it is asked for, and then charged."""

from __future__ import annotations

import json
from typing import Any

from fabcoord.queue import prices, spools
from fabcoord.queue.policy import Policy
from fabcoord.queue.prices import Price
from fabcoord.store.database import Row, value
from fabcoord.store.sqlite import Database


def quote(
    db: Database, rules: Policy, job: Row, machine_id: str, estimate: dict[str, Any]
) -> Price | None:
    """The price of one copy; None in a lab that set no prices.

    Args:
        job: ``material``, ``colour`` and ``printer_id`` as they were asked for.
        estimate: of one copy on ``machine_id``.
    """
    if not prices.are_set(rules.prices):
        return None
    per_kg = spools.price_per_kg_minor(
        db, material=job.get("material"), colour=job.get("colour"),
        printer_id=job.get("printer_id"),
    )  # fmt: skip
    return prices.of_copy(rules.prices, machine_id, estimate, per_kg)


def for_job(db: Database, rules: Policy, job: Row, total: dict[str, Any]) -> dict[str, Any]:
    """Quote a job that was sliced, and keep it; returns its estimate with the cost it then has."""
    machine_id = value(
        db, "SELECT request ->> '$.machine' FROM slices WHERE key = ?", (job["slice_key"],)
    )
    copies = job["copies"]
    one = {name: each / copies for name, each in total.items() if isinstance(each, int | float)}
    quoted = quote(db, rules, job, machine_id or job["machine"] or "", one)
    kept = quoted.to_json() if quoted else {}
    db.conn.execute(
        "UPDATE jobs SET quote = ?, quote_minor = ? WHERE id = ?",
        (json.dumps(kept), quoted.total if quoted else 0, job["id"]),
    )
    return total | ({"cost": cost(quoted, copies)} if quoted else {})


def of_job(job: Row) -> Price | None:
    """What was quoted for one copy of a job."""
    return prices.from_json(json.loads(job["quote"]))


def cost(quoted: Price, copies: int) -> float:
    """The cost in units of the currency, as estimates show it; money itself is never a float."""
    return quoted.total * copies / float(10 ** prices.digits(quoted.currency))
