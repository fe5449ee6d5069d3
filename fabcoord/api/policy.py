"""/policy, /groups, trainings and shares: the rules of the lab's queue."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fabcoord.api import schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page, wanted_version
from fabcoord.members.roles import Permission
from fabcoord.queue import entitlements
from fabcoord.queue import policy as rules

policy = Resource("policy", __name__)


@policy.route_to("GET", "/policy", Permission.READ, "The rules in force", answer="Policy")
def show() -> Any:
    with lab().store.reading() as db:
        version, found = rules.current(db, lab().preparation.default)
    return {"version": version, **asdict(found)}


@policy.route_to(
    "PATCH", "/policy", Permission.MANAGE_MEMBERS, "Write the next version of the rules",
    body=schemas.PolicyChange, answer="Policy",
)  # fmt: skip
def change(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        default = lab().preparation.default
        rules.change(
            db, member(), body["changes"], note=body["note"], version=wanted_version(),
            default=default,
        )  # fmt: skip
        version, found = rules.current(db, default)
    return {"version": version, **asdict(found)}


@policy.route_to(
    "GET", "/policy/history", Permission.READ, "All versions, newest first", answer="Policy[]"
)
def history() -> Any:
    with lab().store.reading() as db:
        return page(rules.history(db), None)


@policy.route_to("GET", "/groups", Permission.READ, "Groups and their limits", answer="Group[]")
def list_groups() -> Any:
    with lab().store.reading() as db:
        return page(entitlements.groups(db), None)


@policy.route_to(
    "POST", "/groups", Permission.MANAGE_MEMBERS, "Make a group", body=schemas.Group,
    answer="Group", status=201,
)  # fmt: skip
def create_group(body: dict[str, Any]) -> Any:
    return _save(body, None)


@policy.route_to(
    "PUT", "/groups/<group_id>", Permission.MANAGE_MEMBERS, "Change a group",
    body=schemas.Group, answer="Group",
)  # fmt: skip
def change_group(group_id: str, body: dict[str, Any]) -> Any:
    return _save(body, group_id)


@policy.route_to(
    "DELETE", "/groups/<group_id>", Permission.MANAGE_MEMBERS, "Dissolve a group", status=204
)
def delete_group(group_id: str) -> Any:
    with lab().store.writing() as db:
        entitlements.delete_group(db, member(), group_id)


@policy.route_to(
    "GET", "/members/<member_id>/trainings", Permission.READ, "What a member was trained on",
    answer="Training[]",
)  # fmt: skip
def list_trainings(member_id: str) -> Any:
    with lab().store.reading() as db:
        return page(entitlements.trainings(db, member_id), None)


@policy.route_to(
    "POST", "/members/<member_id>/trainings", Permission.RUN_PRINTERS, "Note a training",
    body=schemas.Training, answer="Training[]", status=201,
)  # fmt: skip
def train(member_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing() as db:
        entitlements.train(db, member(), member_id, body["machine"], body["expires_at"])
        return page(entitlements.trainings(db, member_id), None)


@policy.route_to(
    "DELETE", "/members/<member_id>/trainings/<machine>", Permission.RUN_PRINTERS,
    "Take a training back", status=204,
)  # fmt: skip
def untrain(member_id: str, machine: str) -> Any:
    with lab().store.writing() as db:
        entitlements.untrain(db, member(), member_id, machine)


@policy.route_to(
    "PUT", "/members/<member_id>/shares", Permission.MANAGE_MEMBERS,
    "Set a member's part of the machines; 1 is usual", body=schemas.Shares, status=204,
)  # fmt: skip
def set_shares(member_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing() as db:
        entitlements.set_shares(db, member(), member_id, body["shares"])


def _save(body: dict[str, Any], group_id: str | None) -> Any:
    with lab().store.writing() as db:
        saved = entitlements.save_group(
            db, member(), body["name"], body["limits"], body["members"], group_id
        )
        return next(item for item in entitlements.groups(db) if item["id"] == saved)
