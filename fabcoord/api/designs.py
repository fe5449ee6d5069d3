"""/designs: the library of this lab."""

from __future__ import annotations

from typing import Any

from flask import request

from fabcoord.api import intake, schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page, page_arguments, wanted_version
from fabcoord.designs import library
from fabcoord.errors import BadInput
from fabcoord.members.roles import Permission

designs = Resource("designs", __name__)


@designs.route_to(
    "POST", "/designs", Permission.CONTRIBUTE, "Store a design (multipart)", answer="Design",
    status=201,
)  # fmt: skip
def create() -> Any:
    text = intake.form_text(("title", "licence", "description", "attribution"), ("tags",))
    files = intake.take_design_files()
    with lab().store.writing(durable=True) as db:
        design_id = library.create(
            db,
            member(),
            title=text["title"] or files[0].name.rpartition(".")[0],
            licence=text["licence"],
            files=files,
            description=text["description"],
            tags=text["tags"],
            attribution=text["attribution"],
        )
        design = library.get(db, design_id)
    return design, {"Location": f"/api/v1/designs/{design_id}"}


@designs.route_to("GET", "/designs", Permission.READ, "Search designs", answer="Design[]")
def search() -> Any:
    limit, before = page_arguments()
    if before is not None and not isinstance(before, int):
        raise BadInput("That cursor belongs to another list.")
    asked = request.args
    with lab().store.reading() as db:
        items, following = library.search(
            db,
            text=asked.get("q", ""),
            tag=asked.get("tag", "").lower(),
            licence=asked.get("licence", ""),
            owner=asked.get("owner", ""),
            viewer=member(),
            before=before,
            limit=limit,
        )
    return page(items, following)


@designs.route_to("GET", "/designs/<design_id>", Permission.READ, "One design", answer="Design")
def show(design_id: str) -> Any:
    with lab().store.reading() as db:
        return library.get(db, design_id)


@designs.route_to(
    "PATCH", "/designs/<design_id>", Permission.CONTRIBUTE, "Change a design",
    body=schemas.DesignChange, answer="Design",
)  # fmt: skip
def change(design_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        library.update(db, member(), design_id, body, wanted_version())
        return library.get(db, design_id)


@designs.route_to(
    "DELETE", "/designs/<design_id>", Permission.CONTRIBUTE, "Remove a design", status=204
)
def delete(design_id: str) -> Any:
    with lab().store.writing(durable=True) as db:
        library.delete(db, member(), design_id)


@designs.route_to(
    "GET", "/designs/<design_id>/revisions", Permission.READ, "Its revisions", answer="Revision[]"
)
def revisions(design_id: str) -> Any:
    with lab().store.reading() as db:
        return page(library.revisions(db, design_id), None)


@designs.route_to(
    "POST", "/designs/<design_id>/revisions", Permission.CONTRIBUTE,
    "Add a revision (multipart)", answer="Design", status=201,
)  # fmt: skip
def add_revision(design_id: str) -> Any:
    text = intake.form_text(("note",))
    files = intake.take_design_files()
    with lab().store.writing(durable=True) as db:
        library.add_revision(db, member(), design_id, files, text["note"])
        design = library.get(db, design_id)
    return design, {"Location": f"/api/v1/designs/{design_id}"}


@designs.route_to(
    "POST", "/designs/<design_id>/fork", Permission.CONTRIBUTE, "Copy it as one's own",
    body=schemas.ForkRequest, answer="Design", status=201,
)  # fmt: skip
def fork(design_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        forked = library.fork(db, member(), design_id, **body)
        return library.get(db, forked), {"Location": f"/api/v1/designs/{forked}"}
