"""The page where people choose how they are told of what needs them."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.errors import FabcoordError
from fabcoord.members.roles import Permission
from fabcoord.notices import news, targets
from fabcoord.web.frame import Pages, go, show, typed

notices = Pages("notices")

_URL = "/notices"
_SHOWN = 30


@notices.page("GET", _URL, Permission.PRINT)
def overview() -> Response:
    return _overview()


@notices.page("POST", _URL, Permission.PRINT)
def add() -> Response:
    """The secret of a webhook is in the answer itself and never shown again."""
    given: dict[str, Any] = dict(typed("means", "address", "label"))
    given["lab"] = "lab" in request.form
    given["kinds"] = request.form.getlist("kinds") or None
    try:
        with lab().store.writing(durable=True) as db:
            _, secret = targets.add(db, member(), lab().settings, given)
    except FabcoordError as error:
        return _overview(error.status, error=error, given=given)
    return _overview(secret=secret) if secret else go(_URL)


@notices.page("POST", "/notices/<target_id>/kinds", Permission.PRINT)
def change(target_id: str) -> Response:
    with lab().store.writing() as db:
        targets.change(db, member(), target_id, {"kinds": request.form.getlist("kinds")})
    return go(_URL)


@notices.page("POST", "/notices/<target_id>/remove", Permission.PRINT)
def remove(target_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        targets.remove(db, member(), target_id)
    return go(_URL)


@notices.page("POST", "/notices/<target_id>/test", Permission.PRINT)
def test(target_id: str) -> Response:
    with lab().store.writing() as db:
        news.test(db, member(), target_id)
    return go(_URL)


def _overview(status: int = 200, **facts: Any) -> Response:
    with lab().store.reading() as db:
        known = targets.seen_by(db, member())
        log, _ = targets.deliveries(db, member(), limit=_SHOWN)
    facts = {"given": {}, "error": None, "secret": ""} | facts
    is_staff = member().may(Permission.RUN_PRINTERS)
    kinds = targets.KINDS if is_staff else targets.OF_JOBS
    return show(
        "notices.html", status, targets=known, log=log, kinds=kinds, usual=list(targets.OF_JOBS),
        sends_mail=bool(lab().settings.mail_url), **facts,
    )  # fmt: skip
