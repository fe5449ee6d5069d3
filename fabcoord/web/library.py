"""Pages and forms around one design: its words, revisions, pictures, prints, comments, forks."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api import intake
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.conversation import evidence_of
from fabcoord.api.designs import whole_number
from fabcoord.api.pictures import take_pictures
from fabcoord.designs import (
    compare,
    conversation,
    documentation,
    library,
    makes,
    markdown,
    moderation,
    pictures,
)
from fabcoord.errors import FabcoordError, Stale
from fabcoord.members.roles import Permission
from fabcoord.web import choices
from fabcoord.web.frame import Pages, back, go, number, show, typed

pages = Pages("library")


@pages.page("GET", "/designs/<design_id>/edit", Permission.CONTRIBUTE)
def edit(design_id: str) -> Response:
    with lab().store.reading() as db:
        design = library.get(db, design_id)
    return show("design_edit.html", design=design, licences=choices.LICENCES, error=None)


@pages.page("POST", "/designs/<design_id>/edit", Permission.CONTRIBUTE)
def change(design_id: str) -> Response:
    given: dict[str, Any] = typed(
        "title", "licence", "description", "attribution", "tags", "visibility", "version"
    )
    version = number(given.pop("version"), "version")
    given["tags"] = given["tags"].split(",")
    try:
        with lab().store.writing(durable=True) as db:
            library.update(db, member(), design_id, given, version)
    except FabcoordError as error:
        with lab().store.reading() as db:
            design = library.get(db, design_id)
        return show(
            "design_edit.html", error.status, design=design | given | {"version": version},
            licences=choices.LICENCES, error=error,
        )  # fmt: skip
    return go(f"/designs/{design_id}")


@pages.page("POST", "/designs/<design_id>/delete", Permission.CONTRIBUTE)
def delete(design_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        library.delete(db, member(), design_id)
    return go("/designs")


@pages.page("POST", "/designs/<design_id>/fork", Permission.CONTRIBUTE)
def fork(design_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        forked = library.fork(db, member(), design_id)
    return go(f"/designs/{forked}")


@pages.page("POST", "/designs/<design_id>/revisions", Permission.CONTRIBUTE)
def add_revision(design_id: str) -> Response:
    note = intake.form_text(("note",))["note"]
    files = intake.take_design_files()
    with lab().store.writing(durable=True) as db:
        library.add_revision(db, member(), design_id, files, intake.left_out_note(note))
    return go(f"/designs/{design_id}{'?told=note' if intake.is_anything_left_out() else ''}")


@pages.page("POST", "/designs/<design_id>/restore", Permission.CONTRIBUTE)
def restore(design_id: str) -> Response:
    revision = number(request.form.get("revision", ""), "revision")
    with lab().store.writing(durable=True) as db:
        library.restore(db, member(), design_id, revision)
    return go(f"/designs/{design_id}#history")


@pages.page("GET", "/designs/<design_id>/compare", Permission.BROWSE)
def compare_revisions(design_id: str) -> Response:
    before, after = whole_number("from"), whole_number("to")
    with lab().store.reading() as db:
        design = library.get(db, design_id)
        found = compare.revisions(db, design_id, before, after)
        numbers = [one["number"] for one in library.revisions(db, design_id)]
    return show("compare.html", design=design, found=found, numbers=numbers)


@pages.page("GET", "/designs/<design_id>/documentation", Permission.BROWSE)
def read_documentation(design_id: str) -> Response:
    version = whole_number("version")
    with lab().store.reading() as db:
        design = library.get(db, design_id)
        newest = documentation.current(db, design_id)
        shown = documentation.at(db, design_id, version) if version else newest
        own = pictures.addresses(db, design)
        history = documentation.history(db, design_id)
    return show(
        "documentation.html", design=design, shown=shown, newest=newest, history=history,
        html=markdown.to_html(shown["text"], own), may_edit=_may_edit(design),
    )  # fmt: skip


@pages.page("GET", "/designs/<design_id>/documentation/edit", Permission.CONTRIBUTE)
def edit_documentation(design_id: str) -> Response:
    with lab().store.reading() as db:
        design = library.get(db, design_id)
        present = documentation.current(db, design_id)
        names = sorted(pictures.addresses(db, design))
    return show(
        "documentation_edit.html", design=design, text=present["text"], names=names,
        version=present["version"], note="", error=None, theirs=None,
    )  # fmt: skip


@pages.page("POST", "/designs/<design_id>/documentation/edit", Permission.CONTRIBUTE)
def write_documentation(design_id: str) -> Response:
    """Stored, or shown again beside what somebody else stored meanwhile: nothing is lost."""
    text = request.form.get("text", "")
    note = typed("note")["note"][:200]
    version = number(request.form.get("version", ""), "version")
    try:
        with lab().store.writing(durable=True) as db:
            documentation.write(db, member(), design_id, text, version, note)
    except FabcoordError as error:
        with lab().store.reading() as db:
            design = library.get(db, design_id)
            present = documentation.current(db, design_id)
            names = sorted(pictures.addresses(db, design))
        is_stale = isinstance(error, Stale)
        return show(
            "documentation_edit.html", error.status, design=design, text=text, note=note,
            names=names, version=present["version"] if is_stale else version, error=error,
            theirs=present if is_stale else None,
        )  # fmt: skip
    return go(f"/designs/{design_id}#documentation")


@pages.page("POST", "/designs/<design_id>/documentation/restore", Permission.CONTRIBUTE)
def restore_documentation(design_id: str) -> Response:
    wanted = number(request.form.get("number", ""), "number")
    version = number(request.form.get("version", ""), "version")
    with lab().store.writing(durable=True) as db:
        documentation.restore(db, member(), design_id, wanted, version)
    return go(f"/designs/{design_id}#documentation")


@pages.page("POST", "/designs/<design_id>/pictures", Permission.CONTRIBUTE)
def add_pictures(design_id: str) -> Response:
    caption = intake.form_text(("caption",))["caption"]
    taken = take_pictures()
    with lab().store.writing(durable=True) as db:
        for new in taken:
            pictures.add(db, member(), design_id, new, caption)
    return go(f"/designs/{design_id}")


@pages.page("POST", "/pictures/<picture_id>/main", Permission.CONTRIBUTE)
def make_main(picture_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        pictures.change(db, member(), picture_id, {"is_main": True})
    return go(back())


@pages.page("POST", "/pictures/<picture_id>/delete", Permission.CONTRIBUTE)
def delete_picture(picture_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        pictures.delete(db, member(), picture_id)
    return go(back())


@pages.page("POST", "/designs/<design_id>/comments", Permission.CONTRIBUTE)
def comment(design_id: str) -> Response:
    given = typed("text", "parent_id")
    with lab().store.writing(durable=True) as db:
        made = conversation.comment(
            db, member(), design_id, given["text"], given["parent_id"] or None
        )
    return go(f"/designs/{design_id}#c-{made}")


@pages.page("POST", "/comments/<comment_id>/edit", Permission.CONTRIBUTE)
def edit_comment(comment_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        conversation.edit(db, member(), comment_id, typed("text")["text"], None)
    return go(back())


@pages.page("POST", "/comments/<comment_id>/delete", Permission.CONTRIBUTE)
def delete_comment(comment_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        conversation.delete(db, member(), comment_id)
    return go(back())


@pages.page("POST", "/designs/<design_id>/like", Permission.CONTRIBUTE)
def like(design_id: str) -> Response:
    with lab().store.writing() as db:
        conversation.like(db, member(), design_id, likes=request.form.get("likes") == "yes")
    return go(f"/designs/{design_id}")


@pages.page("POST", "/designs/<design_id>/makes", Permission.CONTRIBUTE)
def record_make(design_id: str) -> Response:
    given: dict[str, Any] = intake.form_text(
        ("job_id", "revision", "machine", "material", "quality", "outcome", "note")
    )
    given["revision"] = number(given["revision"], "revision") if given["revision"] else None
    photos = take_pictures()
    with lab().store.writing(durable=True) as db:
        made = evidence_of(db, design_id, given | {"nozzle_mm": None, "layer_mm": None})
        make_id = makes.add(db, member(), design_id, made, given["outcome"], given["note"])
        for photo in photos:
            pictures.add(db, member(), design_id, photo, make_id=make_id)
    return go(f"/designs/{design_id}#makes")


@pages.page("POST", "/makes/<make_id>/delete", Permission.CONTRIBUTE)
def delete_make(make_id: str) -> Response:
    with lab().store.writing(durable=True) as db:
        makes.delete(db, member(), make_id)
    return go(back())


@pages.page("GET", "/report", Permission.CONTRIBUTE)
def ask_for_report() -> Response:
    given: dict[str, Any] = {name: request.args.get(name, "") for name in ("kind", "id", "back")}
    return show("report.html", error=None, reason="", **given)


@pages.page("POST", "/report", Permission.CONTRIBUTE)
def report() -> Response:
    given = typed("kind", "id", "reason")
    try:
        with lab().store.writing(durable=True) as db:
            moderation.report(db, member(), given["kind"], given["id"], given["reason"])
    except FabcoordError as error:
        status = error.status
        return show("report.html", status, error=error, back=back(), **given)
    return go(back())


@pages.page("GET", "/moderation", Permission.MODERATE)
def desk() -> Response:
    state = "" if request.args.get("all") else "open"
    with lab().store.reading() as db:
        found = moderation.reports(db, member(), state=state)
    return show("moderation.html", reports=found, shows_all=not state)


@pages.page("POST", "/reports/<report_id>/settle", Permission.MODERATE)
def settle(report_id: str) -> Response:
    given = typed("answer", "what")
    with lab().store.writing(durable=True) as db:
        moderation.settle(
            db, member(), report_id, hides=given["what"] == "hide", answer=given["answer"]
        )
    return go("/moderation")


@pages.page("POST", "/moderation/hidden", Permission.MODERATE)
def set_hidden() -> Response:
    given = typed("kind", "id", "reason", "what")
    reason = None if given["what"] == "show" else given["reason"] or "Hidden by a moderator."
    with lab().store.writing(durable=True) as db:
        moderation.set_hidden(db, member(), given["kind"], given["id"], reason)
    return go(back())


def _may_edit(design: dict[str, Any]) -> bool:
    return design["owner"] == member().name or member().may(Permission.MODERATE)
