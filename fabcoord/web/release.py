"""Badges at the screen in the room: show one, see one's prints that wait, let one go."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.errors import FabcoordError
from fabcoord.members import badges
from fabcoord.members.roles import Permission
from fabcoord.queue import policy
from fabcoord.queue import release as queue
from fabcoord.web.frame import Pages, go, show

release = Pages("release")

_SCREEN = "/kiosk"


@release.page("POST", "/kiosk/badge", Permission.CLEAR_PLATE)
def badge() -> Response:
    """A reader types the number of a badge and Enter; a PIN comes with it in a second step."""
    number = request.form.get("badge", "")
    with lab().store.reading() as db:
        _, rules = policy.current(db, lab().preparation.default)
    try:
        there = badges.show(
            lab().store, member(), number, request.form.get("pin", ""), needs_pin=rules.badge_pin
        )
    except FabcoordError as error:
        asks_pin = bool(error.extra.get("needs_pin"))
        wrong = error if request.form.get("pin") or not asks_pin else None
        return show(
            "release.html", error.status, error=wrong, badge=number if asks_pin else "",
            asks_pin=asks_pin, there=None,
        )  # fmt: skip
    return _shown(there)


@release.page("POST", "/kiosk/release", Permission.CLEAR_PLATE)
def let_go() -> Response:
    presence = request.form.get("presence", "")
    cleared = {
        printer_id: attempt_id or None
        for printer_id, _, attempt_id in (
            one.partition(":") for one in request.form.getlist("cleared")
        )
    }
    try:
        with lab().store.writing(durable=True) as db:
            there = queue.release(
                db, lab().preparation, member(), presence, request.form.get("job_id", ""),
                cleared=cleared,
            )  # fmt: skip
    except FabcoordError as error:
        return _again(presence, error)
    return _shown(there, done=True)


@release.page("POST", "/kiosk/leave", Permission.CLEAR_PLATE)
def leave() -> Response:
    with lab().store.writing(durable=True) as db:
        badges.leave(db, request.form.get("presence", ""))
    return go(_SCREEN)


def _again(presence: str, error: FabcoordError) -> Response:
    """The same list with what went wrong, as long as whoever pressed is still known."""
    try:
        with lab().store.reading() as db:
            there = badges.who(db, member(), presence)
    except FabcoordError as gone:
        return show("release.html", gone.status, error=gone, there=None)
    return _shown(there, error.status, error=error)


def _shown(there: badges.Presence, status: int = 200, **facts: Any) -> Response:
    with lab().store.reading() as db:
        waiting = queue.waiting_for(db, there.member)
        plates = queue.to_clear(db)
    return show(
        "release.html", status, there=there, jobs=waiting, plates=plates,
        stays_s=int(badges.PRESENT_S), **facts,
    )  # fmt: skip
