"""What a slicer's "send to OctoPrint" calls: G-code lands as a job of the token's member."""

from __future__ import annotations

from typing import Any

from flask import request

from fabcoord import __version__
from fabcoord.api import intake
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource
from fabcoord.designs import library
from fabcoord.errors import UnreadableFile
from fabcoord.members.roles import Permission
from fabcoord.queue import jobs

slicer_upload = Resource("slicer_upload", __name__)

_OWN_TEXT = "LicenseRef-not-shared"


@slicer_upload.route_to("GET", "/api/version", Permission.READ, "What OctoPrint says of itself")
def version() -> Any:
    # Slicers look for the word OctoPrint before they send anything.
    return {"api": "0.1", "server": "1.11.8", "text": f"OctoPrint (fabcoord {__version__})"}


@slicer_upload.route_to(
    "POST", "/api/files/local", Permission.PRINT, "Ask for a print of G-code (multipart)",
    status=201,
)  # fmt: skip
def upload() -> Any:
    text = intake.form_text(("print", "select", "path", "machine", "filename", "userdata"))
    sent = intake.take_design_files()
    if [file.format for file in sent] != ["gcode"]:
        raise UnreadableFile(
            "This address takes one G-code file.", hint="Designs go to /api/v1/designs."
        )
    name = sent[0].name
    with lab().store.writing(durable=True) as db:
        design_id = library.create(
            db, member(), title=name, licence=_OWN_TEXT, files=sent, tags=["g-code"],
            visibility="private",
        )  # fmt: skip
        asked = {"design_id": design_id, "machine": text["machine"] or request.args.get("machine")}
        job_id = jobs.create(db, lab().preparation, member(), asked)
        if text["print"] != "true":
            jobs.act(db, lab().preparation, member(), job_id, "hold", "Sent without being started.")
    address = f"{request.host_url}api/v1/jobs/{job_id}"
    local = {"name": name, "path": name, "origin": "local", "refs": {"resource": address}}
    return {"files": {"local": local}, "done": True, "effectivePrint": text["print"] == "true"}, {
        "Location": address
    }
