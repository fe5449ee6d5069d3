"""Jobs: mine, everybody's, and one with all that happened to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.designs import library
from fabcoord.errors import NotFound
from fabcoord.ledger import costs
from fabcoord.members.roles import Permission
from fabcoord.queue import batches, learning, limits, policy
from fabcoord.queue import energy as meter
from fabcoord.queue import jobs as queue
from fabcoord.queue import printers as fleet
from fabcoord.queue.policy import Policy
from fabcoord.queue.states import JOB_TRANSITIONS, JobState
from fabcoord.store.sqlite import Database
from fabcoord.web import live, terms, words
from fabcoord.web.frame import Pages, back, go, show

jobs = Pages("jobs")

_PAGE = 30
_ENDED = (JobState.COLLECTED, JobState.CANCELLED, JobState.REJECTED, JobState.FAILED)


@jobs.page("GET", "/jobs", Permission.READ)
def overview() -> Response:
    whose = "all" if request.args.get("whose") == "all" else "mine"
    before = request.args.get("before") or None
    with lab().store.reading() as db:
        found, following = queue.search(
            db, member=member().name if whose == "mine" else "", before=before, limit=_PAGE
        )
        found = queue.as_seen_by(db, member(), found)
        url = f"/jobs?whose={whose}"
        listening = live.listen(db, url, live.QUEUE) if before is None else None
    return show("jobs.html", jobs=found, whose=whose, following=following, live=listening)


@jobs.page("GET", "/jobs/<job_id>", Permission.READ)
def one(job_id: str) -> Response:
    with lab().store.reading() as db:
        (job,) = queue.as_seen_by(db, member(), [queue.get(db, job_id)])
        file = _file(db, job)
        names = {printer["id"]: printer["name"] for printer in fleet.everyone(db)}
        listening = live.listen(
            db, f"/jobs/{job_id}", live.QUEUE, job_id=job_id,
            moving=job["state"] == JobState.PRINTING,
        )  # fmt: skip
        credit = terms.of_job(db, job)
        row = queue.get_row(db, job_id)
        own = row["member_id"] == member().id
        cost = costs.of_job(db, row) if own or member().may(Permission.HANDLE_MONEY) else None
        energy = meter.of_job(db, job_id)
        _, rules = policy.current(db, lab().preparation.default)
        usage = limits.usage(db, rules, member().id, datetime.now(UTC)) if own else []
        batch = batches.get(db, member(), job["batch_id"]) if job["batch_id"] else None
        pace = learning.read(db).pace(job["machine"], job["printer_id"])
    return show(
        "job.html", job=job, file=file, printers=names, live=listening, usage=usage, batch=batch,
        may_reprint=bool(job["copies_done"])
        and member().may(Permission.PRINT if own else Permission.RUN_PRINTERS),
        verbs=_offered(rules, job, own=own), ended=job["state"] in _ENDED, looks=words.JOBS,
        credit=credit, pace=pace, cost=cost, energy=energy,
        may_tell=own or member().may(Permission.RUN_PRINTERS),
    )  # fmt: skip


def _offered(rules: Policy, job: dict[str, Any], *, own: bool) -> list[str]:
    """The buttons: `verbs_now`, without what only a badge at the kiosk does."""
    needs_badge = rules.release == "badge" and not member().may(Permission.RUN_PRINTERS)
    found = verbs_now(job["state"], own=own)
    return [verb for verb in found if not (needs_badge and verb == "release")]


def verbs_now(state: str, *, own: bool) -> list[str]:
    """What the member may do with a job in this state, in the order of the buttons."""
    if not member().may(Permission.PRINT if own else Permission.RUN_PRINTERS):
        return []
    return [
        verb
        for verb, (event, permission) in queue.VERBS.items()
        if (JobState(state), event) in JOB_TRANSITIONS and member().may(permission)
    ]


def _register_verb(verb: str) -> None:
    def act(job_id: str) -> Response:
        reason = request.form.get("reason", "").strip()[:200]
        with lab().store.writing(durable=True) as db:
            queue.act(db, lab().preparation, member(), job_id, verb, reason)
        return go(back())

    act.__name__ = verb
    jobs.page("POST", f"/jobs/<job_id>/{verb}", queue.VERBS[verb][1])(act)


for _verb in queue.VERBS:
    _register_verb(_verb)


def _file(db: Database, job: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return library.file(db, job["file_id"])
    except NotFound:
        return None
