"""/files: one file of a design, its bytes, its picture, a light mesh to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Response, send_file

from fabcoord.api.context import lab
from fabcoord.api.routing import Resource
from fabcoord.designs import checks, library
from fabcoord.errors import NotFound
from fabcoord.members.roles import Permission

files = Resource("files", __name__)


@files.route_to("GET", "/files/<file_id>", Permission.READ, "One file with its check",
                answer="File")  # fmt: skip
def show(file_id: str) -> Any:
    with lab().store.reading() as db:
        return library.file(db, file_id)


@files.route_to("GET", "/files/<file_id>/content", Permission.READ, "Its bytes (Range)")
def content(file_id: str) -> Any:
    with lab().store.reading() as db:
        found = library.file(db, file_id)
    return send_blob(
        lab().blobs.path(found["sha256"]), found["sha256"], "application/octet-stream",
        name=found["name"],
    )  # fmt: skip


@files.route_to("GET", "/files/<file_id>/preview.png", Permission.READ, "Its picture")
def preview(file_id: str) -> Any:
    return _made_from(file_id, "preview", "image/png")


@files.route_to("GET", "/files/<file_id>/mesh.stl", Permission.READ, "A light mesh to look at")
def mesh(file_id: str) -> Any:
    return _made_from(file_id, "light", "model/stl")


def _made_from(file_id: str, kind: str, mimetype: str) -> Response:
    with lab().store.reading() as db:
        found = library.file(db, file_id)
        sha256 = checks.picture(db, found["sha256"], found["format"], kind)
    if sha256 is None:
        raise NotFound("That is not made yet.", hint="Ask again when the file has been checked.")
    return send_blob(lab().blobs.path(sha256), sha256, mimetype)


def send_blob(path: Path, sha256: str, mimetype: str, *, name: str | None = None) -> Response:
    """A blob as a response: Range, a strong ETag, and nothing that a browser would run."""
    response = send_file(
        path, mimetype=mimetype, as_attachment=name is not None, download_name=name,
        conditional=True, etag=sha256, max_age=3600,
    )  # fmt: skip
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response
