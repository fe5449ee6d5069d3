"""Batches: one with its progress, all of one's own, and asking for several designs at once."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.designs import library
from fabcoord.designs import search as finding
from fabcoord.designs.search import Asked
from fabcoord.errors import FabcoordError
from fabcoord.members.roles import Permission
from fabcoord.queue import batches as queue
from fabcoord.web import choices, live
from fabcoord.web.frame import Pages, go, number, show, typed
from fabcoord.web.words import local_time

batches = Pages("batches")

_WISHES = ("title", "material", "quality", "colour", "due_at")
_OFFERED = 60


@batches.page("GET", "/batches", Permission.PRINT)
def overview() -> Response:
    return _overview()


@batches.page("POST", "/batches", Permission.PRINT)
def ask() -> Response:
    given: dict[str, Any] = dict(typed(*_WISHES))
    counts = {
        name.removeprefix("copies-"): text.strip()
        for name, text in request.form.items()
        if name.startswith("copies-") and text.strip() not in ("", "0")
    }
    try:
        items = []
        for name, text in counts.items():
            design_id, _, file_id = name.partition(":")
            copies = number(text, "copies")
            items.append({"design_id": design_id, "file_id": file_id, "copies": copies})
        wanted = given | {
            "items": items,
            "plate": "plate" in request.form,
            "overnight": "overnight" in request.form,
            "due_at": local_time(given["due_at"], "due_at"),
        }
        with lab().store.writing(durable=True) as db:
            batch_id = queue.create(db, lab().preparation, member(), wanted)
    except FabcoordError as error:
        return _overview(error.status, error=error, given=given, counts=counts)
    return go(f"/batches/{batch_id}")


@batches.page("GET", "/batches/<batch_id>", Permission.PRINT)
def one(batch_id: str) -> Response:
    with lab().store.reading() as db:
        batch = queue.get(db, member(), batch_id)
        listening = live.listen(db, f"/batches/{batch_id}", (*live.QUEUE, "batch.changed"))
    own = batch["member"] == member().name
    return show(
        "batch.html", batch=batch, live=listening,
        may_steer=own or member().may(Permission.RUN_PRINTERS),
    )  # fmt: skip


@batches.page("POST", "/batches/<batch_id>/act", Permission.PRINT)
def act(batch_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        queue.act(db, lab().preparation, member(), batch_id, request.form.get("verb", ""))
    return go(f"/batches/{batch_id}")


@batches.page("POST", "/jobs/<job_id>/reprint", Permission.PRINT)
def reprint(job_id: str) -> Response:
    """Print again what came out badly: some copies, or single parts of a plate."""
    parts = [number(text, "parts") for text in request.form.getlist("parts")]
    copies = number(request.form.get("copies", "1"), "copies")
    with lab().store.writing(durable=True) as db:
        made = queue.reprint(db, lab().preparation, member(), job_id, copies, parts or None)
    return go(f"/jobs/{made[0]}")


def _overview(status: int = 200, **facts: Any) -> Response:
    with lab().store.reading() as db:
        mine = queue.of_member(db, member())
        found, _ = finding.search(
            db, Asked(text=request.args.get("q", "")), member(), limit=_OFFERED
        )
        designs = [library.get(db, one["id"], member()) for one in found]
        wishes = choices.of_lab(db)
    facts = {"given": {}, "counts": {}} | facts
    return show(
        "batches.html", status, batches=mine, designs=designs, choices=wishes,
        q=request.args.get("q", ""), **facts,
    )  # fmt: skip
