"""/batches, and printing again what came out badly."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from fabcoord.api import schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page
from fabcoord.members.roles import Permission
from fabcoord.queue import batches as queue
from fabcoord.queue import jobs

batches = Resource("batches", __name__)

_short = validate.Length(max=200)


class BatchItem(Schema):
    design_id = fields.String(required=True, validate=_short)
    revision = fields.Integer(allow_none=True, strict=True)
    file_id = fields.String(allow_none=True, validate=_short)
    copies = fields.Integer(allow_none=True, strict=True, validate=validate.Range(1, 200))
    quality = fields.String(allow_none=True, validate=_short)
    material = fields.String(allow_none=True, validate=_short)
    colour = fields.String(allow_none=True, validate=_short)
    machine = fields.String(allow_none=True, validate=_short)
    nozzle_mm = fields.Float(allow_none=True)
    scale = fields.Float(allow_none=True)
    rotation = fields.List(fields.Float(), allow_none=True, validate=validate.Length(equal=3))
    due_at = fields.String(allow_none=True, validate=_short)


class BatchRequest(Schema):
    title = fields.String(required=True, validate=_short)
    items = fields.List(
        fields.Nested(BatchItem), required=True, validate=validate.Length(1, queue.MOST_ITEMS)
    )
    plate = fields.Boolean(load_default=False)
    due_at = fields.String(allow_none=True, validate=_short)
    quality = fields.String(allow_none=True, validate=_short)
    material = fields.String(allow_none=True, validate=_short)
    colour = fields.String(allow_none=True, validate=_short)
    machine = fields.String(allow_none=True, validate=_short)
    nozzle_mm = fields.Float(allow_none=True)
    charge_code = fields.String(allow_none=True, validate=_short)
    note = fields.String(allow_none=True, validate=validate.Length(max=2000))
    tags = fields.List(fields.String(validate=_short), validate=validate.Length(max=10))
    overnight = fields.Boolean(load_default=False)


class Reprint(Schema):
    copies = fields.Integer(load_default=1, strict=True, validate=validate.Range(1, 200))
    parts = fields.List(fields.Integer(strict=True), allow_none=True, load_default=None)


@batches.route_to(
    "POST", "/batches", Permission.PRINT, "Ask for several files at once", body=BatchRequest,
    answer="Batch", status=201,
)  # fmt: skip
def create(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        batch_id = queue.create(db, lab().preparation, member(), body)
        made = queue.get(db, member(), batch_id)
    return made, {"Location": f"/api/v1/batches/{batch_id}"}


@batches.route_to("GET", "/batches", Permission.READ, "Own batches, newest first", answer="Batch[]")
def search() -> Any:
    with lab().store.reading() as db:
        return page(queue.of_member(db, member()), None)


@batches.route_to("GET", "/batches/<batch_id>", Permission.READ, "One batch", answer="Batch")
def show(batch_id: str) -> Any:
    with lab().store.reading() as db:
        return queue.get(db, member(), batch_id)


def _register_verb(verb: str) -> None:
    def act(batch_id: str, body: dict[str, Any]) -> Any:
        del body
        with lab().store.writing(durable=True) as db:
            queue.act(db, lab().preparation, member(), batch_id, verb)
            return queue.get(db, member(), batch_id)

    act.__name__ = verb
    batches.route_to(
        "POST", f"/batches/<batch_id>/{verb}", Permission.PRINT, f"{verb.capitalize()} a batch",
        body=schemas.Empty, answer="Batch",
    )(act)  # fmt: skip


for _verb in queue.VERBS:
    _register_verb(_verb)


@batches.route_to(
    "POST", "/jobs/<job_id>/reprint", Permission.PRINT, "Print again what came out badly",
    body=Reprint, answer="Job[]", status=201,
)  # fmt: skip
def reprint(job_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        made = queue.reprint(db, lab().preparation, member(), job_id, body["copies"], body["parts"])
        return {"items": [jobs.get(db, one) for one in made], "next": None}
