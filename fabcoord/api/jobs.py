"""/jobs, /presets and /estimates: asking for prints, and what they would take."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import request

from fabcoord.api import schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page, page_arguments, wanted_version
from fabcoord.designs import library
from fabcoord.members.roles import Permission
from fabcoord.queue import estimates, sight
from fabcoord.queue import jobs as queue
from fabcoord.slicing import presets
from fabcoord.store.sqlite import Database

jobs = Resource("jobs", __name__)


@jobs.route_to(
    "POST", "/jobs", Permission.PRINT, "Ask for prints", body=schemas.JobRequest, answer="Job",
    status=201,
)  # fmt: skip
def create(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        job_id = queue.create(db, lab().preparation, member(), body)
        job = queue.get(db, job_id)
    return job, {"Location": f"/api/v1/jobs/{job_id}"}


@jobs.route_to("GET", "/jobs", Permission.READ, "Search jobs", answer="Job[]")
def search() -> Any:
    limit, before = page_arguments()
    states = tuple(name for name in request.args.get("state", "").split(",") if name)
    whose = request.args.get("member", "")
    with lab().store.reading() as db:
        if whose not in ("", member().name) and sight.is_limited(db, member()):
            return page([], None)
        items, following = queue.search(
            db, states=states, member=whose,
            before=str(before) if before is not None else None, limit=limit,
        )  # fmt: skip
        items = queue.as_seen_by(db, member(), items)
    return page(items, following)


@jobs.route_to("GET", "/jobs/<job_id>", Permission.READ, "One job", answer="Job")
def show(job_id: str) -> Any:
    with lab().store.reading() as db:
        return _seen(db, job_id)


@jobs.route_to(
    "PATCH", "/jobs/<job_id>", Permission.PRINT, "Change note, due date or charge code",
    body=schemas.JobChange, answer="Job",
)  # fmt: skip
def change(job_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        queue.update(db, member(), job_id, body, wanted_version(), lab().preparation.print_rules)
        return _seen(db, job_id)


def _register_verb(verb: str) -> None:
    def act(job_id: str, body: dict[str, Any]) -> Any:
        with lab().store.writing(durable=True) as db:
            queue.act(db, lab().preparation, member(), job_id, verb, body["reason"])
            return _seen(db, job_id)

    act.__name__ = verb
    jobs.route_to(
        "POST", f"/jobs/<job_id>/{verb}", queue.VERBS[verb][1], f"{verb.capitalize()} a job",
        body=schemas.Empty, answer="Job",
    )(act)  # fmt: skip


for _verb in queue.VERBS:
    _register_verb(_verb)


@jobs.route_to("GET", "/presets", Permission.READ, "Ways to print", answer="Preset[]")
def list_presets() -> Any:
    found = presets.available(
        request.args.get("machine") or None, request.args.get("material") or None
    )
    return page([asdict(preset) for preset in found], None)


@jobs.route_to(
    "POST", "/estimates", Permission.PRINT, "What a print would take, before asking for it",
    body=schemas.EstimateRequest, answer="Estimate",
)  # fmt: skip
def estimate(body: dict[str, Any]) -> Any:
    with lab().store.writing() as db:
        file = library.file(db, body["file_id"], member())
        return estimates.estimate(db, lab().preparation, file, body)


def _seen(db: Database, job_id: str) -> dict[str, Any]:
    return queue.as_seen_by(db, member(), [queue.get(db, job_id)])[0]
