"""The library: bringing a file, finding designs, one design with its check and print form."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api import intake
from fabcoord.api.access import is_visitor, member
from fabcoord.api.context import lab
from fabcoord.api.designs import asked
from fabcoord.designs import checks, deep, library
from fabcoord.designs import search as finding
from fabcoord.designs.library import NewFile
from fabcoord.designs.search import Asked
from fabcoord.errors import BadInput, FabcoordError, TooLarge
from fabcoord.members.roles import Permission, Role
from fabcoord.queue import estimates, room
from fabcoord.queue import jobs as queue
from fabcoord.store.sqlite import Database
from fabcoord.web import choices, design_page, live, terms, views, words
from fabcoord.web.frame import Pages, go, is_htmx, leave_for, number, show, typed

designs = Pages("designs")

_SHELF = 12
_PAGE = 24


@designs.page("GET", "/", Permission.READ)
def start() -> Response:
    if member().role is Role.KIOSK:
        return go("/kiosk")
    with lab().store.reading() as db:
        mine, _ = queue.search(db, member=member().name, limit=6)
        shelf, more = finding.search(db, Asked(), member(), limit=_SHELF)
        listening = live.listen(db, "/", live.QUEUE + live.DESIGNS)
        pictured = _pictured(db, shelf)
    return show(
        "start.html", jobs=mine, designs=shelf, more=more, pictured=pictured, live=listening,
        licences=choices.LICENCES, max_upload_mb=lab().settings.max_upload_mb,
    )  # fmt: skip


@designs.page("GET", "/designs", Permission.BROWSE)
def shelf() -> Response:
    wanted = asked()
    with lab().store.reading() as db:
        found, following = finding.search(
            db, wanted, member(), cursor=request.args.get("before") or None, limit=_PAGE
        )
        counted = finding.count(db, wanted, member())
        pictured = _pictured(db, found)
    return show(
        "designs.html", designs=found, asked=wanted, following=following, pictured=pictured,
        counted=counted, without=_without,
    )  # fmt: skip


@designs.page("GET", "/designs/new", Permission.CONTRIBUTE)
def ask() -> Response:
    return _upload_form()


@designs.page("POST", "/designs/new", Permission.CONTRIBUTE)
def store() -> Response:
    try:
        text = intake.form_text(
            (
                "title",
                "licence",
                "licence_other",
                "licence_chosen",
                "description",
                "attribution",
                "tags",
            )
        )
        files = intake.take_design_files()
        design_id = _create(text, files)
    except FabcoordError as error:
        too_large = isinstance(error, TooLarge)
        given = {} if too_large else typed(*_TEXT)  # reading the form again would fail again
        return _upload_form(error.status, error=error, **given)
    told = "?told=note" if intake.is_anything_left_out() else ""
    return leave_for(f"/designs/{design_id}{told}")


@designs.page("GET", "/designs/<design_id>", Permission.BROWSE)
def one(design_id: str) -> Response:
    return _design(design_id)


@designs.page("POST", "/designs/<design_id>/estimate", Permission.PRINT)
def estimate(design_id: str) -> Response:
    """The part of the design's page that says what the print would take."""
    try:
        asked = _asked(design_id)
        with lab().store.writing() as db:
            file = library.file(db, asked["file_id"], member())
            said = estimates.estimate(db, lab().preparation, file, asked)
    except FabcoordError as error:
        return show("_estimate.html", design_id=design_id, error=error)
    return show("_estimate.html", design_id=design_id, **said)


@designs.page("POST", "/designs/<design_id>/print", Permission.PRINT)
def ask_for_print(design_id: str) -> Response:
    try:
        asked = _asked(design_id)
        with lab().store.writing(durable=True) as db:
            job_id = queue.create(db, lab().preparation, member(), asked)
    except FabcoordError as error:
        if is_htmx():
            raise
        return _design(design_id, error.status, error=error, **_given())
    return leave_for(f"/jobs/{job_id}")


_TEXT = ("title", "licence", "licence_other", "description", "attribution", "tags")
_MORE = ("due_at", "nozzle_mm", "overnight")
_WISHES = ("file_id", "copies", "material", "quality", "colour", "machine", "note", "charge_code")


def _given() -> dict[str, Any]:
    given: dict[str, Any] = dict(typed(*_WISHES, "turn", "mend_unit", *_MORE))
    return {"given": given | {"tags": request.form.getlist("tags")}}


def _asked(design_id: str) -> dict[str, Any]:
    wishes = typed(*_WISHES)
    copies = number(wishes.pop("copies") or "1", "copies")
    advice = typed("turn", "mend_unit")
    rotation = scale = None
    if any(advice.values()):
        with lab().store.reading() as db:
            file = library.file(db, wishes["file_id"], member())
        rotation = deep.best_rotation(file) if advice["turn"] else None
        scale = _suggested_scale(file) if advice["mend_unit"] else None
    return {
        "design_id": design_id, "copies": copies, "rotation": rotation, "scale": scale, **wishes,
        **_when_and_where(),
    }  # fmt: skip


def _when_and_where() -> dict[str, Any]:
    more = typed(*_MORE)
    try:
        nozzle_mm = float(more["nozzle_mm"]) if more["nozzle_mm"] else None
    except ValueError as error:
        raise BadInput("That is no nozzle.", fields={"nozzle_mm": "a number"}) from error
    return {
        "due_at": words.local_time(more["due_at"], "due_at"),
        "nozzle_mm": nozzle_mm,
        "overnight": bool(more["overnight"]),
        "tags": [tag.strip() for tag in request.form.getlist("tags") if tag.strip()][:10],
    }


def _suggested_scale(file: dict[str, Any]) -> float | None:
    """The factor that mends the unit of a file, where the check suggests one."""
    factors = (finding.get("suggested_scale") for finding in file["check"]["findings"])
    return next((factor for factor in factors if factor), None)


def _create(text: dict[str, Any], files: list[NewFile]) -> str:
    with lab().store.writing(durable=True) as db:
        return library.create(
            db,
            member(),
            title=text["title"] or files[0].name.rpartition(".")[0],
            licence=text["licence_chosen"] or text["licence_other"].strip() or text["licence"],
            files=files,
            description=text["description"],
            tags=text["tags"].split(","),
            attribution=text["attribution"],
            note=intake.left_out_note(""),
        )


def _upload_form(status: int = 200, **given: Any) -> Response:
    limit_mb = lab().settings.max_upload_mb
    return show(
        "design_new.html", status, licences=choices.LICENCES, max_upload_mb=limit_mb,
        suggestions=terms.suggestions(given.get("error"), given.get("licence_other", "")), **given
    )  # fmt: skip


def _design(design_id: str, status: int = 200, **facts: Any) -> Response:
    with lab().store.reading() as db:
        design = library.get(db, design_id)
        pictured = _pictured(db, [design])
        looks = views.of_files(db, design["revision"]["files"])
        credit = terms.of_design(db, design)
        if not is_visitor():
            room.of_design(db, design)
        told = design_page.facts(db, member(), design)
    facts = {"given": {}} | told | facts
    return show(
        "design.html", status, design=design, pictured=pictured, credit=credit, looks=looks,
        printable=[file for file in design["revision"]["files"] if _may_print(file)], **facts,
    )  # fmt: skip


def _without(kind: str = "", value: str = "") -> list[tuple[str, str]]:
    """The query of this page as pairs, without one facet and without its place in the list."""
    kept = [pair for pair in request.args.items(multi=True) if pair[0] != "before" and pair[1]]
    return [pair for pair in kept if pair != (kind, value)]


def _may_print(file: dict[str, Any]) -> bool:
    return bool(file["state"] != "failed" and file["check"]["verdict"] != "unprintable")


def _pictured(db: Database, found: list[dict[str, Any]]) -> set[str]:
    """The ids of those files whose picture is made."""
    files = [file for design in found for file in design["revision"]["files"]]
    return {
        file["id"]
        for file in files
        if checks.picture(db, file["sha256"], file["format"], "preview") is not None
    }
