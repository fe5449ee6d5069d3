"""What staff decide about people: jobs that wait for approval, training, shares and badges."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.errors import BadInput, FabcoordError
from fabcoord.members import badges
from fabcoord.members.roles import Permission
from fabcoord.queue import entitlements, jobs
from fabcoord.web import live
from fabcoord.web.frame import Pages, go, show, typed

people = Pages("people")

_MEMBERS = "/members"


@people.page("GET", "/approvals", Permission.RUN_PRINTERS)
def approvals() -> Response:
    return _approvals()


@people.page("POST", "/approvals", Permission.RUN_PRINTERS)
def decide() -> Response:
    """Approve or reject a job, with a message to its member."""
    verb = request.form.get("verb", "")
    reason = request.form.get("reason", "").strip()[:200]
    try:
        if verb not in ("approve", "reject"):
            raise BadInput("Approve it or reject it.")
        if verb == "reject" and not reason:
            raise BadInput("Say why, so that its member knows what to change.")
        with lab().store.writing(durable=True) as db:
            jobs.act(db, lab().preparation, member(), request.form.get("job_id", ""), verb, reason)
    except FabcoordError as error:
        return _approvals(error.status, error=error, job_id=request.form.get("job_id", ""))
    return go("/approvals")


@people.page("POST", "/members/<member_id>/train", Permission.MANAGE_MEMBERS)
def train(member_id: str) -> Response:
    given = typed("machine", "until")
    with lab().store.writing() as db:
        until = f"{given['until']}T23:59:59Z" if given["until"] else None
        entitlements.train(db, member(), member_id, given["machine"], until)
    return go(_MEMBERS)


@people.page("POST", "/members/<member_id>/untrain", Permission.MANAGE_MEMBERS)
def untrain(member_id: str) -> Response:
    with lab().store.writing() as db:
        entitlements.untrain(db, member(), member_id, request.form.get("machine", ""))
    return go(_MEMBERS)


@people.page("POST", "/members/<member_id>/share", Permission.MANAGE_MEMBERS)
def share(member_id: str) -> Response:
    try:
        shares = float(request.form.get("shares", ""))
    except ValueError as error:
        raise BadInput("A share is a number; 1 is usual.") from error
    if not 0 <= shares <= 1000:
        raise BadInput("A share is a number from 0 to 1000; 1 is usual.")
    with lab().store.writing() as db:
        entitlements.set_shares(db, member(), member_id, shares)
    return go(_MEMBERS)


@people.page("POST", "/members/<member_id>/badge", Permission.MANAGE_MEMBERS)
def give_badge(member_id: str) -> Response:
    given = typed("badge", "label")
    with lab().store.writing(durable=True) as db:
        badges.give(db, member(), member_id, given["badge"], given["label"])
    return go(_MEMBERS)


@people.page("POST", "/members/<member_id>/badge/<badge_id>/remove", Permission.MANAGE_MEMBERS)
def take_badge(member_id: str, badge_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        badges.take_back(db, member(), member_id, badge_id)
    return go(_MEMBERS)


@people.page("POST", "/account/pin", Permission.PRINT)
def set_pin() -> Response:
    with lab().store.writing(durable=True) as db:
        badges.set_pin(db, member(), typed("pin")["pin"])
    return go("/account")


def _approvals(status: int = 200, **facts: Any) -> Response:
    with lab().store.reading() as db:
        found, _ = jobs.search(db, states=("awaiting_approval",), limit=100)
        listening = live.listen(db, "/approvals", live.QUEUE)
    return show("approvals.html", status, jobs=list(reversed(found)), live=listening, **facts)
