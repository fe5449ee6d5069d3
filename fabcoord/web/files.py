"""The static files: cached for a year under an address that names their content."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Response, request, send_from_directory

from fabcoord.api.access import Access
from fabcoord.web.frame import Pages

DIRECTORY = Path(__file__).with_name("static")
static = Pages("static", template_folder="templates")
_A_YEAR_S = 365 * 24 * 3600


@cache
def static_url(name: str) -> str:
    """The address of a static file; another one whenever its content is another."""
    digest = hashlib.sha256((DIRECTORY / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


@static.page("GET", "/static/<path:name>", Access.OPEN)
def send(name: str) -> Response:
    response = send_from_directory(DIRECTORY, name)
    lasting = "v" in request.args
    response.headers["Cache-Control"] = (
        f"public, max-age={_A_YEAR_S}, immutable" if lasting else "public, max-age=60"
    )
    return response
