"""What all pages share: how they are declared, how they end, and errors told in words."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Blueprint, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from fabcoord.api import problems
from fabcoord.api.access import Needed, needs, visible_to_asker
from fabcoord.errors import BadInput, FabcoordError, NotSignedIn

log = logging.getLogger(__name__)

Page = Callable[..., Response]
START = "/"


class Pages(Blueprint):
    """A family of pages; each says who may see it. Errors become pages, not problem documents."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(f"pages_{name}", __name__, **options)
        self.register_error_handler(FabcoordError, of_fabcoord_error)
        self.register_error_handler(HTTPException, of_http_error)
        self.register_error_handler(Exception, of_any_error)

    def page(self, method: str, rule: str, needed: Needed) -> Callable[[Page], Page]:
        """Register a view for one method, closed to all but who it needs."""

        def register(view: Page) -> Page:
            name = f"{view.__name__}_{method.lower()}"
            self.add_url_rule(rule, name, needs(needed)(view), methods=[method])
            return view

        return register


def show(template: str, status: int = 200, **facts: Any) -> Response:
    """A page."""
    return make_response(render_template(template, **visible_to_asker(facts)), status)


def go(to: str) -> Response:
    """On to another page after a form was taken (post, redirect, get)."""
    return Response(status=303, headers={"Location": to})


def leave_for(to: str) -> Response:
    """Like `go`, but the whole browser goes, where htmx sent the form."""
    if is_htmx():
        return Response(status=204, headers={"HX-Redirect": to})
    return go(to)


def back() -> str:
    """The page that a button was on, as its hidden field says."""
    return local_path(request.form.get("back", ""))


def came_from() -> str:
    """The page of this site that a link or a form led here from, else the start page."""
    own, referrer = request.host_url, request.referrer or ""
    return referrer if referrer.startswith(own) and referrer != request.url else START


def local_path(text: str) -> str:
    """``text`` if it is a path on this very site, else the start page: never an open redirect."""
    plain = text.isprintable() and "\\" not in text
    try:
        parts = urlsplit(text)
    except ValueError:
        return START
    own = not parts.scheme and not parts.netloc and parts.path.startswith("/")
    return text if plain and own and not text.startswith("//") else START


def is_htmx() -> bool:
    """Whether htmx asks, which puts parts of the answer into a page that is already open."""
    return request.headers.get("HX-Request") == "true"


def typed(*names: str) -> dict[str, str]:
    """What the form brought in these fields, with spaces around it cut off."""
    return {name: request.form.get(name, "").strip() for name in names}


def number(text: str, name: str) -> int:
    """A whole number from a form. Raises BadInput that names the field."""
    try:
        return int(text)
    except ValueError as error:
        raise BadInput(f"{text[:20]!r} is not a number.", fields={name: "a number"}) from error


def of_fabcoord_error(error: FabcoordError) -> Response:
    """An error of ours: to the sign-in page where that helps, else in words."""
    if isinstance(error, NotSignedIn):
        wanted = request.full_path.rstrip("?") if request.method == "GET" else START
        return leave_for(f"/sign-in?next={quote(local_path(wanted), safe='/')}")
    return show("error.html", error.status, title=error.title, detail=error.detail, hint=error.hint)


def of_http_error(error: HTTPException) -> Response:
    """An error of the web framework."""
    status = error.code or 500
    if status < 400:
        return make_response(error.get_response())
    return show("error.html", status, title=error.name, detail=error.description or "", hint="")


def of_any_error(error: Exception) -> Response:
    """A defect of ours: logged whole, told without its insides."""
    log.exception("%s %s failed", request.method, request.path, exc_info=error)
    detail = "The server made a mistake; it is written to its log."
    return show("error.html", 500, title="Something went wrong here", detail=detail, hint="")


def of_unrouted(error: HTTPException) -> Response:
    """No such address or method: a page for people, a problem document for programs."""
    wants_page = request.accept_mimetypes.accept_html and not request.accept_mimetypes.accept_json
    by_browser = wants_page or "text/html" in request.headers.get("Accept", "")
    if by_browser and not request.path.startswith("/api/"):
        return show(
            "error.html", error.code or 404, title="There is no such page",
            detail="The address may be mistyped, or what it named was removed.", hint="",
        )  # fmt: skip
    return problems.of_http_error(error)
