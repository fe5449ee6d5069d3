"""/energy: what prints took, for whom, and what of it was wasted."""

from __future__ import annotations

from typing import Any

from flask import request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page, page_arguments
from fabcoord.designs import visibility
from fabcoord.errors import BadInput
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import energy as meter
from fabcoord.queue import jobs as queue
from fabcoord.queue import policy
from fabcoord.store.database import row
from fabcoord.store.sqlite import Database

energy = Resource("energy", __name__)


@energy.route_to(
    "GET", "/energy", Permission.PRINT,
    "Energy, cost and CO2e; ?by=print|member|design|printer|month&since=", answer="EnergySum[]",
)  # fmt: skip
def report() -> Any:
    limit, _ = page_arguments()
    by, since = request.args.get("by", "month"), request.args.get("since", "")
    if by not in meter.GROUPS:
        raise BadInput(f"by is one of: {', '.join(meter.GROUPS)}.", fields={"by": "unknown"})
    with lab().store.reading() as db:
        return page(seen_by(db, member(), by, since, limit), None)


@energy.route_to("GET", "/energy/factor", Permission.READ,
                 "What the lab's electricity stands for, and by whose word",
                 answer="EnergyFactor")  # fmt: skip
def factor() -> Any:
    with lab().store.reading() as db:
        rules = policy.current(db, lab().preparation.default)[1]
    return {"co2e_g_kwh": rules.energy.co2e_g_kwh or None, "source": rules.energy.source}


@energy.route_to("GET", "/jobs/<job_id>/energy", Permission.READ,
                 "What each print of a job took", answer="JobEnergy")  # fmt: skip
def of_job(job_id: str) -> Any:
    with lab().store.reading() as db:
        if queue.get_row(db, job_id)["member_id"] != member().id:
            member().require(Permission.RUN_PRINTERS)
        return {"attempts": meter.of_job(db, job_id)}


def seen_by(
    db: Database, viewer: Member, by: str, since: str, limit: int = 200
) -> list[dict[str, Any]]:
    """The sums that a member may see: their own prints, or everybody's for who runs them.

    Sums by design, printer and month name nobody, so all may see those of the lab; designs that
    the viewer may not see are left out.
    """
    names_people = by in ("print", "member") and not viewer.may(Permission.RUN_PRINTERS)
    found = meter.report(
        db, by, since=since, member_id=viewer.id if names_people else None, limit=limit
    )
    if by != "design":
        return found
    designs = ((item, row(db, "SELECT * FROM designs WHERE id = ?", (item["id"],)))
               for item in found)  # fmt: skip
    return [item for item, design in designs if design and visibility.may_see(viewer, design)]
