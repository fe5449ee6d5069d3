"""Errors as problem documents (RFC 9457)."""

from __future__ import annotations

import errno
import logging
import sqlite3

from flask import Flask, Response, json, request
from werkzeug.exceptions import HTTPException

from fabcoord.errors import FabcoordError, NoSpace, TooBusy

log = logging.getLogger(__name__)
PROBLEM_JSON = "application/problem+json"


def problem(document: dict[str, object]) -> Response:
    """A problem document as a response."""
    response = Response(json.dumps(document), mimetype=PROBLEM_JSON)
    response.status_code = int(str(document["status"]))
    return response


def of_fabcoord_error(error: FabcoordError) -> Response:
    """An error of our tree."""
    response = problem(error.problem())
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="fabcoord"'
    if isinstance(error, TooBusy):
        response.headers["Retry-After"] = "5"
    return response


def of_http_error(error: HTTPException) -> Response:
    """An error of the web framework: no such route, malformed body, too large."""
    status = error.code or 500
    if status < 400:  # a redirect of the router, not an error
        return Response(status=status, headers=error.get_headers())
    slug = (error.name or "error").lower().replace(" ", "-")
    response = problem(
        {
            "type": f"https://fabcoord.org/problems/{slug}",
            "title": error.name,
            "status": status,
            "detail": error.description or error.name,
        }
    )
    if status == 405 and getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(error.valid_methods)  # type: ignore[attr-defined]
    return response


def of_any_error(error: Exception) -> Response:
    """A defect of ours: logged whole, told without its insides. Or the disk is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return of_full_disk()
    log.exception("%s %s failed", request.method, request.path, exc_info=error)
    return problem(
        {
            "type": "https://fabcoord.org/problems/internal",
            "title": "Something went wrong here",
            "status": 500,
            "detail": "The server made a mistake; it is written to its log.",
        }
    )


def of_full_disk() -> Response:
    """Nothing was changed: what does not fit is not begun."""
    log.error("%s %s failed: the disk is full", request.method, request.path)
    return of_fabcoord_error(
        NoSpace(
            "The lab's disk is full, so nothing was changed.",
            hint="Tell staff of it; prints that run go on.",
        )
    )


def of_busy_database(error: sqlite3.OperationalError) -> Response:
    """The database was locked for longer than a request waits, or finds no room on the disk."""
    if "disk is full" in str(error):
        return of_full_disk()
    if "locked" not in str(error):
        return of_any_error(error)
    return of_fabcoord_error(TooBusy("The lab's database is busy.", hint="Try again in a moment."))


def register(app: Flask) -> None:
    """Have every error of the API answered as a problem document."""
    app.register_error_handler(FabcoordError, of_fabcoord_error)
    app.register_error_handler(HTTPException, of_http_error)
    app.register_error_handler(Exception, of_any_error)
    app.register_error_handler(sqlite3.OperationalError, of_busy_database)
