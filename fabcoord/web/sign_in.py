"""Signing in and out, and the first admin of a new lab."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api.access import SESSION_COOKIE, Access, session
from fabcoord.api.context import lab
from fabcoord.errors import FabcoordError, NotAllowed, NotSignedIn
from fabcoord.members import accounts
from fabcoord.web.frame import Pages, go, local_path, show, typed

sign_in = Pages("sign_in")


@sign_in.page("GET", "/sign-in", Access.OPEN)
def ask() -> Response:
    with lab().store.reading() as db:
        if accounts.nobody_yet(db):
            return go("/first-admin")
    wanted = local_path(request.args.get("next", ""))
    return go(wanted) if session() else _form(next=wanted)


@sign_in.page("POST", "/sign-in", Access.OPEN)
def enter() -> Response:
    given = typed("name") | {"next": local_path(request.form.get("next", ""))}
    try:
        _require_own_form()
        opened = accounts.sign_in(lab().store, given["name"], request.form.get("password", ""))
        if opened is None:
            raise NotSignedIn("That name and password do not belong together.")
    except FabcoordError as error:
        return _form(error.status, error=error, **given)
    return _signed_in(opened[0], given["next"])


@sign_in.page("POST", "/sign-out", Access.OPEN)
def leave() -> Response:
    secret = request.cookies.get(SESSION_COOKIE)
    if secret:
        with lab().store.writing(durable=True) as db:
            accounts.sign_out(db, secret)
    response = go("/sign-in")
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response


@sign_in.page("GET", "/first-admin", Access.OPEN)
def ask_first_admin() -> Response:
    with lab().store.reading() as db:
        if not accounts.nobody_yet(db):
            return go("/sign-in")
    return show("first_admin.html")


@sign_in.page("POST", "/first-admin", Access.OPEN)
def make_first_admin() -> Response:
    given = typed("code", "name")
    try:
        _require_own_form()
        with lab().store.writing(durable=True) as db:
            admin = accounts.create_first_admin(
                db, given["code"], given["name"], request.form.get("password", "")
            )
            secret, _ = accounts.open_session(db, admin)
    except FabcoordError as error:
        return show("first_admin.html", error.status, error=error, **given)
    return _signed_in(secret, "/printers")


def _form(status: int = 200, **given: Any) -> Response:
    return show("sign_in.html", status, demo=lab().settings.demo, **given)


def _signed_in(secret: str, to: str) -> Response:
    response = go(to)
    response.set_cookie(
        SESSION_COOKIE, secret, max_age=int(accounts.SESSION_S), path="/", httponly=True,
        samesite="Lax", secure=lab().settings.secure_cookies,
    )  # fmt: skip
    return response


def _require_own_form() -> None:
    """Nobody has a session yet whose token could be asked for, so the browser's word must do.

    Browsers send the header over HTTPS and to localhost; comparing Origin with Host instead would
    lock everybody out behind a proxy that rewrites Host.
    """
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise NotAllowed("The form came from another site.", hint="Open this page anew.")
