"""/reports and /moderation: what members complain of, and what moderators do about it."""

from __future__ import annotations

from typing import Any

from flask import request

from fabcoord.api import schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page
from fabcoord.designs import moderation as desk
from fabcoord.members.roles import Permission

moderation = Resource("moderation", __name__)


@moderation.route_to(
    "POST", "/reports", Permission.CONTRIBUTE, "Tell the moderators of something",
    body=schemas.NewReport, answer="Report", status=201,
)  # fmt: skip
def report(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        made = desk.report(db, member(), body["kind"], body["id"], body["reason"])
        return desk.get(db, member(), made), {"Location": f"/api/v1/reports/{made}"}


@moderation.route_to("GET", "/reports", Permission.MODERATE, "Reports, oldest first",
                     answer="Report[]")  # fmt: skip
def reports() -> Any:
    with lab().store.reading() as db:
        return page(desk.reports(db, member(), state=request.args.get("state", "open")), None)


@moderation.route_to("GET", "/reports/<report_id>", Permission.CONTRIBUTE, "One report",
                     answer="Report")  # fmt: skip
def show(report_id: str) -> Any:
    with lab().store.reading() as db:
        return desk.get(db, member(), report_id)


@moderation.route_to(
    "POST", "/reports/<report_id>/hide", Permission.MODERATE, "Hide what it is about",
    body=schemas.Settling, answer="Report",
)  # fmt: skip
def hide_reported(report_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        desk.settle(db, member(), report_id, hides=True, answer=body["answer"])
        return desk.get(db, member(), report_id)


@moderation.route_to(
    "POST", "/reports/<report_id>/dismiss", Permission.MODERATE, "Leave it as it is",
    body=schemas.Settling, answer="Report",
)  # fmt: skip
def dismiss(report_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        desk.settle(db, member(), report_id, hides=False, answer=body["answer"])
        return desk.get(db, member(), report_id)


@moderation.route_to(
    "POST", "/moderation/hide", Permission.MODERATE,
    "Hide a design, comment, make, picture or collection, with a reason", body=schemas.Hiding,
    status=204,
)  # fmt: skip
def hide(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        desk.set_hidden(db, member(), body["kind"], body["id"], body["reason"])


@moderation.route_to(
    "POST", "/moderation/show", Permission.MODERATE, "Show again what was hidden",
    body=schemas.Hiding, status=204,
)  # fmt: skip
def show_again(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        desk.set_hidden(db, member(), body["kind"], body["id"], None)
