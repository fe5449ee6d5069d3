"""/designs/{id}/documentation: Markdown with a history, changed only by who read the newest."""

from __future__ import annotations

from typing import Any

from fabcoord.api import schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page, wanted_version
from fabcoord.designs import documentation as pages
from fabcoord.designs import library, markdown, pictures
from fabcoord.errors import NotFound
from fabcoord.members.roles import Permission
from fabcoord.store.sqlite import Database

documentation = Resource("documentation", __name__)

_PLACE = "/designs/<design_id>/documentation"


@documentation.route_to(
    "GET", _PLACE, Permission.BROWSE, "The documentation, as Markdown and as HTML",
    answer="Documentation",
)  # fmt: skip
def show(design_id: str) -> Any:
    with lab().store.reading() as db:
        return shape(db, design_id, pages.current(db, design_id))


@documentation.route_to(
    "PUT", _PLACE, Permission.CONTRIBUTE, "Change it; If-Match, or version, is required",
    body=schemas.DocumentationChange, answer="Documentation",
)  # fmt: skip
def write(design_id: str, body: dict[str, Any]) -> Any:
    version = wanted_version() if wanted_version() is not None else body["version"]
    with lab().store.writing(durable=True) as db:
        pages.write(db, member(), design_id, body["text"], version, body["note"])
        return shape(db, design_id, pages.current(db, design_id))


@documentation.route_to(
    "GET", f"{_PLACE}/history", Permission.BROWSE, "Its versions, newest first", answer="Version[]"
)
def history(design_id: str) -> Any:
    with lab().store.reading() as db:
        library.get(db, design_id)
        return page(pages.history(db, design_id), None)


@documentation.route_to(
    "GET", f"{_PLACE}/history/<number>", Permission.BROWSE, "One version of it",
    answer="Documentation",
)  # fmt: skip
def show_version(design_id: str, number: str) -> Any:
    with lab().store.reading() as db:
        return shape(db, design_id, pages.at(db, design_id, _version(number)))


@documentation.route_to(
    "POST", f"{_PLACE}/history/<number>/restore", Permission.CONTRIBUTE,
    "Make an older version the newest; version says which one is the newest now",
    body=schemas.DocumentationRestoring, answer="Documentation",
)  # fmt: skip
def restore(design_id: str, number: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        pages.restore(db, member(), design_id, _version(number), body["version"])
        return shape(db, design_id, pages.current(db, design_id))


def shape(db: Database, design_id: str, version: dict[str, Any]) -> dict[str, Any]:
    """A version with its ``html``."""
    own = pictures.addresses(db, library.get(db, design_id))
    return version | {"html": markdown.to_html(version["text"], own)}


def _version(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise NotFound("A version of the documentation is a number.")
    return int(text)
