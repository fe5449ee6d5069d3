"""Repair over the API: asked for, promised, added or refused; the original stays as it was."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from fabcoord.demo import binary_stl, box
from fabcoord.lab import Lab
from fabcoord.store.database import rows, value
from tests.api.conftest import CUBE, Caller, form

SIDE = 20.0


def stl(triangles: list[bytes]) -> bytes:
    return bytes(80) + struct.pack("<I", len(triangles)) + b"".join(triangles)


def triangles_of(data: bytes) -> list[bytes]:
    return [data[start : start + 50] for start in range(84, len(data), 50)]


HOLED = stl(triangles_of(CUBE)[1:])
STRAY = struct.pack("<12fH", 0, 0, 0, 50, 50, 50, 51, 50, 50, 50, 51, 50, 0)
WITH_STRAY = stl([*triangles_of(HOLED), STRAY])
SOUP = stl(
    [struct.pack("<12fH", 0, 0, 0, 9 * n, 0, 0, 9 * n + 1, 0, 0, 9 * n, 1, n, 0) for n in range(30)]
)


def do_all_work(lab: Lab, *kinds: str) -> None:
    """Check and repair, and what else is asked for; pictures take longer than all of it."""
    wanted = {"check", "repair", *kinds}
    while True:
        with lab.store.reading() as db:
            queued = rows(db, "SELECT id, kind FROM runs WHERE state = 'queued'")
        waiting = [item for item in queued if item["kind"] in wanted]
        if not waiting:
            return
        for item in waiting:
            lab.work.execute(item["id"])


def stored(caller: Caller, data: bytes, name: str = "part.stl") -> dict[str, Any]:
    answer = caller("POST", "/designs", data=form(name, data))
    assert answer.status_code == 201, answer.text
    return answer.json  # type: ignore[no-any-return]


def file_of(design: dict[str, Any]) -> str:
    return str(design["revision"]["files"][0]["id"])


def test_a_hole_is_closed_in_a_new_revision_beside_the_original(lab: Lab, ben: Caller) -> None:
    design = stored(ben, HOLED)
    original = file_of(design)
    do_all_work(lab)
    answer = ben("POST", f"/files/{original}/repair", json={})
    assert answer.status_code == 202
    promised = answer.json
    assert promised["revision"] == 2
    waiting = ben("GET", f"/files/{promised['file_id']}").json
    assert (waiting["check"]["state"], waiting["state"]) == ("pending", "checking")
    assert waiting["derived_from"] == original
    do_all_work(lab)
    repaired = ben("GET", f"/files/{promised['file_id']}").json
    assert (repaired["check"]["state"], repaired["check"]["verdict"]) == ("done", "printable")
    assert repaired["derived_from"] == original
    assert repaired["name"] == "part-repaired.stl"
    table = repaired["repair"]
    assert table["state"] == "added"
    assert (table["before"]["closed"], table["after"]["closed"]) == (False, True)
    assert table["after"]["volume_mm3"] == pytest.approx(SIDE**3, rel=1e-6)
    assert table["before"]["volume_mm3"] == pytest.approx(SIDE**3, rel=1e-6)
    assert table["volume_change"] < 1e-6
    now = ben("GET", f"/designs/{design['id']}").json["revision"]
    assert now["number"] == 2
    assert [one["name"] for one in now["files"]] == ["part.stl", "part-repaired.stl"]
    assert now["files"][0]["sha256"] == design["revision"]["files"][0]["sha256"]
    first = ben("GET", f"/designs/{design['id']}/revisions").json["items"][-1]
    assert [one["id"] for one in first["files"]] == [original], "revision 1 is what it was"


def test_asking_twice_repairs_once(lab: Lab, ben: Caller) -> None:
    original = file_of(stored(ben, HOLED))
    first = ben("POST", f"/files/{original}/repair", json={}).json
    assert ben("POST", f"/files/{original}/repair", json={}).json == first
    do_all_work(lab)
    assert ben("POST", f"/files/{original}/repair", json={}).json == first
    with lab.store.reading() as db:
        assert value(db, "SELECT count(*) FROM revisions") == 2


def test_what_would_leave_something_out_is_shown_and_added_only_when_confirmed(
    lab: Lab, ben: Caller
) -> None:
    design = stored(ben, WITH_STRAY)
    original = file_of(design)
    asked = ben("POST", f"/files/{original}/repair", json={"confirm": True}).json
    do_all_work(lab, "pictures")
    shown = ben("GET", f"/files/{asked['file_id']}").json
    assert shown["check"]["state"] == "failed"
    assert shown["check"]["findings"][0]["code"] == "repair_refused"
    assert shown["repair"]["needs_confirmation"], "nobody had seen the table before"
    assert shown["repair"]["doubts"]
    assert shown["repair"]["after"]["bodies"] == 1
    assert ben("GET", f"/files/{asked['file_id']}/preview.png").data.startswith(b"\x89PNG")
    assert ben("GET", f"/designs/{design['id']}").json["revision"]["number"] == 1
    again = ben("POST", f"/files/{original}/repair", json={}).json
    assert again == asked
    assert ben("GET", f"/designs/{design['id']}").json["revision"]["number"] == 1
    confirmed = ben("POST", f"/files/{original}/repair", json={"confirm": True}).json
    assert confirmed == asked
    added = ben("GET", f"/files/{asked['file_id']}").json
    assert added["check"]["verdict"] == "printable"
    assert ben("GET", f"/designs/{design['id']}").json["revision"]["number"] == 2


def test_loose_triangles_never_become_a_body(lab: Lab, ben: Caller) -> None:
    original = file_of(stored(ben, SOUP))
    early = ben("POST", f"/files/{original}/repair", json={"confirm": True}).json
    do_all_work(lab)
    assert ben("GET", f"/files/{early['file_id']}").json["repair"]["state"] == "failed"
    late = ben("POST", f"/files/{original}/repair", json={"confirm": True})
    assert late.status_code == 422
    assert late.mimetype == "application/problem+json"
    with lab.store.reading() as db:
        assert value(db, "SELECT count(*) FROM revisions") == 1


def test_a_good_file_is_told_that_repair_makes_nothing_better(lab: Lab, ben: Caller) -> None:
    original = file_of(stored(ben, CUBE))
    asked = ben("POST", f"/files/{original}/repair", json={}).json
    do_all_work(lab)
    told = ben("GET", f"/files/{asked['file_id']}").json
    assert told["repair"]["state"] == "no_better"
    assert "nothing to repair" in told["check"]["findings"][0]["message"]


def test_a_model_in_inches_is_scaled_to_a_new_file(lab: Lab, ben: Caller) -> None:
    original = file_of(stored(ben, binary_stl(box(2, 2, 2))))
    asked = ben("POST", f"/files/{original}/repair", json={"scale": 25.4}).json
    do_all_work(lab)
    scaled = ben("GET", f"/files/{asked['file_id']}").json
    assert scaled["check"]["size_mm"] == pytest.approx([50.8] * 3, rel=1e-6)
    assert scaled["repair"]["options"]["scale"] == 25.4


@pytest.mark.parametrize(
    "body",
    [{"scale": 0}, {"scale": 1e9}, {"decimate": 3}, {"decimate": "many"}, {"unknown": 1}],
)
def test_options_that_mean_nothing_are_refused(ben: Caller, body: dict[str, Any]) -> None:
    original = file_of(stored(ben, HOLED))
    answer = ben("POST", f"/files/{original}/repair", json=body)
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert answer.json["errors"]


def test_only_who_may_change_a_design_has_it_repaired(
    ben: Caller, caller: Callable[[str], Caller]
) -> None:
    original = file_of(stored(ben, HOLED))
    assert caller("eve")("POST", f"/files/{original}/repair", json={}).status_code == 403
    assert caller("")("POST", f"/files/{original}/repair", json={}).status_code == 401
    assert ben("POST", "/files/nothing/repair", json={}).status_code == 404


def test_a_promised_file_of_a_private_design_is_nobody_elses_business(
    lab: Lab, ben: Caller, caller: Callable[[str], Caller]
) -> None:
    design = stored(ben, WITH_STRAY)
    asked = ben("POST", f"/files/{file_of(design)}/repair", json={}).json
    do_all_work(lab)
    with lab.store.writing() as db:
        db.conn.execute("UPDATE designs SET visibility = 'private'")
    eve = caller("eve")
    for what in ("", "/content", "/preview.png", "/mesh.stl"):
        assert eve("GET", f"/files/{asked['file_id']}{what}").status_code in (403, 404), what
    assert ben("GET", f"/files/{asked['file_id']}/content").status_code == 200


def test_a_repair_that_was_given_up_says_so_and_may_be_asked_for_again(
    lab: Lab, ben: Caller
) -> None:
    original = file_of(stored(ben, HOLED))
    first = ben("POST", f"/files/{original}/repair", json={}).json
    with lab.store.writing() as db:
        db.conn.execute(
            "UPDATE runs SET state = 'running', attempts = 3, lease_until = '2000'"
            " WHERE kind = 'repair'"
        )
    lab.work.sweep()
    told = ben("GET", f"/files/{first['file_id']}").json
    assert told["repair"]["state"] == "failed"
    assert "did not end" in told["repair"]["message"]
    second = ben("POST", f"/files/{original}/repair", json={}).json
    assert second["file_id"] != first["file_id"]
    do_all_work(lab)
    assert ben("GET", f"/files/{second['file_id']}").json["repair"]["state"] == "added"


def test_a_revision_that_came_first_keeps_its_number(lab: Lab, ben: Caller) -> None:
    design = stored(ben, HOLED)
    asked = ben("POST", f"/files/{file_of(design)}/repair", json={}).json
    assert asked["revision"] == 2
    ben("POST", f"/designs/{design['id']}/revisions", data=_revision("other.stl", CUBE))
    do_all_work(lab)
    added = ben("GET", f"/files/{asked['file_id']}").json
    assert added["revision"] == 3
    newest = ben("GET", f"/designs/{design['id']}").json["revision"]
    names = [one["name"] for one in newest["files"]]
    assert names == ["other.stl", "part.stl", "part-repaired.stl"]


def _revision(name: str, data: bytes) -> dict[str, Any]:
    sent = form(name, data)
    del sent["licence"]
    return sent
