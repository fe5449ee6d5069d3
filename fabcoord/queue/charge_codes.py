"""Charge codes when a print is asked for: whether there is such a code, and for whom it is."""

from __future__ import annotations

import json

from fabcoord.errors import BadInput, NotAllowed
from fabcoord.members.roles import Member
from fabcoord.store.database import row, value
from fabcoord.store.sqlite import Database


def require(db: Database, member: Member, code: str) -> None:
    """Refuse a code that is not there, closed, or not for this member, before anything is made.

    Whether its budget is enough shows when the print was sliced and priced. A lab that made no
    charge codes takes any text: it only wants it noted.
    """
    if value(db, "SELECT 1 FROM charge_codes LIMIT 1") is None:
        return
    found = row(db, "SELECT * FROM charge_codes WHERE name = ?", (code,))
    if found is None or found["closed_at"]:
        raise BadInput(
            f"There is no open charge code {code!r}.",
            hint="Name another one, or none.",
            fields={"charge_code": "no such code"},
        )
    if found["members"] and member.id not in json.loads(found["members"]):
        raise NotAllowed(
            f"The charge code {found['name']} is not yours to use.", hint="Ask staff, or name none."
        )
