"""Collections: all of them, and one with its designs in order."""

from __future__ import annotations

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.designs import checks
from fabcoord.designs import collections as shelves
from fabcoord.errors import FabcoordError
from fabcoord.members.roles import Permission
from fabcoord.web.frame import Pages, back, go, number, show, typed

collections = Pages("collections")


@collections.page("GET", "/collections", Permission.READ)
def overview() -> Response:
    with lab().store.reading() as db:
        found = shelves.search(db, member())
    return show("collections.html", collections=found, error=None, given={})


@collections.page("POST", "/collections", Permission.CONTRIBUTE)
def create() -> Response:
    given = typed("title", "description", "visibility", "design_id")
    design_id = given.pop("design_id")
    try:
        with lab().store.writing(durable=True) as db:
            made = shelves.create(
                db, member(), title=given["title"], description=given["description"],
                visibility=given["visibility"] or "lab",
            )  # fmt: skip
            if design_id:
                shelves.put(db, member(), made, design_id)
    except FabcoordError as error:
        with lab().store.reading() as db:
            found = shelves.search(db, member())
        return show("collections.html", error.status, collections=found, error=error, given=given)
    return go(f"/collections/{made}")


@collections.page("GET", "/collections/<collection_id>", Permission.READ)
def one(collection_id: str) -> Response:
    with lab().store.reading() as db:
        found = shelves.get(db, member(), collection_id)
        files = [file for design in found["designs"] for file in design["revision"]["files"]]
        pictured = {
            file["id"]
            for file in files
            if checks.picture(db, file["sha256"], file["format"], "preview") is not None
        }
    own = found["owner"] == member().name or member().may(Permission.MODERATE)
    return show("collection.html", collection=found, pictured=pictured, may_edit=own)


@collections.page("POST", "/collections/<collection_id>/edit", Permission.CONTRIBUTE)
def change(collection_id: str) -> Response:
    given = typed("title", "description", "visibility", "version")
    version = number(given.pop("version"), "version")
    with lab().store.writing(durable=True) as db:
        shelves.update(db, member(), collection_id, dict(given), version)
    return go(f"/collections/{collection_id}")


@collections.page("POST", "/collections/<collection_id>/delete", Permission.CONTRIBUTE)
def delete(collection_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        shelves.delete(db, member(), collection_id)
    return go("/collections")


@collections.page("POST", "/collection-items", Permission.CONTRIBUTE)
def put() -> Response:
    given = typed("collection_id", "design_id")
    with lab().store.writing(durable=True) as db:
        shelves.put(db, member(), given["collection_id"], given["design_id"])
    return go(f"/designs/{given['design_id']}")


@collections.page("POST", "/collections/<collection_id>/take/<design_id>", Permission.CONTRIBUTE)
def take(collection_id: str, design_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        shelves.take(db, member(), collection_id, design_id)
    return go(back())


@collections.page("POST", "/collections/<collection_id>/move/<design_id>", Permission.CONTRIBUTE)
def move(collection_id: str, design_id: str) -> Response:
    """One place up or down, as the pressed button says."""
    with lab().store.writing(durable=True) as db:
        found = shelves.get(db, member(), collection_id)
        order = [design["id"] for design in found["designs"]]
        if design_id in order:
            at = order.index(design_id)
            to = max(0, min(len(order) - 1, at + (-1 if request.form.get("to") == "up" else 1)))
            order.insert(to, order.pop(at))
            shelves.reorder(db, member(), collection_id, order, found["version"])
    return go(f"/collections/{collection_id}")
