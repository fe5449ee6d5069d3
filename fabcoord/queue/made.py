"""Whether a design has been printed here: the only proof that it can be."""

from __future__ import annotations

from fabcoord.designs.okh.bundle import Made
from fabcoord.store.database import row
from fabcoord.store.sqlite import Database


def made(db: Database, design_id: str) -> Made:
    """From the finished prints of a design; ``by_others``: for somebody else than its owner."""
    found = row(
        db,
        "SELECT count(*) AS prints, coalesce(sum(jobs.member_id != designs.owner_id), 0) AS others"
        " FROM attempts JOIN jobs ON jobs.id = attempts.job_id"
        " JOIN designs ON designs.id = jobs.design_id"
        " WHERE jobs.design_id = ? AND attempts.state = 'finished'",
        (design_id,),
    ) or {"prints": 0, "others": 0}
    return Made(made=found["prints"] > 0, by_others=found["others"] > 0)
