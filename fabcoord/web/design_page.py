"""What the sections of a design's page tell: its words, pictures, prints, family and history."""

from __future__ import annotations

from typing import Any

from fabcoord.designs import (
    collections,
    conversation,
    documentation,
    family,
    library,
    makes,
    markdown,
    pictures,
    repair_results,
)
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import evidence, jobs
from fabcoord.store.sqlite import Database
from fabcoord.web import choices, live, renders, views

_MOST_JOBS = 50


def facts(db: Database, viewer: Member, design: dict[str, Any]) -> dict[str, Any]:
    """The names that the templates of the sections read."""
    design_id = design["id"]
    written = documentation.current(db, design_id)
    own = pictures.addresses(db, design) if written["text"] else {}
    is_owner = design["owner"] == viewer.name
    return {
        "album": pictures.of_design(db, design_id),
        "documentation": written | {"html": markdown.to_html(written["text"], own)},
        "comments": conversation.threads(db, viewer, design_id),
        "is_liked": conversation.is_liked(db, viewer, design_id),
        "makes": [_named(make) for make in makes.of_design(db, viewer, design_id)],
        "evidence": [_named(one) for one in makes.evidence(db, design_id)],
        "family": family.tree(db, viewer, design_id),
        "revisions": library.revisions(db, design_id),
        **({} if viewer.is_visitor else _of_members(db, viewer, design)),
        "is_owner": is_owner,
        "may_edit": is_owner or viewer.may(Permission.MODERATE),
    }


def _of_members(db: Database, viewer: Member, design: dict[str, Any]) -> dict[str, Any]:
    """What only members are shown: of printers, collections, repairs, and of what changes."""
    design_id = design["id"]
    return {
        "shelves": collections.search(db, viewer, design_id=design_id),
        "own_shelves": collections.search(db, viewer, owner=viewer.name),
        "to_record": _to_record(db, viewer, design_id),
        "live": live.listen(db, f"/designs/{design_id}", live.DESIGNS + live.TALK),
        "choices": choices.of_lab(db),
        "build_volumes": views.build_volumes(db),
        "repaired": repair_results.of_design(db, design_id),
        "offers": renders.of_design(design),
    }


def _named(make: dict[str, Any]) -> dict[str, Any]:
    return make | {"machine_name": evidence.machine_name(make["machine"])}


def _to_record(db: Database, viewer: Member, design_id: str) -> list[dict[str, Any]]:
    """Finished prints of this member that are not recorded as makes yet."""
    found, _ = jobs.search(
        db, states=("awaiting_pickup", "collected"), member=viewer.name, limit=_MOST_JOBS
    )
    known = makes.recorded(db, design_id)
    return [job for job in found if job["design_id"] == design_id and job["id"] not in known]
