"""/collections: designs that members put together, in an order."""

from __future__ import annotations

from typing import Any

from flask import request

from fabcoord.api import schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page, wanted_version
from fabcoord.designs import collections as shelves
from fabcoord.members.roles import Permission

collections = Resource("collections", __name__)


@collections.route_to("GET", "/collections", Permission.READ, "Collections by title",
                      answer="Collection[]")  # fmt: skip
def search() -> Any:
    with lab().store.reading() as db:
        found = shelves.search(
            db, member(), owner=request.args.get("owner", ""),
            design_id=request.args.get("design", ""),
        )  # fmt: skip
    return page(found, None)


@collections.route_to(
    "POST", "/collections", Permission.CONTRIBUTE, "Begin a collection",
    body=schemas.NewCollection, answer="Collection", status=201,
)  # fmt: skip
def create(body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        made = shelves.create(db, member(), **body)
        return shelves.get(db, member(), made), {"Location": f"/api/v1/collections/{made}"}


@collections.route_to(
    "GET", "/collections/<collection_id>", Permission.READ, "One with its designs",
    answer="Collection",
)  # fmt: skip
def show(collection_id: str) -> Any:
    with lab().store.reading() as db:
        return shelves.get(db, member(), collection_id)


@collections.route_to(
    "PATCH", "/collections/<collection_id>", Permission.CONTRIBUTE, "Change it",
    body=schemas.CollectionChange, answer="Collection",
)  # fmt: skip
def change(collection_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        shelves.update(db, member(), collection_id, body, wanted_version())
        return shelves.get(db, member(), collection_id)


@collections.route_to(
    "DELETE", "/collections/<collection_id>", Permission.CONTRIBUTE, "Remove it; its designs stay",
    status=204,
)  # fmt: skip
def delete(collection_id: str) -> Any:
    with lab().store.writing(durable=True) as db:
        shelves.delete(db, member(), collection_id)


@collections.route_to(
    "POST", "/collections/<collection_id>/designs", Permission.CONTRIBUTE,
    "Add a design at its end",
    body=schemas.CollectionItem, answer="Collection",
)  # fmt: skip
def put(collection_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        shelves.put(db, member(), collection_id, body["design_id"])
        return shelves.get(db, member(), collection_id)


@collections.route_to(
    "PUT", "/collections/<collection_id>/designs", Permission.CONTRIBUTE,
    "Bring its designs into an order", body=schemas.CollectionOrder, answer="Collection",
)  # fmt: skip
def reorder(collection_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        shelves.reorder(db, member(), collection_id, body["designs"], wanted_version())
        return shelves.get(db, member(), collection_id)


@collections.route_to(
    "DELETE", "/collections/<collection_id>/designs/<design_id>", Permission.CONTRIBUTE,
    "Take a design out of it", answer="Collection",
)  # fmt: skip
def take(collection_id: str, design_id: str) -> Any:
    with lab().store.writing(durable=True) as db:
        shelves.take(db, member(), collection_id, design_id)
        return shelves.get(db, member(), collection_id)
