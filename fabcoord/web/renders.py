"""The form that has a mesh made of an OpenSCAD source or of one plate of a project."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.designs import library, renders
from fabcoord.designs.openscad import Parameter
from fabcoord.errors import BadInput
from fabcoord.members.roles import Permission
from fabcoord.web.frame import Pages, leave_for

making = Pages("renders")
_PREFIX = "p-"  # so that no parameter's name meets another field of the form


@making.page("POST", "/files/<file_id>/render", Permission.CONTRIBUTE)
def render(file_id: str) -> Response:
    blobs = lab().blobs
    plate = request.form.get("plate", "")
    with lab().store.writing(durable=True) as db:
        file = library.file(db, file_id, member())
        if plate:
            renders.ask(db, blobs, member(), file_id, plate=_whole(plate))
        else:
            given = {one.name: _value(one) for one in renders.parameters(blobs, file)}
            renders.ask(db, blobs, member(), file_id, given=given)
    return leave_for(f"/designs/{file['design_id']}")


def of_design(design: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By file: what may be chosen of it and what was asked for; only files that have any."""
    found = {}
    for file in design["revision"]["files"]:
        offer = renders.offer(lab().blobs, file)
        if file["format"] == "scad" or offer["plates"]:
            with lab().store.reading() as db:
                asked = renders.of_file(db, file["id"])[:3]
            found[file["id"]] = offer | {"asked": asked, "sections": _sections(offer)}
    return found


def _sections(offer: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The parameters under their headings, in the order of the source."""
    sections: dict[str, list[dict[str, Any]]] = {}
    for one in offer["parameters"]:
        sections.setdefault(one["section"], []).append(one)
    return list(sections.items())


def _value(parameter: Parameter) -> Any:
    text = request.form.get(_PREFIX + parameter.name, "")
    if parameter.kind == "boolean":
        return text == "on"
    if parameter.kind == "text":
        return text
    try:
        numbers = [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        fields = {parameter.name: "a number"}
        raise BadInput(f"{parameter.name} takes numbers.", fields=fields) from error
    if parameter.kind == "vector":
        return numbers
    return numbers[0] if len(numbers) == 1 else None


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise BadInput("A plate has a number.", fields={"plate": "a number"})
    return int(text)
