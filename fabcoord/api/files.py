"""/files: one file of a design, its bytes, its picture, a light mesh to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from flask import Response, request, send_file

from fabcoord.api import schemas
from fabcoord.api.access import is_visitor, member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource
from fabcoord.designs import checks, library, previews, repair_results, repairs
from fabcoord.designs.meshcheck.report import Angle, Theme
from fabcoord.errors import BadInput, NotFound
from fabcoord.members.roles import Permission
from fabcoord.queue import room
from fabcoord.store.sqlite import Database

files = Resource("files", __name__)


@files.route_to("GET", "/files/<file_id>", Permission.BROWSE, "One file with its check",
                answer="File")  # fmt: skip
def show(file_id: str) -> Any:
    with lab().store.reading() as db:
        try:
            found = library.file(db, file_id) | {"repair": repair_results.of_file(db, file_id)}
        except NotFound:
            found = repair_results.promised(db, file_id, member())
        if not is_visitor():
            room.with_room(db, [found])
    return found


@files.route_to(
    "POST", "/files/<file_id>/repair", Permission.CONTRIBUTE,
    "Have it repaired: scale (1000 from metres, 25.4 from inches), union of overlapping bodies, "
    "decimate to a number of triangles; confirm adds a result that was refused",
    body=schemas.RepairRequest, answer="Repair", status=202,
)  # fmt: skip
def repair(file_id: str, body: dict[str, Any]) -> Any:
    confirm = body.pop("confirm")
    options = repairs.make_options(**body)
    with lab().store.writing(durable=True) as db:
        repaired_id, revision = repairs.ask(db, member(), file_id, options, confirm=confirm)
    where = {"Location": f"/api/v1/files/{repaired_id}"}
    return {"file_id": repaired_id, "revision": revision}, where


@files.route_to("GET", "/files/<file_id>/content", Permission.BROWSE, "Its bytes (Range)")
def content(file_id: str) -> Any:
    with lab().store.reading() as db:
        found = _found(db, file_id)
    return send_blob(
        lab().blobs.path(found["sha256"]), found["sha256"], "application/octet-stream",
        name=found["name"],
    )  # fmt: skip


@files.route_to("GET", "/files/<file_id>/preview.png", Permission.BROWSE,
                "Its picture (angle, theme, marks)")  # fmt: skip
def preview(file_id: str) -> Any:
    angle = _one_of(Angle, "angle", Angle.ISO)
    theme = _one_of(Theme, "theme", Theme.LIGHT)
    marks = request.args.get("marks", "")
    with lab().store.reading() as db:
        found = _found(db, file_id)
        sha256 = previews.picture(
            db, found["sha256"], found["format"], angle=angle, theme=theme, marks=marks
        )
    if sha256 is None and _is_for_an_image():
        return _placeholder(found)
    return _made(sha256, "image/png")


@files.route_to("GET", "/files/<file_id>/mesh.stl", Permission.BROWSE, "A light mesh to look at")
def mesh(file_id: str) -> Any:
    with lab().store.reading() as db:
        found = _found(db, file_id)
        sha256 = checks.picture(db, found["sha256"], found["format"], "light")
    return _made(sha256, "model/stl")


@files.route_to("GET", "/files/<file_id>/mesh.bin", Permission.BROWSE,
                "The light mesh of the viewer")  # fmt: skip
def viewer_mesh(file_id: str) -> Any:
    with lab().store.reading() as db:
        found = _found(db, file_id)
        sha256 = previews.made(db, found["sha256"], found["format"], "viewer")
    return _made(sha256, "application/octet-stream")


@files.route_to("GET", "/files/<file_id>/marks.json", Permission.BROWSE,
                "Where its findings are, in mm")  # fmt: skip
def marks(file_id: str) -> Any:
    with lab().store.reading() as db:
        found = _found(db, file_id)
        places = previews.marked_places(db, lab().blobs, found["sha256"], found["format"])
    return {"items": places}


def _found(db: Database, file_id: str) -> dict[str, Any]:
    """The file, which may be what a repair made and a person has yet to confirm."""
    try:
        return library.file(db, file_id)
    except NotFound:
        return repair_results.result_of(db, file_id, member())


_Choice = TypeVar("_Choice", Angle, Theme)


def _one_of(choices: type[_Choice], name: str, usual: _Choice) -> _Choice:
    said = request.args.get(name, usual.value)
    try:
        return choices(said)
    except ValueError as error:
        known = ", ".join(choice.value for choice in choices)
        raise BadInput(f"There is no {name} {said[:20]!r}.", fields={name: known}) from error


def _made(sha256: str | None, mimetype: str) -> Response:
    if sha256 is None:
        raise NotFound("That is not made yet.", hint="Ask again when the file has been checked.")
    return send_blob(lab().blobs.path(sha256), sha256, mimetype)


def _is_for_an_image() -> bool:
    """Whether a browser asks for what it shows in a page; a program wants to be told instead."""
    accepted = request.headers.get("Accept", "")
    return "image/" in accepted and "json" not in accepted


def _placeholder(found: dict[str, Any]) -> Response:
    """A neutral drawing in place of a picture that is to come (202) or will never be (404)."""
    coming = found["state"] == "checking" or found["check"]["verdict"] in (
        "printable",
        "repairable",
    )
    response = Response(_CUBE, 202 if coming else 404, mimetype="image/svg+xml")
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


_CUBE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" fill="none"
 stroke="#8a948f"><path d="M32 18 45 25v14L32 46 19 39V25zM19 25l13 7 13-7M32 32v14"
 stroke-linejoin="round"/></svg>"""


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
