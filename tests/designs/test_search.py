"""The search: ranked, narrowed, counted, and never in error whatever somebody types."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabcoord.designs import documentation, facets, library, search, tags
from fabcoord.designs.library import NewFile
from fabcoord.designs.search import Asked
from fabcoord.members.roles import Member, Role
from fabcoord.store.database import Store

STL, STEP = NewFile("a.stl", "a" * 64, 684, "stl"), NewFile("b.step", "b" * 64, 900, "step")


def create(store: Store, owner: Member, title: str, **given: object) -> str:
    words = {"licence": "CC0-1.0", "files": [STL]} | given
    with store.writing() as db:
        return library.create(db, owner, title=title, **words)  # type: ignore[arg-type]


def titles(store: Store, viewer: Member, asked: Asked) -> list[str]:
    with store.reading() as db:
        return [item["title"] for item in search.search(db, asked, viewer)[0]]


def test_a_word_in_the_title_weighs_more_than_one_in_the_documentation(
    store: Store, ben: Member
) -> None:
    lamp = create(store, ben, "Lamp")
    with store.writing() as db:
        documentation.write(db, ben, lamp, "Needs a hinge, and another hinge.", 0)
    create(store, ben, "Hinge")
    assert titles(store, ben, Asked("hinge")) == ["Hinge", "Lamp"]
    with store.writing() as db:
        documentation.write(db, ben, lamp, "Needs nothing.", 1)
    assert titles(store, ben, Asked("hinge")) == ["Hinge"]


def test_facets_narrow_together_and_count_what_is_left(store: Store, ben: Member) -> None:
    hook = create(store, ben, "Hook", tags=["Garden", "#hooks"])
    create(store, ben, "Label", tags=["garden"], files=[STEP], licence="CC-BY-4.0")
    with store.writing() as db:
        facets.printed_in(db, hook, "PETG")
    assert titles(store, ben, Asked(tags=("garden", "hooks"))) == ["Hook"]
    assert titles(store, ben, Asked(tags=("garden",), format="step")) == ["Label"]
    assert titles(store, ben, Asked(material="PETG")) == ["Hook"]
    assert titles(store, ben, Asked(licence="MIT")) == []
    with store.reading() as db:
        counted = search.count(db, Asked(tags=("garden",)), ben)
        assert tags.suggest(db, "GAR") == [{"tag": "garden", "count": 2}]
    assert counted["total"] == 2
    found = {one["value"]: one["count"] for one in counted["facets"]["tag"]}
    assert found == {"garden": 2, "hooks": 1}


@pytest.mark.parametrize("asked", [Asked(), Asked("part"), Asked(tags=("t",)), Asked(owner="Ben")])
def test_what_is_counted_is_what_is_found_by_each_viewer(
    store: Store, ben: Member, eve: Member, asked: Asked
) -> None:
    for number, seen_by in enumerate(("private", "lab", "public")):
        create(store, ben, f"Part {number}", tags=["t"], visibility=seen_by)
    removed = create(store, ben, "Part 4", tags=["t"])
    with store.writing() as db:
        library.delete(db, ben, removed)
    for viewer, many in ((ben, 3), (eve, 2)):
        with store.reading() as db:
            assert search.count(db, asked, viewer)["total"] == many
        assert len(titles(store, viewer, asked)) == many


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=80) | st.sampled_from(['"', "a* OR (b", "NEAR/", "^a", "-", "a:b", "*"])
)
def test_nothing_that_is_typed_is_an_error(store: Store, text: str) -> None:
    nobody = Member("nobody", "nobody", Role.MEMBER)
    asked = Asked(text=text, tags=tuple(tags.normalise([text])), owner=text[:5])
    with store.reading() as db:
        search.search(db, Asked(text=text), nobody)
        search.count(db, Asked(text=text), nobody)
        search.search(db, asked, nobody)


def test_counts_are_the_same_when_what_is_not_found_is_taken_away(
    store: Store, ben: Member, eve: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        create(
            store, ben if number % 2 else eve, f"Hook {'garden' if number < 7 else 'kitchen'}",
            tags=[f"t{number % 3}"], files=[STL, STEP][: 1 + number % 2],
            visibility="private" if number in (3, 4) else "lab",
        )  # fmt: skip
    with store.writing() as db:
        gone = search.search(db, Asked("kitchen"), ben)[0][0]["id"]
        owner = ben if db.conn.execute(
            "SELECT owner_id = ? FROM designs WHERE id = ?", (ben.id, gone)
        ).fetchone()[0] else eve  # fmt: skip
        library.delete(db, owner, gone)
    for asked in (Asked("hook"), Asked("garden"), Asked("kitchen"), Asked("nowhere"), Asked("h")):
        for viewer in (ben, eve):
            with store.reading() as db:
                usual = search.count(db, asked, viewer)
            monkeypatch.setattr(facets, "_MANY", 0)
            with store.reading() as db:
                taken_away = search.count(db, asked, viewer)
            monkeypatch.undo()
            assert taken_away["total"] == usual["total"]
            for kind in facets.KINDS:
                assert {(one["value"], one["count"]) for one in taken_away["facets"][kind]} == {
                    (one["value"], one["count"]) for one in usual["facets"][kind]
                }


def test_a_word_that_is_everywhere_brings_the_newest_first_and_all_of_them(
    store: Store, ben: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [create(store, ben, f"Hook {number}") for number in range(5)]
    monkeypatch.setattr(search, "_MOST_RANKED", 3)
    found, cursor = [], None
    for _ in range(3):
        with store.reading() as db:
            items, cursor = search.search(db, Asked("hook"), ben, cursor=cursor, limit=2)
        found += [item["id"] for item in items]
    assert (found, cursor) == (made[::-1], None)
