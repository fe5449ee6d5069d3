"""The library through REST: documentation, comments, makes, collections, reports, revisions."""

from __future__ import annotations

from collections.abc import Callable

from fabcoord.lab import Lab
from fabcoord.store.database import rows
from tests.api.conftest import Caller, form


def test_an_edit_that_began_from_an_older_version_is_refused_with_the_newer_text(
    ben: Caller,
) -> None:
    place = f"/designs/{ben.design()['id']}/documentation"
    first = ben("GET", place)
    assert ben("PUT", place, json={"text": "One"}).status_code == 412, "it has to say from where"
    tag = {"If-Match": first.headers["ETag"]}
    assert ben("PUT", place, json={"text": "*One*"}, headers=tag).json["version"] == 1
    refused = ben("PUT", place, json={"text": "Two"}, headers=tag)
    assert refused.status_code == 412
    assert refused.json["current"]["text"] == "*One*"
    assert ben("PUT", place, json={"text": "Two", "version": 1}).json["version"] == 2
    assert ben("GET", f"{place}/history/1").json["html"] == "<p><em>One</em></p>\n"
    restored = ben("POST", f"{place}/history/1/restore", json={"version": 2}).json
    assert (restored["version"], restored["text"], restored["restored_from"]) == (3, "*One*", 1)
    assert [one["version"] for one in ben("GET", f"{place}/history").json["items"]] == [3, 2, 1]


def test_a_revision_is_restored_and_compared(ben: Caller) -> None:
    place = f"/designs/{ben.design()['id']}"
    ben("POST", f"{place}/revisions", data=form("knob.stl") | {"licence": ""}).get_json()
    other = form("cube.stl", b"solid a\nendsolid a\n")
    other.pop("licence")
    added = ben("POST", f"{place}/revisions", data=other | {"note": "smaller"})
    assert added.status_code == 201, added.text
    newest = added.json["revision"]["number"]
    said = ben("GET", f"{place}/compare?from=1&to={newest}").json
    (pair,) = said["files"]
    assert (pair["change"], pair["differences"]["size"]) == ("changed", 19 - 684)
    back = ben("POST", f"{place}/restore", json={"revision": 1}).json["revision"]
    assert (back["number"], back["restored_from"]) == (newest + 1, 1)
    assert ben("GET", f"{place}/compare?from=1").json["is_equal"]
    assert ben("GET", f"{place}/compare?from=9").status_code == 404


def test_a_fork_names_its_parent_by_content_and_address(
    ben: Caller, caller: Callable[[str], Caller]
) -> None:
    parent = ben.design(title="Gear")
    child = caller("eve")("POST", f"/designs/{parent['id']}/fork", json={}).json
    assert child["forked_from"] == parent["id"]
    (up,) = ben("GET", f"/designs/{child['id']}/lineage").json["up"]
    assert (up["design"], up["revision"], up["sha256"], up["address"]) == (
        *(parent["id"], 1, parent["revision"]["sha256"]),
        f"/designs/{parent['id']}",
    )
    (down,) = ben("GET", f"/designs/{parent['id']}/lineage").json["down"]
    assert (down["design"], down["owner"]) == (child["id"], "eve")
    hidden = caller("eve")("PATCH", f"/designs/{child['id']}", json={"visibility": "private"})
    assert hidden.status_code == 200
    (down,) = ben("GET", f"/designs/{parent['id']}/lineage").json["down"]
    assert down == {"is_seen": False, "is_here": True, "down": []}


def test_comments_are_one_answer_deep_and_their_authors_own(
    ben: Caller, staff: Caller, caller: Callable[[str], Caller]
) -> None:
    eve, place = caller("eve"), f"/designs/{ben.design()['id']}/comments"
    top = ben("POST", place, json={"text": "Nice"}).json
    answer = eve("POST", place, json={"text": "Yes", "parent_id": top["id"]}).json
    deeper = ben("POST", place, json={"text": "So", "parent_id": answer["id"]}).json
    assert deeper["parent_id"] == top["id"]
    assert eve("PATCH", f"/comments/{top['id']}", json={"text": "Bad"}).status_code == 403
    assert ben("PATCH", f"/comments/{top['id']}", json={"text": "Good"}).json["edited_at"]
    hide = {"kind": "comment", "id": answer["id"], "reason": "rude"}
    assert eve("POST", "/moderation/hide", json=hide).status_code == 403
    assert staff("POST", "/moderation/hide", json=hide).status_code == 204
    assert ben("DELETE", f"/comments/{top['id']}").status_code == 204
    (thread,) = ben("GET", place).json["items"]
    assert thread["text"] is None
    assert [one["text"] for one in thread["answers"]] == ["So"]
    assert [one["text"] for one in eve("GET", place).json["items"][0]["answers"]] == ["Yes", "So"]


def test_a_make_is_evidence_and_belongs_to_who_made_it(
    ben: Caller, caller: Callable[[str], Caller]
) -> None:
    eve, place = caller("eve"), f"/designs/{ben.design()['id']}"
    told = {"machine": "Prusa MK4", "material": "PETG", "outcome": "good", "nozzle_mm": 0.4}
    make = eve("POST", f"{place}/makes", json=told).json
    eve("POST", f"{place}/makes", json=told | {"outcome": "failed"})
    (one,) = ben("GET", f"{place}/evidence").json["items"]
    assert (one["revision"], one["machine"], one["good"], one["failed"]) == (1, "Prusa MK4", 1, 1)
    assert ben("GET", place).json["makes"] == {"good": 1, "flawed": 0, "failed": 1}
    assert ben("DELETE", f"/makes/{make['id']}").status_code == 403
    assert eve("POST", f"{place}/makes", json={"outcome": "good"}).status_code == 400
    job = ben("POST", "/jobs", json={"design_id": place.split("/")[-1]}).json
    unready = ben("POST", f"{place}/makes", json={"job_id": job["id"], "outcome": "good"})
    assert (unready.status_code, unready.json["state"]) == (409, job["state"])


def test_a_finished_job_becomes_a_make_once(ben: Caller, lab: Lab) -> None:
    design = ben.design()
    asked = {"design_id": design["id"], "material": "PLA", "machine": "prusa-mk3s"}
    job = ben("POST", "/jobs", json={name: asked[name] for name in ("design_id", "material")}).json
    with lab.store.writing() as db:
        db.conn.execute(
            "UPDATE jobs SET state = 'collected', machine = 'demo' WHERE id = ?", (job["id"],)
        )
    place = f"/designs/{design['id']}/makes"
    said = {"job_id": job["id"], "outcome": "good"}
    make = ben("POST", place, json=said).json
    assert (make["machine"], make["material"], make["is_ours"]) == ("demo", "PLA", True)
    assert ben("POST", place, json=said).status_code == 409


def test_a_collection_keeps_its_order_and_belongs_to_its_owner(
    ben: Caller, caller: Callable[[str], Caller]
) -> None:
    eve = caller("eve")
    one, two = ben.design(title="One")["id"], ben.design(title="Two")["id"]
    shelf = eve("POST", "/collections", json={"title": "Mine"}).json
    place = f"/collections/{shelf['id']}"
    for design_id in (one, two, one):
        eve("POST", f"{place}/designs", json={"design_id": design_id})
    ordered = eve("PUT", f"{place}/designs", json={"designs": [two]}).json
    assert [item["title"] for item in ordered["designs"]] == ["Two", "One"]
    assert ben("POST", f"{place}/designs", json={"design_id": one}).status_code == 403
    ben("PATCH", f"/designs/{two}", json={"visibility": "private"})
    assert [item["title"] for item in eve("GET", place).json["designs"]] == ["One"]
    assert eve("DELETE", f"{place}/designs/{one}").json["count"] == 0


def test_a_report_is_settled_once_and_everything_is_in_the_log(
    ben: Caller, staff: Caller, caller: Callable[[str], Caller], lab: Lab
) -> None:
    eve, design = caller("eve"), ben.design(title="Key")
    reported = {"kind": "design", "id": design["id"], "reason": "opens our door"}
    made = eve("POST", "/reports", json=reported).json
    assert eve("POST", "/reports", json=reported).json["id"] == made["id"]
    assert eve("GET", "/reports").status_code == 403
    settled = staff("POST", f"/reports/{made['id']}/hide", json={"answer": "no keys"})
    assert settled.json["state"] == "hidden"
    assert staff("POST", f"/reports/{made['id']}/dismiss", json={}).status_code == 409
    assert eve("GET", f"/designs/{design['id']}").status_code == 404
    assert ben("GET", f"/designs/{design['id']}").json["hidden_reason"] == "no keys"
    eve("POST", "/designs/nowhere/like", json={})
    staff("POST", "/moderation/show", json={"kind": "design", "id": design["id"]})
    assert eve("POST", f"/designs/{design['id']}/like", json={}).json["likes"] == 1
    with lab.store.reading() as db:
        kinds = [item["kind"] for item in rows(db, "SELECT kind FROM events")]
    for kind in ("report.made", "moderation.hidden", "report.hidden", "moderation.shown"):
        assert kind in kinds


def test_a_removed_design_comes_back(ben: Caller) -> None:
    place = f"/designs/{ben.design()['id']}"
    assert ben("DELETE", place).status_code == 204
    assert ben("GET", place).status_code == 404
    assert ben("POST", f"{place}/undelete", json={}).status_code == 200
    assert ben("GET", "/designs").json["items"] != []
