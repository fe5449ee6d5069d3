"""Whatever a person changes over the API is in the log with their name on it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from flask import Flask

from fabcoord.designs import visibility
from fabcoord.errors import BadInput
from fabcoord.lab import Lab
from fabcoord.members import accounts
from fabcoord.members.roles import Role
from fabcoord.queue import agents
from fabcoord.store.database import value

from .conftest import CUBE, Caller, form

# Rules that change nothing that a person did to somebody or something else, and why.
SKIPPED = {
    "POST /agents/pair": "asked by an agent, which is nobody yet; approving it is the act",
    "POST /agents/<agent_id>/sync": "an agent speaks, under its own name",
    "POST /estimates": "asks; what it slices is a cache",
    "POST /okh/validate": "reads what was sent and keeps nothing",
    "POST /files/<file_id>/render": "makes a file for all to see; who adds it as revision is named",
    "PATCH /uploads/<upload_id>": "bytes of an upload; its beginning and its end are in the log",
    "POST /uploads/<upload_id>": "the same as PATCH, for clients that cannot",
    "POST /badges/present": "asks who stands there; nothing changes until release",
}
# Walked by the tests of their own room, in which the states that they need are at hand.
ELSEWHERE = {
    "POST /files/<file_id>/repair": "needs a mesh check that ended: tests/api/test_repair.py",
    "POST /designs/import": "needs a bundle: tests/api/test_okh.py",
    "POST /designs/<design_id>/documentation/history/<number>/restore": "as PUT documentation",
    "POST /designs/<design_id>/pictures": "tests/api/test_pictures.py",
    "POST /makes/<make_id>/pictures": "tests/api/test_pictures.py",
    "PATCH /pictures/<picture_id>": "tests/api/test_pictures.py",
    "DELETE /pictures/<picture_id>": "tests/api/test_pictures.py",
    "POST /reports/<report_id>/hide": "as dismiss, by the same function",
    "POST /batches/<batch_id>/retry": "needs prints that failed: tests/queue",
    "POST /jobs/<job_id>/reprint": "needs a print that ended: tests/queue",
    "POST /badges/release": "needs a reader of badges: tests of badges",
    "POST /printers/<printer_id>/answer": "needs a printer that asks: tests/e2e/test_prompts.py",
    "POST /attempts/<attempt_id>/refund": "needs a print that was paid: tests of money",
    "POST /spools/reports/<attempt_id>/<int:part>": "needs a Spoolman that gave no answer",
    "POST /spools/import": "the same rows as POST /spools",
}


@pytest.fixture
def admin(caller: Callable[[str], Caller]) -> Caller:
    caller("ben")
    return caller("admin")


class Walk:
    """One admin who does everything once, in an order in which it can be done."""

    def __init__(self, lab: Lab, admin: Caller) -> None:
        self.lab, self.call = lab, admin
        with lab.store.writing() as db:
            ben = accounts.by_name(db, "ben")
            assert ben is not None
            self.ben = ben.id
            self.agent, _ = agents.register(db, "Pi")
        self.walked: list[str] = []

    def does(self, rule: str, *ids: str, **options: Any) -> Any:
        """Make the call, and see that the newest row of the log tells of it."""
        method, path = rule.split(" ", 1)
        for one in ids:
            before, _, rest = path.partition("<")
            path = before + one + rest.partition(">")[2]
        if method != "DELETE" and not options:
            options = {"json": {}}
        seen = self._newest()
        answer = self.call(method, path, **options)
        assert answer.status_code < 300, f"{rule}: {answer.status_code} {answer.text}"
        rows = self.call("GET", "/audit?limit=5").json["items"]
        mine = [row for row in rows if row["seq"] > seen and row["actor"] == "admin"]
        assert mine, f"{rule} left no row with its actor"
        self.walked.append(rule)
        return answer.json

    def sql(self, statement: str, *values: Any) -> None:
        with self.lab.store.writing() as db:
            db.conn.execute(statement, values)

    def _newest(self) -> int:
        with self.lab.store.reading() as db:
            return int(value(db, "SELECT max(seq) FROM events"))


def designs(walk: Walk) -> None:
    does = walk.does
    design = does("POST /designs", data=form())
    design_id = design["id"]
    does("PATCH /designs/<design_id>", design_id, json={"title": "Block"})
    does("POST /designs/<design_id>/revisions", design_id, data={"file": (BytesIO(CUBE), "b.stl")})
    does("POST /designs/<design_id>/restore", design_id, json={"revision": 1})
    fork = does("POST /designs/<design_id>/fork", design_id)["id"]
    does("DELETE /designs/<design_id>", fork)
    does("POST /designs/<design_id>/undelete", fork)
    does("PUT /designs/<design_id>/documentation", design_id,
         json={"text": "Print it flat.", "version": 0})  # fmt: skip
    comment = does("POST /designs/<design_id>/comments", design_id, json={"text": "Nice."})["id"]
    does("PATCH /comments/<comment_id>", comment, json={"text": "Very nice."})
    does("DELETE /comments/<comment_id>", comment)
    does("POST /designs/<design_id>/like", design_id, json={"likes": True})
    make = does("POST /designs/<design_id>/makes", design_id,
                json={"outcome": "good", "machine": "demo", "material": "PLA"})["id"]  # fmt: skip
    does("PATCH /makes/<make_id>", make, json={"note": "With a brim."})
    does("DELETE /makes/<make_id>", make)
    shelf = does("POST /collections", json={"title": "Shelf"})["id"]
    does("PATCH /collections/<collection_id>", shelf, json={"title": "Shelves"})
    does("POST /collections/<collection_id>/designs", shelf, json={"design_id": design_id})
    does("PUT /collections/<collection_id>/designs", shelf, json={"designs": [design_id]})
    does("DELETE /collections/<collection_id>/designs/<design_id>", shelf, design_id)
    does("DELETE /collections/<collection_id>", shelf)
    about = {"kind": "design", "id": design_id}
    report = does("POST /reports", json={**about, "reason": "Mine."})["id"]
    does("POST /reports/<report_id>/dismiss", report)
    does("POST /moderation/hide", json={**about, "reason": "For now."})
    does("POST /moderation/show", json=about)


def uploads(walk: Walk) -> None:
    named = "filename " + base64.b64encode(b"cube.stl").decode()
    tus = {"Tus-Resumable": "1.0.0"}
    seen = walk._newest()
    answer = walk.call("POST", "/uploads", headers={
        **tus, "Upload-Length": "10", "Upload-Metadata": named})  # fmt: skip
    assert answer.status_code == 201, answer.text
    assert walk._newest() > seen
    walk.walked.append("POST /uploads")
    upload = answer.headers["Location"].rsplit("/", 1)[1]
    walk.does("DELETE /uploads/<upload_id>", upload, headers=tus)


def printers(walk: Walk) -> str:
    does = walk.does
    wanted = {"name": "Left", "machine": "demo", "driver": "virtual", "agent_id": walk.agent.id}
    made = does("POST /printers", json=wanted)
    printer: str = made["id"]
    does("PATCH /printers/<printer_id>", printer, json={"name": "Right"})
    does("POST /printers/<printer_id>/maintenance", printer)
    does("POST /printers/<printer_id>/ready", printer)
    does("POST /printers/<printer_id>/clear", printer)
    task = {"title": "Grease", "every_h": 100}
    upkeep = does("POST /printers/<printer_id>/upkeep/tasks", printer, json=task)
    does("POST /printers/<printer_id>/upkeep/log", printer, json={"note": "Greased"})
    does("DELETE /printers/<printer_id>/upkeep/tasks/<task_id>", printer, upkeep["tasks"][0]["id"])
    spool = does("POST /spools", json={"material": "PLA", "initial_g": 1000})["id"]
    does("PATCH /spools/<spool_id>", spool, json={"colour": "red"})
    does("POST /spools/<spool_id>/weigh", spool, json={"remaining_g": 500})
    does("POST /printers/<printer_id>/load", printer, json={"spool_id": spool})
    does("POST /printers/<printer_id>/unload", printer)
    does("POST /spools/<spool_id>/archive", spool)
    does("POST /spools/<spool_id>/restore", spool)
    return printer


def people(walk: Walk) -> None:
    does = walk.does
    does("PATCH /policy", json={"changes": {"weights": {"age": 200}}})
    group = does("POST /groups", json={"name": "Course"})["id"]
    does("PUT /groups/<group_id>", group, json={"name": "Class"})
    does("DELETE /groups/<group_id>", group)
    does("POST /members/<member_id>/trainings", walk.ben, json={"machine": "demo"})
    does("DELETE /members/<member_id>/trainings/<machine>", walk.ben, "demo")
    does("PUT /members/<member_id>/shares", walk.ben, json={"shares": 2})
    badge = does("POST /members/<member_id>/badges", walk.ben, json={"badge": "04A1B2C3"})
    does("DELETE /members/<member_id>/badges/<badge_id>", walk.ben, badge["items"][0]["id"])
    does("PUT /pin", json={"pin": "482915"})
    does("POST /members/<member_id>/deposits", walk.ben, json={"amount_minor": 500})
    does("PUT /charge-codes/<name>", "course", json={"title": "Course"})
    code = agents_ask(walk)
    does("POST /agents/approve", json={"code": code})
    does("DELETE /agents/<agent_id>", agents_new(walk))


def agents_ask(walk: Walk) -> str:
    asked = {"name": "Other Pi", "pairing": "p" * 43}
    return str(walk.call("POST", "/agents/pair", json=asked).json["code"])


def agents_new(walk: Walk) -> str:
    with walk.lab.store.writing() as db:
        return agents.register(db, "Gone Pi")[0].id


def jobs(walk: Walk, printer: str) -> None:
    does = walk.does
    design = walk.call.design()
    asked = {"design_id": design["id"]}
    job = does("POST /jobs", json=asked)["id"]
    does("PATCH /jobs/<job_id>", job, json={"note": "Soon."})
    for verb, state in (
        *(("hold", "queued"), ("release", "held"), ("approve", "awaiting_approval")),
        *(("reject", "queued"), ("cancel", "queued"), ("retry", "failed")),
        ("collect", "awaiting_pickup"),
    ):
        walk.sql("UPDATE jobs SET state = ? WHERE id = ?", state, job)
        does(f"POST /jobs/<job_id>/{verb}", job)
    walk.sql("UPDATE jobs SET state = 'printing' WHERE id = ?", job)
    walk.sql(
        "INSERT INTO attempts (id, job_id, copy, printer_id, agent_id, state, token, gcode_sha256,"
        " gcode_size, file_name, was_taken, created_at, started_at, lease_until) VALUES ('t', ?, 1,"
        " ?, ?, 'printing', 't', 'g', 1, 'f', 1, '2026-01-01T00:00:00.000Z',"
        " '2026-01-01T00:00:00.000Z', '2999')",
        *(job, printer, walk.agent.id),
    )
    for kind, state in (("pause", "printing"), ("resume", "paused"), ("cancel", "printing")):
        walk.sql("UPDATE attempts SET state = ?", state)
        does(f"POST /printers/<printer_id>/{kind}", printer)
    does("POST /printers/<printer_id>/emergency-stop", printer)
    walk.sql("UPDATE attempts SET state = 'unknown'")
    does("POST /attempts/<attempt_id>/resolve", "t",
         json={"outcome": "failed", "plate_clear": True, "cause": "clog"})  # fmt: skip
    does("PUT /attempts/<attempt_id>/cause", "t", json={"cause": "adhesion"})
    items = [{"design_id": design["id"], "copies": 1}]
    batch = does("POST /batches", json={"title": "Set", "items": items})["id"]
    for verb in ("pause", "resume", "cancel"):
        does(f"POST /batches/<batch_id>/{verb}", batch)
    does("DELETE /printers/<printer_id>", printer)


def notices(walk: Walk) -> None:
    target = walk.does("POST /notices/targets", json={
        "means": "webhook", "address": "https://example.org/x"})["id"]  # fmt: skip
    walk.does("PATCH /notices/targets/<target_id>", target, json={"label": "Mine"})
    walk.does("POST /notices/targets/<target_id>/test", target)
    walk.does("DELETE /notices/targets/<target_id>", target)


def test_everything_that_a_person_changes_is_in_the_log(
    lab: Lab, app: Flask, admin: Caller
) -> None:
    walk = Walk(lab, admin)
    designs(walk)
    uploads(walk)
    printer = printers(walk)
    people(walk)
    jobs(walk, printer)
    notices(walk)
    known = {*walk.walked, *SKIPPED, *ELSEWHERE}
    assert set(changing_rules(app)) - known == set(), "walk these too, or say why not"
    assert known - set(changing_rules(app)) == set(), "there are no such routes any more"


def changing_rules(app: Flask) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/v1/"):
            for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
                yield f"{method} {rule.rule.removeprefix('/api/v1')}"


def test_who_makes_members_and_tokens_is_in_the_log(lab: Lab) -> None:
    with lab.store.writing() as db:
        member = accounts.create(db, "Eve", Role.MEMBER, by="Ada")
        accounts.create_token(db, member, "slicer")
        found = [(row["kind"], row["actor"]) for row in db.query("SELECT * FROM audit")]
    assert found == [("member.created", "Ada"), ("token.created", "Eve")]


def test_nobody_takes_a_name_that_hides_them_from_the_log(lab: Lab) -> None:
    with lab.store.writing() as db, pytest.raises(BadInput):
        accounts.create(db, "Agent: Smith", Role.MEMBER)


def test_members_do_not_hear_of_each_others_money_and_keys(lab: Lab) -> None:
    with lab.store.writing() as db:
        eve = accounts.create(db, "Eve", Role.MEMBER)
        ada = accounts.create(db, "Ada", Role.STAFF)
        for kind in ("money.deposit", "notice.target_added", "token.created", "badge.given"):
            assert not visibility.may_see_event(db, eve, kind, {})
            assert visibility.may_see_event(db, ada, kind, {})
