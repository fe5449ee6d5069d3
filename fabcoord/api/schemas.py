"""The JSON bodies that the API takes, and the shapes that it answers with."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

_short = validate.Length(max=200)
_long = validate.Length(max=20_000)


class Empty(Schema):
    """A verb that needs no more than its address."""

    reason = fields.String(validate=_short, load_default="")


class DesignChange(Schema):
    title = fields.String(validate=_short)
    licence = fields.String(validate=_short)
    description = fields.String(validate=_long)
    tags = fields.List(fields.String(validate=_short), validate=validate.Length(max=20))
    attribution = fields.String(validate=_short)
    visibility = fields.String(validate=_short)


class ForkRequest(Schema):
    licence = fields.String(load_default="", validate=_short)
    visibility = fields.String(load_default="lab", validate=_short)
    title = fields.String(load_default="", validate=_short)


class RenderRequest(Schema):
    parameters = fields.Dict(keys=fields.String(validate=_short), values=fields.Raw())
    plate = fields.Integer(allow_none=True, strict=True)


class RepairRequest(Schema):
    scale = fields.Float(allow_none=True)
    union = fields.Boolean(allow_none=True)
    decimate = fields.Integer(allow_none=True, strict=True)
    confirm = fields.Boolean(load_default=False)


class JobRequest(Schema):
    design_id = fields.String(required=True, validate=_short)
    revision = fields.Integer(allow_none=True, strict=True)
    file_id = fields.String(allow_none=True, validate=_short)
    copies = fields.Integer(load_default=1, strict=True)
    preset = fields.String(allow_none=True, validate=_short)
    quality = fields.String(allow_none=True, validate=_short)
    material = fields.String(allow_none=True, validate=_short)
    colour = fields.String(allow_none=True, validate=_short)
    machine = fields.String(allow_none=True, validate=_short)
    printer_id = fields.String(allow_none=True, validate=_short)
    scale = fields.Float(allow_none=True)
    rotation = fields.List(fields.Float(), allow_none=True, validate=validate.Length(equal=3))
    due_at = fields.String(allow_none=True, validate=_short)
    charge_code = fields.String(allow_none=True, validate=_short)
    purpose = fields.String(allow_none=True, validate=validate.OneOf(["personal", "commercial"]))
    note = fields.String(allow_none=True, validate=validate.Length(max=2000))
    tags = fields.List(fields.String(validate=_short), validate=validate.Length(max=10))
    overnight = fields.Boolean(load_default=False)
    nozzle_mm = fields.Float(allow_none=True)


class JobChange(Schema):
    class Meta:
        include = {  # noqa: RUF012  (the name is a keyword, so it cannot be declared as the others)
            "class": fields.String(validate=validate.OneOf(("urgent", "normal", "background")))
        }

    note = fields.String(allow_none=True, validate=validate.Length(max=2000))
    due_at = fields.String(allow_none=True, validate=_short)
    charge_code = fields.String(allow_none=True, validate=_short)


class PolicyChange(Schema):
    changes = fields.Dict(keys=fields.String(), required=True)
    note = fields.String(load_default="", validate=_short)


class Group(Schema):
    name = fields.String(required=True, validate=validate.Length(min=1, max=80))
    limits = fields.Dict(keys=fields.String(), load_default=dict)
    members = fields.List(fields.String(validate=_short), load_default=list)


class Training(Schema):
    machine = fields.String(required=True, validate=_short)
    expires_at = fields.String(allow_none=True, load_default=None, validate=_short)


class Shares(Schema):
    shares = fields.Float(required=True, validate=validate.Range(0, 1000))


class EstimateRequest(Schema):
    file_id = fields.String(required=True, validate=_short)
    machine = fields.String(allow_none=True, validate=_short)
    preset = fields.String(allow_none=True, validate=_short)
    material = fields.String(allow_none=True, validate=_short)
    quality = fields.String(allow_none=True, validate=_short)
    copies = fields.Integer(load_default=1, strict=True, validate=validate.Range(1, 200))
    nozzle_mm = fields.Float(allow_none=True)
    scale = fields.Float(allow_none=True)
    rotation = fields.List(fields.Float(), allow_none=True, validate=validate.Length(equal=3))


class PrinterSettings(Schema):
    name = fields.String(validate=_short)
    machine = fields.String(validate=_short)
    driver = fields.String(validate=_short)
    settings = fields.Dict(keys=fields.String(), values=fields.Raw())
    agent_id = fields.String(allow_none=True, validate=_short)
    material = fields.String(allow_none=True, validate=_short)
    colour = fields.String(allow_none=True, validate=_short)
    nozzle_mm = fields.Float(allow_none=True)
    camera_url = fields.String(allow_none=True, validate=_short)
    tags = fields.List(fields.String(validate=_short), validate=validate.Length(max=20))


class SpoolChange(Schema):
    material = fields.String(validate=_short)
    colour = fields.String(validate=_short)
    diameter_mm = fields.Float()
    vendor = fields.String(validate=_short)
    location = fields.String(validate=_short)
    note = fields.String(validate=validate.Length(max=1000))
    initial_g = fields.Float()
    remaining_g = fields.Float(allow_none=True)
    empty_g = fields.Float(allow_none=True)
    low_g = fields.Float()
    price_minor = fields.Integer(allow_none=True, strict=True)
    opened_on = fields.String(allow_none=True, validate=_short)
    dried_on = fields.String(allow_none=True, validate=_short)


class Weighing(Schema):
    gross_g = fields.Float(allow_none=True, load_default=None)
    remaining_g = fields.Float(allow_none=True, load_default=None)


class ReportSettling(Schema):
    again = fields.Boolean(required=True)


class Loading(Schema):
    spool_id = fields.String(required=True, validate=_short)


class Csv(Schema):
    csv = fields.String(required=True, validate=validate.Length(max=900_000))


class Deposit(Schema):
    amount_minor = fields.Integer(required=True, strict=True)
    note = fields.String(load_default="", validate=_short)


class ChargeCode(Schema):
    title = fields.String(load_default="", validate=_short)
    budget_minor = fields.Integer(
        allow_none=True, load_default=None, strict=True, validate=validate.Range(0, 10**12)
    )
    members = fields.List(
        fields.String(validate=_short), load_default=list, validate=validate.Length(max=500)
    )
    closed = fields.Boolean(load_default=False)


class Clearance(Schema):
    attempt_id = fields.String(allow_none=True, validate=_short)


class Answer(Schema):
    choice = fields.Integer(required=True, strict=True)


class Resolution(Schema):
    outcome = fields.String(required=True, validate=_short)
    plate_clear = fields.Boolean(required=True)
    note = fields.String(load_default="", validate=_short)
    cause = fields.String(load_default="", validate=_short)


class FailureCause(Schema):
    cause = fields.String(required=True, validate=_short)
    note = fields.String(load_default="", validate=_short)


class NoticeTarget(Schema):
    means = fields.String(required=True, validate=_short)
    address = fields.String(required=True, validate=validate.Length(max=1000))
    label = fields.String(load_default="", validate=validate.Length(max=80))
    kinds = fields.List(fields.String(validate=_short), validate=validate.Length(max=50))
    lab = fields.Boolean(load_default=False)


class NoticeTargetChange(Schema):
    label = fields.String(validate=validate.Length(max=80))
    kinds = fields.List(fields.String(validate=_short), validate=validate.Length(max=50))


class PairingRequest(Schema):
    name = fields.String(required=True, validate=_short)
    pairing = fields.String(required=True, validate=_short)


class PairingCode(Schema):
    code = fields.String(required=True, validate=_short)


class Restoring(Schema):
    revision = fields.Integer(required=True, strict=True)
    note = fields.String(load_default="", validate=validate.Length(max=2000))


class DocumentationChange(Schema):
    text = fields.String(required=True)
    note = fields.String(load_default="", validate=_short)
    version = fields.Integer(allow_none=True, strict=True, load_default=None)


class DocumentationRestoring(Schema):
    version = fields.Integer(required=True, strict=True)


class Like(Schema):
    likes = fields.Boolean(load_default=True)


class NewComment(Schema):
    text = fields.String(required=True, validate=_long)
    parent_id = fields.String(allow_none=True, load_default=None, validate=_short)


class CommentChange(Schema):
    text = fields.String(required=True, validate=_long)


class NewMake(Schema):
    job_id = fields.String(allow_none=True, load_default=None, validate=_short)
    revision = fields.Integer(allow_none=True, load_default=None, strict=True)
    machine = fields.String(load_default="", validate=_short)
    material = fields.String(load_default="", validate=_short)
    quality = fields.String(load_default="", validate=_short)
    nozzle_mm = fields.Float(allow_none=True, load_default=None, validate=validate.Range(0.05, 5))
    layer_mm = fields.Float(allow_none=True, load_default=None, validate=validate.Range(0.01, 5))
    outcome = fields.String(required=True, validate=_short)
    note = fields.String(load_default="", validate=_long)


class MakeChange(Schema):
    outcome = fields.String(validate=_short)
    note = fields.String(validate=_long)


class PictureChange(Schema):
    caption = fields.String(validate=_short)
    is_main = fields.Boolean()


class NewCollection(Schema):
    title = fields.String(required=True, validate=_short)
    description = fields.String(load_default="", validate=_long)
    visibility = fields.String(load_default="lab", validate=_short)


class CollectionChange(Schema):
    title = fields.String(validate=_short)
    description = fields.String(validate=_long)
    visibility = fields.String(validate=_short)


class CollectionItem(Schema):
    design_id = fields.String(required=True, validate=_short)


class CollectionOrder(Schema):
    designs = fields.List(
        fields.String(validate=_short), required=True, validate=validate.Length(max=1000)
    )


class NewReport(Schema):
    kind = fields.String(required=True, validate=_short)
    id = fields.String(required=True, validate=_short)
    reason = fields.String(required=True, validate=_long)


class Settling(Schema):
    answer = fields.String(load_default="", validate=_long)


class Hiding(Schema):
    kind = fields.String(required=True, validate=_short)
    id = fields.String(required=True, validate=_short)
    reason = fields.String(load_default="", validate=_long)
