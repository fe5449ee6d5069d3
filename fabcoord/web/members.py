"""Members for the admin, and for everyone the tokens that programs use in one's name."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.errors import BadInput, FabcoordError, NotAllowed
from fabcoord.members import accounts, badges
from fabcoord.members.roles import ACCOUNT_ROLES, Permission, Role
from fabcoord.queue import entitlements
from fabcoord.store.database import rows
from fabcoord.web import policy_form
from fabcoord.web.frame import Pages, go, show, typed
from fabcoord.web.statistics import own_prints

members = Pages("members")


@members.page("GET", "/members", Permission.MANAGE_MEMBERS)
def overview() -> Response:
    return _overview()


@members.page("POST", "/members", Permission.MANAGE_MEMBERS)
def add() -> Response:
    given = typed("name", "role")
    try:
        role = _role(given["role"])
        with lab().store.writing(durable=True) as db:
            accounts.create(
                db, given["name"], role, password=request.form.get("password", ""),
                by=member().name,
            )  # fmt: skip
    except FabcoordError as error:
        return _overview(error.status, error=error, given=given)
    return go("/members")


@members.page("GET", "/account", Permission.PRINT)
def account() -> Response:
    return _account()


@members.page("POST", "/account/tokens", Permission.PRINT)
def make_token() -> Response:
    """A token, shown in the answer itself: it is kept as a hash only and never shown again."""
    label = typed("label")["label"][:80]
    try:
        _prove(request.form.get("password", ""))
        with lab().store.writing(durable=True) as db:
            token = accounts.create_token(db, member(), label)
    except FabcoordError as error:
        return _account(error.status, error=error, label=label)
    return _account(token=token)


def _account(status: int = 200, **facts: Any) -> Response:
    with lab().store.reading() as db:
        prints = own_prints(db)
        facts = {"has_pin": badges.has_pin(db, member())} | facts
    return show("account.html", status, prints=prints, **facts)


def _prove(password: str) -> None:
    """A session left open on a shared machine must not be enough to make a lasting token."""
    opened = accounts.sign_in(lab().store, member().name, password)
    if opened is None:
        raise NotAllowed("That is not your password.", hint="Type the one you sign in with.")
    with lab().store.writing() as db:
        accounts.sign_out(db, opened[0])


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError as error:
        raise BadInput("Choose a role.", fields={"role": "choose one"}) from error


def _overview(status: int = 200, **facts: Any) -> Response:
    with lab().store.reading() as db:
        everyone = accounts.everyone(db)
        shares = {one["id"]: one["shares"] for one in rows(db, "SELECT id, shares FROM members")}
        trained = {one.id: entitlements.trainings(db, one.id) for one in everyone}
        worn = {one.id: badges.of_member(db, one.id) for one in everyone}
    facts = {"given": {}} | facts
    return show(
        "members.html", status, members=everyone, roles=list(ACCOUNT_ROLES), shares=shares,
        trained=trained, worn=worn, models=policy_form.models(), **facts,
    )  # fmt: skip
