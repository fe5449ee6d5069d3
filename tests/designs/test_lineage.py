"""Lineage: a design's licence is one that everything it was made from allows."""

from __future__ import annotations

from typing import Any

import pytest

from fabcoord.designs import library, lineage
from fabcoord.designs.library import NewFile
from fabcoord.designs.lineage import Source
from fabcoord.errors import LicenceConflict
from fabcoord.members.roles import Member
from fabcoord.store.database import Store

CUBE = NewFile("cube.stl", "a" * 64, 684, "stl")
KNOB = NewFile("knob.stl", "b" * 64, 684, "stl")


def create(store: Store, owner: Member, licence: str, **given: Any) -> str:
    words = {"title": "Cube", "files": [CUBE]} | given
    with store.writing() as db:
        return library.create(db, owner, licence=licence, **words)


def fork(store: Store, member: Member, design_id: str, **given: str) -> str:
    with store.writing() as db:
        return library.fork(db, member, design_id, **given)


def test_a_fork_may_take_another_licence_that_the_parent_allows(
    store: Store, ben: Member, eve: Member
) -> None:
    parent = create(store, ben, "CC-BY-SA-3.0")
    child = fork(store, eve, parent, licence="CC-BY-SA-4.0")
    with store.reading() as db:
        assert library.get(db, child)["licence"] == "CC-BY-SA-4.0"
        sha256 = library.get(db, parent)["revision"]["sha256"]
        taken = Source("Cube", "CC-BY-SA-3.0", "Ben", parent_id=parent, sha256=sha256)
        assert lineage.of(db, child) == [taken]
    with pytest.raises(LicenceConflict, match=r"Possible: CC-BY-SA-4\.0"):
        fork(store, eve, parent, licence="MIT")


def test_the_licence_that_was_given_stays_given(store: Store, ben: Member, eve: Member) -> None:
    parent = create(store, ben, "CC-BY-4.0")
    child = fork(store, eve, parent)
    with store.writing() as db:
        library.update(db, ben, parent, {"licence": "CC-BY-ND-4.0"}, None)
        library.update(db, eve, child, {"licence": "CC-BY-SA-4.0"}, None)
    with pytest.raises(LicenceConflict):
        fork(store, eve, parent)


def test_a_later_change_of_licence_asks_the_parents_too(
    store: Store, ben: Member, eve: Member
) -> None:
    child = fork(store, eve, create(store, ben, "CC-BY-SA-4.0"))
    with pytest.raises(LicenceConflict), store.writing() as db:
        library.update(db, eve, child, {"licence": "CC0-1.0"}, None)
    with store.reading() as db:
        assert library.get(db, child)["licence"] == "CC-BY-SA-4.0"


def test_nobody_is_bound_by_a_work_of_their_own(store: Store, ben: Member) -> None:
    own = create(store, ben, "CC-BY-ND-4.0")
    fork(store, ben, own, licence="MIT")
    others = create(store, ben, "CC-BY-ND-4.0", attribution="Somebody else")
    with pytest.raises(LicenceConflict):
        fork(store, ben, others)


def test_no_derivatives_can_be_forked_for_oneself_alone(
    store: Store, ben: Member, eve: Member
) -> None:
    parent = create(store, ben, "CC-BY-ND-4.0")
    with pytest.raises(LicenceConflict, match="make the design private"):
        fork(store, eve, parent)
    child = fork(store, eve, parent, visibility="private")
    with pytest.raises(LicenceConflict), store.writing() as db:
        lineage.require_change(db, child, "CC-BY-ND-4.0", shared=True)


def test_several_sources_have_to_agree(store: Store, ben: Member) -> None:
    gear = Source("Gear", "CC-BY-SA-4.0", "Ann", url="https://example.org/gear")
    knob = Source("Knob", "GPL-3.0-or-later", "Bob")
    with pytest.raises(LicenceConflict, match=r"Possible: GPL-3\.0-only"):
        create(store, ben, "CC-BY-SA-4.0", sources=[gear, knob])
    made = create(store, ben, "GPL-3.0-only", sources=[gear, knob])
    with store.reading() as db:
        assert lineage.of(db, made) == [gear, knob]


def test_somebody_elses_unchangeable_design_may_be_repaired_not_changed(
    store: Store, ben: Member
) -> None:
    brought = create(store, ben, "CC-BY-ND-4.0", attribution="Ann")
    with pytest.raises(LicenceConflict), store.writing() as db:
        library.add_revision(db, ben, brought, [KNOB])
    mended = NewFile("cube-repaired.stl", "c" * 64, 700, "stl", derived_from="a" * 64)
    with store.writing() as db:
        library.add_revision(db, ben, brought, [CUBE, mended])
