"""The library: revisions that never change, forks that name their parent, words that are found."""

from __future__ import annotations

from typing import Any

import pytest

from fabcoord.designs import library, search
from fabcoord.designs.library import NewFile
from fabcoord.designs.search import Asked
from fabcoord.errors import BadInput, NotAllowed, NotFound, Stale
from fabcoord.members import accounts
from fabcoord.members.roles import Member, Role
from fabcoord.store.database import Store, rows

CUBE = NewFile("cube.stl", "a" * 64, 684, "stl")
KNOB = NewFile("knob.3mf", "b" * 64, 900, "3mf")


@pytest.fixture
def people(store: Store) -> dict[str, Member]:
    roles = {"Ada": Role.STAFF, "Ben": Role.MEMBER, "Eve": Role.MEMBER, "Kiosk": Role.KIOSK}
    with store.writing() as db:
        return {name: accounts.create(db, name, role) for name, role in roles.items()}


def create(store: Store, owner: Member, **given: Any) -> str:
    words = {"title": "Cube", "licence": "CC0-1.0", "files": [CUBE]} | given
    with store.writing() as db:
        return library.create(db, owner, **words)


def get(store: Store, design_id: str) -> dict[str, Any]:
    with store.reading() as db:
        return library.get(db, design_id)


def found(store: Store, **asked: Any) -> list[str]:
    with store.reading() as db:
        viewer = accounts.by_name(db, asked.pop("viewer", "Kiosk"))
        assert viewer is not None
        return [item["title"] for item in search.search(db, Asked(**asked), viewer)[0]]


def test_a_design_begins_with_its_first_revision_and_its_files_are_checked(
    store: Store, people: dict[str, Member]
) -> None:
    design = get(store, create(store, people["Ben"], title="  My   cube ", tags=["A", "a ", ""]))
    assert (design["title"], design["tags"], design["owner"]) == ("My cube", ["a"], "Ben")
    assert design["revision"]["number"] == 1
    (file,) = design["revision"]["files"]
    assert file["check"]["state"] == "pending"
    with store.reading() as db:
        assert [one["subject"] for one in rows(db, "SELECT subject FROM runs")] == [
            f"{'a' * 64}:stl"
        ]


def test_the_same_content_is_checked_once(store: Store, people: dict[str, Member]) -> None:
    create(store, people["Ben"])
    create(store, people["Eve"], files=[CUBE, KNOB])
    with store.reading() as db:
        assert len(rows(db, "SELECT id FROM runs")) == 2


def test_a_revision_is_added_and_never_changes_the_last(
    store: Store, people: dict[str, Member]
) -> None:
    design_id = create(store, people["Ben"])
    first = get(store, design_id)["revision"]
    with store.writing() as db:
        assert library.add_revision(db, people["Ben"], design_id, [KNOB], "rounder") == 2
        numbers = library.revisions(db, design_id)
    assert [one["number"] for one in numbers] == [2, 1]
    assert numbers[1] == first
    assert get(store, design_id)["revision"]["note"] == "rounder"


def test_a_fork_belongs_to_who_made_it_and_names_its_parent(
    store: Store, people: dict[str, Member]
) -> None:
    parent = create(store, people["Ben"], tags=["spare"], licence="CC-BY-SA-4.0")
    with store.writing() as db:
        first = library.fork(db, people["Eve"], parent)
        second = library.fork(db, people["Ada"], first)
    fork = get(store, first)
    assert (fork["owner"], fork["forked_from"], fork["licence"]) == ("Eve", parent, "CC-BY-SA-4.0")
    assert fork["revision"]["files"][0]["sha256"] == CUBE.sha256
    assert get(store, second)["attribution"] == "Cube by Ben", "the credit stays with the first"


def test_only_its_owner_and_staff_change_a_design(store: Store, people: dict[str, Member]) -> None:
    design_id = create(store, people["Ben"])
    with pytest.raises(NotAllowed), store.writing() as db:
        library.update(db, people["Eve"], design_id, {"title": "Mine"}, None)
    with pytest.raises(NotAllowed), store.writing() as db:
        library.add_revision(db, people["Eve"], design_id, [KNOB])
    with pytest.raises(NotAllowed), store.writing() as db:
        library.delete(db, people["Eve"], design_id)
    with pytest.raises(NotAllowed):
        create(store, people["Kiosk"])
    with store.writing() as db:
        library.update(db, people["Ada"], design_id, {"tags": ["tidy"]}, 1)
    assert get(store, design_id)["tags"] == ["tidy"]


def test_who_read_an_older_version_does_not_overwrite_the_newer(
    store: Store, people: dict[str, Member]
) -> None:
    design_id = create(store, people["Ben"])
    with store.writing() as db:
        library.update(db, people["Ben"], design_id, {"title": "New", "description": ""}, 1)
    with pytest.raises(Stale), store.writing() as db:
        library.update(db, people["Ben"], design_id, {"title": "Newer"}, 1)
    assert get(store, design_id)["title"] == "New"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"licence": "none"}, "licence"),
        ({"files": []}, "file"),
    ],
)
def test_a_design_that_lacks_something_is_refused_whole(
    store: Store, people: dict[str, Member], given: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadInput) as caught:
        create(store, people["Ben"], **given)
    assert field in caught.value.fields
    with store.reading() as db:
        assert rows(db, "SELECT id FROM designs") == rows(db, "SELECT id FROM runs") == []


def test_what_is_kept_is_kept_only_when_nothing_is_refused(
    store: Store, people: dict[str, Member]
) -> None:
    kept: list[str] = []
    file = NewFile("cube.stl", "c" * 64, 684, "stl", keep=lambda: kept.append("kept"))
    with pytest.raises(BadInput):
        create(store, people["Ben"], files=[file], licence="none")
    assert kept == []
    create(store, people["Ben"], files=[file])
    assert kept == ["kept"]


def test_a_design_that_was_removed_is_neither_found_nor_changed(
    store: Store, people: dict[str, Member]
) -> None:
    design_id = create(store, people["Ben"])
    file_id = get(store, design_id)["revision"]["files"][0]["id"]
    with store.writing() as db:
        library.delete(db, people["Ben"], design_id)
    assert found(store) == []
    with pytest.raises(NotFound):
        get(store, design_id)
    with pytest.raises(NotFound), store.writing() as db:
        library.update(db, people["Ben"], design_id, {"title": "Back"}, None)
    with store.reading() as db:
        assert library.file(db, file_id)["name"] == "cube.stl", "prints that name it stay readable"


def test_words_are_found_whatever_their_accents_and_by_their_beginning(
    store: Store, people: dict[str, Member]
) -> None:
    create(store, people["Ben"], title="Drehknopf für Öfen", files=[KNOB])
    create(
        store, people["Eve"], title="Cube", tags=["calibration"], attribution="Grace Hopper",
        files=[KNOB], description="aus PETG",
    )  # fmt: skip
    assert found(store, text="ofen dreh") == ["Drehknopf für Öfen"]
    assert found(store, text="HOPPER") == ["Cube"]
    assert found(store, text="dreh petg") == []
    assert len(found(store, text="knob.3mf")) == 2, "names of files are found too"
    assert found(store, tags=("calibration",)) == ["Cube"]
    assert found(store, owner="Ben") == ["Drehknopf für Öfen"]
    with store.writing() as db:
        (item,), _ = search.search(db, Asked("cube"), people["Eve"])
        library.update(db, people["Eve"], item["id"], {"title": "Ball"}, None)
    assert found(store, text="cube") == []
    assert found(store, text="ball") == ["Ball"]


def test_pages_of_a_search_join_without_gap(store: Store, people: dict[str, Member]) -> None:
    for number in range(5):
        create(store, people["Ben"], title=f"Cube {number}")
    seen, before = [], None
    while True:
        with store.reading() as db:
            items, before = search.search(db, Asked("cube"), people["Ben"], cursor=before, limit=2)
        seen += [item["title"] for item in items]
        if before is None:
            break
    assert sorted(seen) == [f"Cube {number}" for number in range(5)]


def test_a_private_design_is_listed_for_its_owner_only(
    store: Store, people: dict[str, Member]
) -> None:
    create(store, people["Ben"], visibility="private")
    assert found(store, viewer="Ben") == ["Cube"]
    assert found(store, viewer="Eve") == found(store) == []
