"""Licences in words on the pages, the ticket of a job, and Open Know-How by hand."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api import intake
from fabcoord.api import okh as api
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.designs import library, licences, lineage
from fabcoord.designs.licences.terms import table
from fabcoord.designs.okh.documents import MOST_BYTES
from fabcoord.errors import BadInput, FabcoordError, NotFound
from fabcoord.members.roles import Permission
from fabcoord.queue import jobs
from fabcoord.store.sqlite import Database
from fabcoord.web import choices
from fabcoord.web.frame import Pages, leave_for, show, typed

terms = Pages("terms")


@terms.page("GET", "/designs/import", Permission.CONTRIBUTE)
def ask() -> Response:
    return _import_form()


@terms.page("POST", "/designs/import", Permission.CONTRIBUTE)
def bring() -> Response:
    try:
        text = intake.form_text(("licence", "visibility"))
        design, _ = api.import_files(text["licence"], text["visibility"])
    except FabcoordError as error:
        return _import_form(error.status, error=error)
    return leave_for(f"/designs/{design['id']}")


@terms.page("GET", "/okh/validate", Permission.READ)
def validator() -> Response:
    return show("okh_validate.html", text="", said=None, error=None)


@terms.page("POST", "/okh/validate", Permission.READ)
def validate() -> Response:
    text = request.form.get("text", "")
    try:
        if not text.strip():
            raise BadInput("There is no manifest to look at.", hint="Paste its text below.")
        said = api.judge(text.encode("utf-8", "replace")[: MOST_BYTES + 1], "")
    except FabcoordError as error:
        return show("okh_validate.html", error.status, text=text, said=None, error=error)
    return show("okh_validate.html", text=text, said=said, error=None)


@terms.page("GET", "/jobs/<job_id>/ticket", Permission.READ)
def ticket(job_id: str) -> Response:
    """What lies beside the print when it is handed over: what it is, whose, on which terms."""
    with lab().store.reading() as db:
        (job,) = jobs.as_seen_by(db, member(), [jobs.get(db, job_id)])
        said = of_job(db, job)
    if said is None:
        raise NotFound("The design of this job is gone.")
    return show("ticket.html", job=job, credit=said)


def of_design(db: Database, design: dict[str, Any]) -> dict[str, Any]:
    """What the pages say of a design's licence: meaning, duties, whom to name, where it is from."""
    origin = lineage.origin(db, design["id"])
    own = f"{request.host_url}designs/{design['id']}"
    return {
        "title": design["title"],
        "author": design["attribution"] or design["owner"],
        "licence": design["licence"],
        "meaning": licences.plain_words(design["licence"]),
        "duties": licences.duties(design["licence"]),
        "is_open": licences.is_open(design["licence"]),
        "source": (origin.url if origin else "") or own,
        "made_from": lineage.of(db, design["id"]),
    }


def of_job(db: Database, job: dict[str, Any]) -> dict[str, Any] | None:
    """The same for the design of a job; None where it is gone, or not for this member."""
    try:
        return of_design(db, library.get(db, job["design_id"], member()))
    except NotFound:
        return None


def suggestions(error: FabcoordError | None, text: str) -> list[licences.Suggestion]:
    """What a licence that could not be read may mean; somebody has to choose."""
    if error is None or "licence" not in error.fields or not text.strip():
        return []
    return licences.suggest(text)


def meanings() -> list[tuple[str, str]]:
    """What the licences of the upload form mean, in words."""
    return [(one, table()[one].plain) for one, _ in choices.LICENCES]


def _import_form(status: int = 200, error: FabcoordError | None = None) -> Response:
    proposed = error.extra.get("suggestions", []) if error else []
    limit_mb = lab().settings.max_upload_mb
    return show(
        "okh_import.html", status, error=error, proposed=proposed, max_upload_mb=limit_mb,
        licence=typed("licence")["licence"] if error else "",
    )  # fmt: skip
