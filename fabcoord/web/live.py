"""What a page listens to, so that it shows a change without being loaded again."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from fabcoord.queue.states import AttemptState, JobState
from fabcoord.store import events
from fabcoord.store.sqlite import Database

QUEUE = (
    *(
        "job.created",
        "job.changed",
        "job.forecast",
        "job.approved",
        *(f"job.{state}" for state in JobState),
    ),
    *(f"attempt.{state}" for state in AttemptState),
    *("attempt.withdrawn", "attempt.cause", "attempt.report_refused", "command.created"),
)
PRINTERS = (
    *("printer.changed", "printer.cleared", "printer.configured", "printer.foreign_print"),
    *("printer.maintenance", "printer.ready", "printer.deleted", "printer.plate_filled"),
    "printer.prompt",
)
SPOOLS = (
    *("spool.created", "spool.changed", "spool.weighed", "spool.loaded", "spool.unloaded"),
    "spool.low",
)
RULES = ("policy.tried", "policy.changed", "group.changed")
AGENTS = ("agent.paired", "agent.registered", "agent.revoked", "agent.waiting")
DESIGNS = (
    *("picture.added", "picture.ready", "picture.changed", "picture.deleted"),
    *("moderation.hidden", "moderation.shown"),
    *("file.checked", "file.pictured", "file.rendered", "file.examined", "revision.created"),
    *("repair.asked", "repair.added", "repair.refused", "repair.no_better", "repair.failed"),
    *("design.created", "design.changed", "design.deleted", "design.restored"),
)
# What is said about a design.
TALK = (
    *("comment.added", "comment.changed", "comment.deleted", "documentation.changed"),
    *("make.added", "make.changed", "make.deleted"),
)
_PROGRESS_EVERY_S = 4  # progress and temperatures make no events


@dataclass(frozen=True, slots=True)
class Live:
    """Where a page is read from, and which events mean that it should be read again.

    ``every_s`` also reads it by the clock; 0 for never.
    """

    url: str
    kinds: tuple[str, ...]
    stream: str
    every_s: int = 0


def listen(
    db: Database, url: str, kinds: tuple[str, ...], *, job_id: str = "", moving: bool = False
) -> Live:
    """What a page should listen to that was read in the transaction of ``db``.

    Args:
        url: of the page.
        job_id: only events of this job.
        moving: whether something on the page moves by itself, such as a print.
    """
    asked = {"after": str(events.last_seq(db))} | ({"job": job_id} if job_id else {})
    stream = f"/api/v1/events?{urlencode(asked)}"
    return Live(url, kinds, stream, _PROGRESS_EVERY_S if moving else 0)
