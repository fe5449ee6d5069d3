"""The finding about the lab's machines follows the machines, not the check."""

from __future__ import annotations

from collections.abc import Callable

from fabcoord.demo import binary_stl, box
from fabcoord.lab import Lab

from .conftest import Caller, form


def test_a_part_is_judged_by_the_machines_that_the_lab_has_now(
    lab: Lab, caller: Callable[[str], Caller]
) -> None:
    admin = caller("admin")
    big = form("big.stl", binary_stl(box(400, 20, 20)))
    design = admin("POST", "/designs", data=big | {"visibility": "public"}).json
    with lab.store.reading() as db:
        runs = [run for (run,) in db.conn.execute("SELECT id FROM runs WHERE kind = 'check'")]
    for run in runs:
        lab.work.execute(run)
    at, file_id = f"/designs/{design['id']}", design["revision"]["files"][0]["id"]

    def codes(call: Caller = admin) -> list[tuple[str, str]]:
        shown = call("GET", at).json["revision"]["files"][0]["check"]["findings"]
        also = call("GET", f"/files/{file_id}").json["check"]["findings"]
        assert shown == also
        return [(one["code"], one["severity"]) for one in shown]

    assert codes() == []
    sent = {"name": "One", "machine": "prusa_mini", "driver": "virtual"}
    added = admin("POST", "/printers", json=sent)
    assert added.status_code == 201, added.text
    assert codes() == [("larger_than_machine", "error")]
    assert codes(caller("")) == [], "visitors learn nothing of the machines"
    gone = admin("DELETE", f"/printers/{added.json['id']}")
    assert gone.status_code in (200, 204), gone.text
    assert codes() == []
