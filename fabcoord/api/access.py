"""Who asks, and whether they may: one guard before every request, closed unless opened."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from flask import Flask, current_app, g, request

from fabcoord.api.context import lab
from fabcoord.api.visitors import Buckets
from fabcoord.designs import visibility
from fabcoord.errors import NotAllowed, NotSignedIn
from fabcoord.members import accounts
from fabcoord.members.accounts import Session
from fabcoord.members.roles import VISITOR, Member, Permission
from fabcoord.queue import agents
from fabcoord.queue.agents import Agent

SESSION_COOKIE = "fabcoord_session"
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class Access(Enum):
    """Who may use a route that no member's permission describes."""

    OPEN = "open"  # anybody, on purpose
    AGENT = "agent"  # an agent with its own token


Needed = Permission | Access
View = TypeVar("View", bound=Callable[..., object])


def needs(needed: Needed) -> Callable[[View], View]:
    """Say what a view needs. A view that says nothing cannot be reached."""

    def mark(view: View) -> View:
        view.needed = needed  # type: ignore[attr-defined]
        return view

    return mark


def needed_by(app: Flask, endpoint: str) -> Needed | None:
    """What the view of an endpoint needs; None when it does not say."""
    return getattr(app.view_functions[endpoint], "needed", None)


def guard() -> None:
    """Before each request: find out who asks and refuse what they may not do."""
    if request.endpoint is None:
        return  # no such route; the router says so
    if request.endpoint == "static":
        return
    needed = needed_by(current_app, request.endpoint)
    if needed is Access.OPEN:
        g.session = _session() if _given_token() is None else None
        if g.session is not None:
            g.member = g.session.member
            _require_csrf(g.session)
        return
    if needed is Access.AGENT:
        g.agent = _agent()
        return
    if needed is None:
        raise NotAllowed("This route states no permission, so nobody may use it.")
    if needed is Permission.BROWSE and _comes_as_visitor():
        g.member = VISITOR
        _admit_visitor()
        return
    g.member = _member()
    g.member.require(needed)
    if request.view_args:
        with lab().store.reading() as db:
            visibility.require_route(db, g.member, request.view_args)


def member() -> Member:
    """The member who asks; only in views that need a permission."""
    found: Member = g.member
    return found


def agent() -> Agent:
    """The agent that asks; only in views that need an agent."""
    found: Agent = g.agent
    return found


def session() -> Session | None:
    """The browser session, where one is signed in."""
    found: Session | None = g.get("session")
    return found


def visible_to_asker(facts: Any) -> Any:
    """What an answer may tell to who asks: visitors read no names but the owner's."""
    if not is_visitor():
        return facts
    return visibility.without_names(facts, g.get("shown_owner"))


def is_visitor() -> bool:
    """Whether the request came without an account and was let in to read what is public."""
    return g.get("member") is VISITOR


def _comes_as_visitor() -> bool:
    if not lab().settings.public_library or _given_token() is not None:
        return False
    return _session() is None


def _admit_visitor() -> None:
    """Let a visitor read what is public. What is not looks like what does not exist."""
    buckets: Buckets = current_app.extensions["fabcoord.visitors"]
    buckets.take(request.remote_addr or "")
    with lab().store.reading() as db:
        design = visibility.is_public_route(db, request.view_args or {})
    if design is None:
        raise NotSignedIn(
            "This needs a signed-in member.",
            hint="Sign in, or send Authorization: Bearer <token>.",
        )
    g.shown_owner = design.get("owner")


def _member() -> Member:
    token = _given_token()
    if token is not None:
        # A token that is no good is refused, and never falls back to the page session:
        # otherwise any made-up token would switch the CSRF check off.
        with lab().store.reading() as db:
            found = accounts.by_token(db, token)
        if found is None:
            raise NotSignedIn(
                "That token is not valid.", hint="Make a new one, or check for a typing error."
            )
        return found
    g.session = _session()
    if g.session is None:
        raise NotSignedIn(
            "This needs a signed-in member.",
            hint="Sign in, or send Authorization: Bearer <token>.",
        )
    _require_csrf(g.session)
    signed_in: Member = g.session.member
    return signed_in


def _agent() -> Agent:
    token = _given_token()
    if token is not None:
        with lab().store.reading() as db:
            found = agents.by_token(db, token)
        if found is not None:
            return found
    raise NotSignedIn("That is not the token of an agent.", hint="Pair the agent with this lab.")


def _given_token() -> str | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    return request.headers.get("X-Api-Key")


def _session() -> Session | None:
    secret = request.cookies.get(SESSION_COOKIE)
    if not secret:
        return None
    with lab().store.reading() as db:
        return accounts.session(db, secret)


def _require_csrf(session: Session) -> None:
    if request.method in _SAFE_METHODS:
        return
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf", "")
    if not hmac.compare_digest(given.encode(), session.csrf.encode()):
        raise NotAllowed(
            "The page was open too long, or the request came from another site.",
            hint="Reload the page and try again.",
        )
