"""/designs: the library of this lab."""

from __future__ import annotations

from typing import Any

from flask import request

from fabcoord.api import intake, schemas
from fabcoord.api.access import is_visitor, member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page, page_arguments, wanted_version
from fabcoord.designs import compare as comparing
from fabcoord.designs import family, library
from fabcoord.designs import search as finding
from fabcoord.designs import tags as spelling
from fabcoord.designs.search import Asked
from fabcoord.errors import BadInput
from fabcoord.members.roles import Permission
from fabcoord.queue import room

designs = Resource("designs", __name__)


@designs.route_to(
    "POST", "/designs", Permission.CONTRIBUTE, "Store a design (multipart)", answer="Design",
    status=201,
)  # fmt: skip
def create() -> Any:
    text = intake.form_text(
        ("title", "licence", "description", "attribution", "visibility", "note"), ("tags",)
    )
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
            visibility=text["visibility"] or "lab",
            note=intake.left_out_note(text["note"]),
        )
        design = library.get(db, design_id)
    return design, {"Location": f"/api/v1/designs/{design_id}"}


@designs.route_to("GET", "/designs", Permission.BROWSE, "Search designs", answer="Design[]")
def search() -> Any:
    limit, cursor = page_arguments()
    if cursor is not None and not isinstance(cursor, str):
        raise BadInput("That cursor belongs to another list.")
    with lab().store.reading() as db:
        items, following = finding.search(db, asked(), member(), cursor=cursor, limit=limit)
    return page(items, following)


@designs.route_to(
    "GET", "/designs/facets", Permission.BROWSE, "How many designs a search finds, by tag, licence,"
    " format and material", answer="Facets",
)  # fmt: skip
def facets() -> Any:
    with lab().store.reading() as db:
        return finding.count(db, asked(), member())


@designs.route_to("GET", "/tags", Permission.READ, "Tags that begin so", answer="Tag[]")
def tags() -> Any:
    with lab().store.reading() as db:
        return page(spelling.suggest(db, request.args.get("q", "")[:100]), None)


def asked() -> Asked:
    """What the query of this request looks for, from the API or from a page."""
    given = request.args
    return Asked(
        text=given.get("q", ""),
        tags=tuple(spelling.normalise(given.getlist("tag"))),
        licence=given.get("licence", ""),
        format=given.get("format", ""),
        material=given.get("material", ""),
        owner=given.get("owner", ""),
    )


@designs.route_to("GET", "/designs/<design_id>", Permission.BROWSE, "One design", answer="Design")
def show(design_id: str) -> Any:
    with lab().store.reading() as db:
        design = library.get(db, design_id)
        return design if is_visitor() else room.of_design(db, design)


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
    "GET", "/designs/<design_id>/revisions", Permission.BROWSE, "Its revisions", answer="Revision[]"
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
        library.add_revision(db, member(), design_id, files, intake.left_out_note(text["note"]))
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


@designs.route_to(
    "POST", "/designs/<design_id>/restore", Permission.CONTRIBUTE,
    "Add a revision that equals an older one", body=schemas.Restoring, answer="Design", status=201,
)  # fmt: skip
def restore(design_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        library.restore(db, member(), design_id, body["revision"], body["note"])
        return library.get(db, design_id)


@designs.route_to(
    "POST", "/designs/<design_id>/undelete", Permission.CONTRIBUTE, "Bring a removed design back",
    body=schemas.Empty, answer="Design",
)  # fmt: skip
def undelete(design_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        library.undelete(db, member(), design_id)
        return library.get(db, design_id)


@designs.route_to(
    "GET", "/designs/<design_id>/compare", Permission.BROWSE,
    "The differences of two revisions (from, to)", answer="Comparison",
)  # fmt: skip
def compare(design_id: str) -> Any:
    before, after = whole_number("from"), whole_number("to")
    with lab().store.reading() as db:
        return comparing.revisions(db, design_id, before, after)


@designs.route_to(
    "GET", "/designs/<design_id>/lineage", Permission.BROWSE,
    "What it was made from, and what was made from it", answer="Lineage",
)  # fmt: skip
def show_lineage(design_id: str) -> Any:
    with lab().store.reading() as db:
        library.get(db, design_id)
        return family.tree(db, member(), design_id)


def whole_number(name: str) -> int | None:
    """A number from the query, or None where it is not given. Raises BadInput."""
    text = request.args.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadInput(f"{name} is a number.", fields={name: "a number"})
    return int(text)
