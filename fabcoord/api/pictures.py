"""Pictures of designs and makes: taken as form files, served as we encoded them."""

from __future__ import annotations

from typing import Any

from flask import request

from fabcoord.api import intake, schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.files import send_blob
from fabcoord.api.routing import Resource, page
from fabcoord.designs import library, makes
from fabcoord.designs import pictures as album
from fabcoord.designs.formats import safe_name
from fabcoord.designs.pictures import NewPicture
from fabcoord.errors import BadInput, TooLarge
from fabcoord.members.roles import Permission

pictures = Resource("pictures", __name__)


@pictures.route_to(
    "GET", "/designs/<design_id>/pictures", Permission.BROWSE, "Its pictures", answer="Picture[]"
)
def of_design(design_id: str) -> Any:
    with lab().store.reading() as db:
        library.get(db, design_id)
        return page(album.of_design(db, design_id), None)


@pictures.route_to(
    "POST", "/designs/<design_id>/pictures", Permission.CONTRIBUTE,
    "Add a picture: PNG, JPEG or WebP (multipart)", answer="Picture", status=201,
)  # fmt: skip
def add(design_id: str) -> Any:
    return _store(design_id, None)


@pictures.route_to(
    "POST", "/makes/<make_id>/pictures", Permission.CONTRIBUTE,
    "Add a photo to a make (multipart)", answer="Picture", status=201,
)  # fmt: skip
def add_to_make(make_id: str) -> Any:
    with lab().store.reading() as db:
        design_id = makes.get(db, member(), make_id)["design_id"]
    return _store(design_id, make_id)


@pictures.route_to("GET", "/pictures/<picture_id>", Permission.BROWSE, "One picture",
                   answer="Picture")  # fmt: skip
def show(picture_id: str) -> Any:
    with lab().store.reading() as db:
        return album.get(db, picture_id)


@pictures.route_to(
    "PATCH", "/pictures/<picture_id>", Permission.CONTRIBUTE,
    "Change its caption, or make it the main picture", body=schemas.PictureChange,
    answer="Picture",
)  # fmt: skip
def change(picture_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        album.change(db, member(), picture_id, body)
        return album.get(db, picture_id)


@pictures.route_to(
    "DELETE", "/pictures/<picture_id>", Permission.CONTRIBUTE, "Remove it", status=204
)
def delete(picture_id: str) -> Any:
    with lab().store.writing(durable=True) as db:
        album.delete(db, member(), picture_id)


@pictures.route_to("GET", "/pictures/<picture_id>/content", Permission.BROWSE, "Its bytes")
def content(picture_id: str) -> Any:
    return _send(picture_id, small=False)


@pictures.route_to(
    "GET", "/pictures/<picture_id>/small", Permission.BROWSE, "A small one for lists"
)
def small(picture_id: str) -> Any:
    return _send(picture_id, small=True)


def take_pictures() -> list[NewPicture]:
    """The pictures of the form, judged by their first bytes. Raises UnreadableFile, TooLarge."""
    taken = []
    for name, writer in intake.form_files("picture"):
        if not name and writer.size == 0:
            continue  # a form whose field for a photo was left empty
        if writer.size > album.MOST_BYTES:
            raise TooLarge(f"A picture has at most {album.MOST_BYTES / 1e6:.0f} MB.")
        writer.sync()
        writer.seek(0)
        album.sniff(writer.read(16))
        taken.append(NewPicture(safe_name(name), writer.sha256, writer.commit))
    return taken


def _store(design_id: str, make_id: str | None) -> Any:
    caption = intake.form_text(("caption",))["caption"]
    taken = take_pictures()
    if len(taken) != 1:
        raise BadInput(
            "Send one picture in the form field picture.", fields={"picture": "one file"}
        )
    with lab().store.writing(durable=True) as db:
        picture_id = album.add(db, member(), design_id, taken[0], caption, make_id)
        picture = album.get(db, picture_id)
    return picture, {"Location": f"{request.script_root}/api/v1/pictures/{picture_id}"}


def _send(picture_id: str, *, small: bool) -> Any:
    with lab().store.reading() as db:
        sha256, mimetype = album.content(db, picture_id, member(), small=small)
    return send_blob(lab().blobs.path(sha256), sha256, mimetype)
