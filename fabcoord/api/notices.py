"""/notices: where a member, or the lab, wants to be told of what needs them."""

from __future__ import annotations

from typing import Any

from fabcoord.api import schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page, page_arguments
from fabcoord.errors import BadInput
from fabcoord.members.roles import Permission
from fabcoord.notices import news, targets
from fabcoord.store.sqlite import Database

notices = Resource("notices", __name__)


@notices.route_to(
    "GET", "/notices/targets", Permission.PRINT, "Where notices go, and what each wants to hear",
    answer="NoticeTarget[]",
)  # fmt: skip
def list_targets() -> Any:
    with lab().store.reading() as db:
        return page(targets.seen_by(db, member()), None)


@notices.route_to(
    "POST", "/notices/targets", Permission.PRINT, "Add a webhook, an apprise URL or an e-mail",
    body=schemas.NoticeTarget, answer="NoticeTarget", status=201,
)  # fmt: skip
def add(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        target_id, secret = targets.add(db, member(), lab().settings, body)
        made = targets.shape(targets.own(db, member(), target_id))
    return made | ({"secret": secret} if secret else {})  # shown this once


@notices.route_to(
    "PATCH", "/notices/targets/<target_id>", Permission.PRINT, "Choose what it hears of",
    body=schemas.NoticeTargetChange, answer="NoticeTarget",
)  # fmt: skip
def change(target_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing() as db:
        targets.change(db, member(), target_id, body)
        return targets.shape(targets.own(db, member(), target_id))


@notices.route_to(
    "DELETE", "/notices/targets/<target_id>", Permission.PRINT, "Send nothing more there",
    status=204,
)  # fmt: skip
def remove(target_id: str) -> Any:
    with lab().store.writing(durable=True) as db:
        targets.remove(db, member(), target_id)


@notices.route_to(
    "POST", "/notices/targets/<target_id>/test", Permission.PRINT, "Send a test there",
    body=schemas.Empty, answer="NoticeTarget", status=202,
)  # fmt: skip
def test(target_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing() as db:
        news.test(db, member(), target_id)
        return targets.shape(targets.own(db, member(), target_id))


@notices.route_to(
    "GET", "/notices", Permission.PRINT, "What was sent, newest first", answer="Notice[]"
)
def deliveries() -> Any:
    limit, before = page_arguments()
    if before is not None and not isinstance(before, int):
        raise BadInput("That cursor is not one of ours.", hint="Begin again without cursor.")
    with lab().store.reading() as db:
        items, following = _log(db, before, limit)
    return page(items, following)


def _log(db: Database, before: int | None, limit: int) -> Any:
    return targets.deliveries(db, member(), before=before, limit=limit)
