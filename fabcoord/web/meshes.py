"""Parts of a design's page about its meshes: repair, and the orientation with less support."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.designs import library, repairs
from fabcoord.designs.meshcheck.repair.report import Options
from fabcoord.errors import BadInput
from fabcoord.members.roles import Permission
from fabcoord.web.frame import Pages, go, number, show, typed

meshes = Pages("meshes")


@meshes.page("POST", "/designs/<design_id>/repair", Permission.CONTRIBUTE)
def repair(design_id: str) -> Response:
    """Ask for a repair, or confirm one; then show the page again."""
    asked = typed("file_id", "confirm")
    with lab().store.writing(durable=True) as db:
        repairs.ask(db, member(), asked["file_id"], _options(), confirm=bool(asked["confirm"]))
    return go(f"/designs/{design_id}")


@meshes.page("GET", "/designs/<design_id>/turn", Permission.PRINT)
def turn(design_id: str) -> Response:
    """The part of the print form that offers another orientation."""
    with lab().store.reading() as db:
        design = library.get(db, design_id)
    printable = [file for file in design["revision"]["files"] if file["state"] != "failed"]
    return show("_turn.html", design=design, printable=printable, given={})


def _options() -> Options:
    """The options in the form: field by field, or those of an earlier repair as they were shown."""
    shown = typed("options")["options"]
    if shown:
        try:
            given: dict[str, Any] = json.loads(shown)
            return repairs.make_options(given["scale"], given["union"], given["decimate"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                "The form is not as it was shown.", hint="Load the page anew."
            ) from error
    scale, decimate = request.form.get("scale", ""), request.form.get("decimate", "")
    try:
        factor = float(scale) if scale else None
    except ValueError as error:
        raise BadInput(f"{scale[:20]!r} is not a number.", fields={"scale": "a number"}) from error
    count = number(decimate, "decimate") if decimate else None
    return repairs.make_options(factor, bool(request.form.get("union")), count)
