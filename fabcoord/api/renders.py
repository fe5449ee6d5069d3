"""/files/…/render: meshes made on request of OpenSCAD sources and of projects with plates."""

from __future__ import annotations

from typing import Any

from fabcoord.api import schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource
from fabcoord.designs import library, renders
from fabcoord.members.roles import Permission

making = Resource("renders", __name__)


@making.route_to(
    "GET", "/files/<file_id>/parameters", Permission.READ,
    "What may be chosen of an OpenSCAD source or a project with plates",
)  # fmt: skip
def parameters(file_id: str) -> Any:
    with lab().store.reading() as db:
        found = library.file(db, file_id, member())
    return renders.offer(lab().blobs, found)


@making.route_to(
    "POST", "/files/<file_id>/render", Permission.CONTRIBUTE,
    "Have a mesh made with chosen parameters, or of one plate", body=schemas.RenderRequest,
    status=202,
)  # fmt: skip
def render(file_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        given, plate = body.get("parameters"), body.get("plate")
        render_id = renders.ask(db, lab().blobs, member(), file_id, given=given, plate=plate)
        asked = renders.get(db, file_id, render_id)
    return asked, {"Location": f"/api/v1/files/{file_id}/renders/{render_id}"}


@making.route_to("GET", "/files/<file_id>/renders", Permission.READ, "The meshes asked for of it")
def of_file(file_id: str) -> Any:
    with lab().store.reading() as db:
        library.file(db, file_id, member())
        return {"items": renders.of_file(db, file_id), "next": None}


@making.route_to(
    "GET", "/files/<file_id>/renders/<render_id>", Permission.READ, "How far one of them is"
)
def one(file_id: str, render_id: str) -> Any:
    with lab().store.reading() as db:
        library.file(db, file_id, member())
        return renders.get(db, file_id, render_id)
