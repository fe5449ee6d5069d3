"""Badges and PINs of members, and releasing a print with one at the kiosk."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page
from fabcoord.members import badges as known
from fabcoord.members.roles import Permission
from fabcoord.queue import jobs, policy
from fabcoord.queue import release as queue

badges = Resource("badges", __name__)

_short = validate.Length(max=200)


class NewBadge(Schema):
    badge = fields.String(required=True, validate=_short)
    label = fields.String(load_default="", validate=_short)


class Shown(Schema):
    badge = fields.String(required=True, validate=_short)
    pin = fields.String(load_default="", validate=_short)


class Release(Schema):
    presence = fields.String(required=True, validate=_short)
    job_id = fields.String(required=True, validate=_short)
    cleared = fields.Dict(
        keys=fields.String(), values=fields.String(allow_none=True), load_default=dict
    )


class Pin(Schema):
    pin = fields.String(required=True, validate=_short)


@badges.route_to(
    "GET", "/members/<member_id>/badges", Permission.MANAGE_MEMBERS, "The badges of a member",
    answer="Badge[]",
)  # fmt: skip
def of_member(member_id: str) -> Any:
    with lab().store.reading() as db:
        return page(known.of_member(db, member_id), None)


@badges.route_to(
    "POST", "/members/<member_id>/badges", Permission.MANAGE_MEMBERS, "Tie a badge to a member",
    body=NewBadge, answer="Badge[]", status=201,
)  # fmt: skip
def give(member_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        known.give(db, member(), member_id, body["badge"], body["label"])
        return {"items": known.of_member(db, member_id), "next": None}


@badges.route_to(
    "DELETE", "/members/<member_id>/badges/<badge_id>", Permission.MANAGE_MEMBERS,
    "Take a badge back", status=204,
)  # fmt: skip
def take_back(member_id: str, badge_id: str) -> Any:
    with lab().store.writing(durable=True) as db:
        known.take_back(db, member(), member_id, badge_id)


@badges.route_to("PUT", "/pin", Permission.PRINT, "Set one's own PIN", body=Pin, status=204)
def set_pin(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        known.set_pin(db, member(), body["pin"])


@badges.route_to(
    "POST", "/badges/present", Permission.CLEAR_PLATE, "Hold a badge to the reader of a screen",
    body=Shown, answer="Presence",
)  # fmt: skip
def present(body: dict[str, Any]) -> Any:
    with lab().store.reading() as db:
        _, rules = policy.current(db, lab().preparation.default)
    there = known.show(lab().store, member(), body["badge"], body["pin"], needs_pin=rules.badge_pin)
    return _answer(there)


@badges.route_to(
    "POST", "/badges/release", Permission.CLEAR_PLATE,
    "Release a print of whoever stands at this screen", body=Release, answer="Presence",
)  # fmt: skip
def release(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        there = queue.release(
            db, lab().preparation, member(), body["presence"], body["job_id"],
            cleared=body["cleared"],
        )  # fmt: skip
        released = jobs.get(db, body["job_id"])
    return _answer(there) | {"released": released}


def _answer(there: known.Presence) -> dict[str, Any]:
    with lab().store.reading() as db:
        return {
            "presence": there.secret,
            "member": there.member.name,
            "until": there.until,
            "jobs": queue.waiting_for(db, there.member),
            "to_clear": queue.to_clear(db),
        }
