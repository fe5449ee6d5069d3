"""What the licence of a job's design asks before it may be printed."""

from __future__ import annotations

import json
from typing import Any

from fabcoord.designs import licences
from fabcoord.designs.licences import PrintRules
from fabcoord.designs.licences.printing import Objection
from fabcoord.errors import Unprocessable
from fabcoord.store.database import Row, row
from fabcoord.store.sqlite import Database


def objection(db: Database, job: Row, rules: PrintRules) -> Objection | None:
    """What speaks against this print, or None. ``job`` is a row of the table."""
    return _objection(
        db, job["design_id"], job["member_id"], rules,
        is_paid=bool(job["charge_code"]),
        is_commercial=json.loads(job["request"]).get("purpose") == "commercial",
    )  # fmt: skip


def refuse(db: Database, member_id: str, asked: dict[str, Any], rules: PrintRules) -> None:
    """Raise Unprocessable for a print that this lab does not take because of the licence."""
    found = _objection(
        db, asked["design_id"], member_id, rules,
        is_paid=bool(asked.get("charge_code")),
        is_commercial=asked.get("purpose") == "commercial",
    )  # fmt: skip
    if found is not None and found.is_final:
        raise refusal(found)


def refusal(found: Objection) -> Unprocessable:
    """The error for an objection that is final."""
    return Unprocessable(
        found.reason,
        hint="This lab does not take such prints. Print it for yourself, choose a design with"
        " another licence, or ask its author.",
        fields={"charge_code": "not for this design"},
    )


def _objection(
    db: Database, design_id: str, member_id: str, rules: PrintRules, **purpose: bool
) -> Objection | None:
    design = row(
        db, "SELECT owner_id, attribution, licence FROM designs WHERE id = ?", (design_id,)
    )
    if design is None:
        return None
    is_own = design["owner_id"] == member_id and not design["attribution"]
    return licences.objection(design["licence"], is_own=is_own, rules=rules, **purpose)
