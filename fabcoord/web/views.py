"""Looking at one file: what is made of it to look at, and the viewer on a page of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask import Response

from fabcoord.api.access import is_visitor
from fabcoord.api.context import lab
from fabcoord.designs import deep, library, previews
from fabcoord.designs.meshcheck.report import Angle
from fabcoord.members.roles import Permission
from fabcoord.printers import machines
from fabcoord.queue import printers
from fabcoord.store.sqlite import Database
from fabcoord.web import live
from fabcoord.web.frame import Pages, show

views = Pages("views")

_ANGLES = {
    Angle.FRONT: "Front",
    Angle.SIDE: "Side",
    Angle.BACK: "Back",
    Angle.TOP: "Top",
    Angle.BOTTOM: "Bottom",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to look at of one file, as the pages want it."""

    in_3d: bool  # the viewer can be opened
    marked: bool  # there is a picture with the places of findings
    angles: tuple[tuple[str, str], ...]  # (angle, its name) of the pictures beside the usual one
    rotation: str  # JSON: the advised degrees about X, Y and Z, or ""


@views.page("GET", "/files/<file_id>/view", Permission.BROWSE)
def alone(file_id: str) -> Response:
    with lab().store.reading() as db:
        file = library.file(db, file_id)
        design = library.get(db, file["design_id"])
        siblings = library.files_of(db, file["design_id"], file["revision"])
        listening = live.listen(db, f"/files/{file_id}/view", live.DESIGNS)
        volumes = "[]" if is_visitor() else build_volumes(db)
        looks = of_files(db, [file])
    return show(
        "view.html", file=file, design=design, siblings=siblings, looks=looks,
        live=None if is_visitor() else listening, build_volumes=volumes,
        pictured={file_id} if file["check"]["size_mm"] else set(),
    )  # fmt: skip


def of_files(db: Database, files: list[dict[str, Any]]) -> dict[str, Look]:
    """What there is to look at of each file, by its id."""
    return {file["id"]: _look(db, file) for file in files}


def build_volumes(db: Database) -> str:
    """JSON of the lab's machine models: ``[{"name", "size": [x, y, z] in mm}]``."""
    known = machines.all_machines()
    here = [known[one] for one in printers.machines_here(db) if one in known]
    return json.dumps([{"name": one.name, "size": one.build_volume_mm} for one in here])


def _look(db: Database, file: dict[str, Any]) -> Look:
    kinds = previews.kinds(db, file["sha256"], file["format"])
    advised = deep.best_rotation(file)
    return Look(
        in_3d="viewer" in kinds,
        marked="marked-light" in kinds,
        angles=tuple(
            (angle.value, name) for angle, name in _ANGLES.items() if f"{angle}-light" in kinds
        ),
        rotation=json.dumps(advised) if advised else "",
    )
