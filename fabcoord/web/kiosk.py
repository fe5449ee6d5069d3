"""The screen in the room, and what may be said on it: the plate is clear, the print ended so."""

from __future__ import annotations

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.errors import BadInput, Conflict
from fabcoord.members.roles import Permission
from fabcoord.queue import attempts, control, policy
from fabcoord.queue import printers as fleet
from fabcoord.web import board, live, phone
from fabcoord.web.frame import Pages, back, go, number, show

kiosk = Pages("kiosk")


@kiosk.page("GET", "/kiosk", Permission.READ)
def screen() -> Response:
    with lab().store.reading() as db:
        now = board.read(db, member())
        _, rules = policy.current(db, lab().preparation.default)
        listening = live.listen(db, "/kiosk", live.QUEUE + live.PRINTERS, moving=now.moving)
    return show(
        "kiosk.html", board=now, live=listening, phone=phone.upload_code(),
        wants_badge=rules.release == "badge",
    )  # fmt: skip


@kiosk.page("POST", "/printers/<printer_id>/clear", Permission.CLEAR_PLATE)
def clear(printer_id: str) -> Response:
    shown = request.form.get("attempt_id") or None
    with lab().store.writing(durable=True) as db:
        printer = fleet.get(db, printer_id)
        if shown is None and printer["plate_attempt_id"] is not None:
            raise Conflict(
                f"A print has been on the plate of {printer['name']} since this page was shown.",
                hint="Look at the plate again and confirm what lies there now.",
            )
        fleet.clear(db, member(), printer_id, shown)
    return go(back())


@kiosk.page("POST", "/printers/<printer_id>/answer", Permission.CLEAR_PLATE)
def answer(printer_id: str) -> Response:
    choice = number(request.form.get("choice", ""), "choice")
    with lab().store.writing(durable=True) as db:
        control.answer(db, member(), printer_id, choice)
    return go(back())


@kiosk.page("POST", "/printers/<printer_id>/emergency-stop", Permission.CLEAR_PLATE)
def emergency_stop(printer_id: str) -> Response:
    if request.form.get("sure") != "yes":
        raise BadInput("An emergency stop has to be confirmed.", hint="Tick the box beside it.")
    with lab().store.writing(durable=True) as db:
        control.emergency_stop(db, member(), printer_id)
    return go(back())


@kiosk.page("POST", "/printers/<printer_id>/control", Permission.RUN_PRINTERS)
def steer(printer_id: str) -> Response:
    kind = request.form.get("kind", "")
    if kind not in control.APPLIES_TO:
        raise BadInput(f"A print can be asked to: {', '.join(control.APPLIES_TO)}.")
    with lab().store.writing(durable=True) as db:
        control.control(db, member(), printer_id, kind)
    return go(back())


@kiosk.page("POST", "/attempts/<attempt_id>/resolve", Permission.CLEAR_PLATE)
def resolve(attempt_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        attempts.resolve(
            db, member(), attempt_id, request.form.get("outcome", ""),
            plate_clear="plate_clear" in request.form, cause=request.form.get("cause", ""),
            lease_s=lab().settings.lease_s,
        )  # fmt: skip
    return go(back())
