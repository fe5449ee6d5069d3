"""Which jobs staff look at before they are queued."""

from __future__ import annotations

from collections.abc import Sequence

from fabcoord.queue.policy import Policy, Reputation
from fabcoord.store.database import Row, rows
from fabcoord.store.sqlite import Database

_LAST = 20


def why_reviewed(db: Database, rules: Policy, job: Row, estimate: dict[str, float]) -> str | None:
    """Why staff has to approve this job, in words for its member; None when nobody has to."""
    if rules.approval == "none":
        return None
    if rules.approval == "staff":
        return "Waits for staff to approve it."
    ended = rows(
        db,
        "SELECT attempts.state FROM attempts JOIN jobs ON jobs.id = job_id"
        " WHERE member_id = ? AND attempts.state IN ('finished', 'failed')"
        " ORDER BY ended_at DESC LIMIT ?",
        (job["member_id"], _LAST),
    )
    longest_h = estimate.get("duration_s", 0.0) / job["copies"] / 3600.0
    return judge(rules.reputation, [item["state"] for item in ended], longest_h)


def judge(asked: Reputation, last: Sequence[str], longest_h: float) -> str | None:
    """The same, from how the member's last prints ended (``finished`` or ``failed``)."""
    finished = sum(state == "finished" for state in last)
    if finished < asked.finished:
        return (
            f"Waits for staff to approve it: after {asked.finished} finished prints of yours,"
            " short ones need nobody."
        )
    if finished < asked.success_rate * len(last):
        return "Waits for staff to approve it: several of your last prints failed."
    if longest_h > asked.longest_h:
        return (
            f"Waits for staff to approve it: it takes {longest_h:.1f} h, and up to"
            f" {asked.longest_h:g} h need nobody."
        )
    return None
