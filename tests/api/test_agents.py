"""An agent over HTTP: let in by a person, heard, given its G-code, and sent away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fabcoord.agent.messages import PrinterTelemetry, SyncAnswer, SyncRequest
from fabcoord.lab import Lab

from .conftest import Caller
from .test_conventions import problem

PAIRING = {"name": "Pi", "pairing": "s" * 40}


@pytest.fixture
def paired(caller: Callable[[str], Caller], staff: Caller) -> tuple[Caller, str]:
    """An agent that went all the way through the door."""
    nobody = caller("")
    waiting = nobody("POST", "/agents/pair", json=PAIRING)
    assert waiting.status_code == 202
    approved = staff("POST", "/agents/approve", json={"code": waiting.json["code"]})
    assert approved.json == {"name": "Pi"}
    given = nobody("POST", "/agents/pair", json=PAIRING)
    assert given.status_code == 200
    return Caller(nobody.client, given.json["token"]), given.json["agent_id"]


def said(**changes: Any) -> dict[str, Any]:
    return SyncRequest("i1", "2026-01-01", "e1", "1", **changes).to_json()


def test_a_paired_agent_is_heard(paired: tuple[Caller, str], staff: Caller) -> None:
    agent, agent_id = paired
    answer = agent("POST", f"/agents/{agent_id}/sync", json=said())
    assert answer.status_code == 200
    assert SyncAnswer.from_json(answer.json).printers == ()
    (known,) = staff("GET", "/agents").json["items"]
    assert (known["id"], known["name"], known["version"]) == (agent_id, "Pi", "1")
    assert "token" not in str(known)


def test_its_printers_show_what_it_says(paired: tuple[Caller, str], staff: Caller) -> None:
    agent, agent_id = paired
    given = {"name": "Left", "machine": "demo", "driver": "virtual", "agent_id": agent_id}
    made = staff("POST", "/printers", json=given)
    assert made.status_code == 201
    printer_id = made.json["id"]
    telemetry = PrinterTelemetry(printer_id, "ready", temperatures={"hotend": 21.5, "bed": None})
    agent("POST", f"/agents/{agent_id}/sync", json=said(printers=(telemetry,)))
    printer = staff("GET", f"/printers/{printer_id}").json
    assert printer["state"] == "awaiting_clearance"
    assert printer["temperatures"] == {"hotend": 21.5, "bed": None}
    cleared = staff("POST", f"/printers/{printer_id}/clear", json={})
    assert cleared.json["state"] == "idle"
    problem(staff("POST", f"/printers/{printer_id}/clear", json={"attempt_id": "another"}), 409)
    document = problem(staff("POST", f"/printers/{printer_id}/cancel", json={}), 409)
    assert document["state"] == "idle"
    assert staff("DELETE", f"/printers/{printer_id}").status_code == 204
    problem(staff("GET", f"/printers/{printer_id}"), 404)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"instance": "i"}',
        b'{"instance":"i","instance_started_at":"2","epoch":"e","version":"1","events":[{"seq":"1"}]}',
        b'{"instance":"i","instance_started_at":"2","epoch":"e","version":"1","events":7}',
        b'{"instance":"i","instance_started_at":"2","epoch":"e","version":"1","protocol":"x"}',
        b'{"instance":"i","instance_started_at":"2","epoch":"e","version":"1","protocol":99}',
        b'{"instance":"\\ud800","instance_started_at":"2","epoch":"e","version":"1"}',
        (
            b'{"instance":"i","instance_started_at":"2","epoch":"e","version":"1",'
            b'"printers":[{"printer_id":"p","activity":"ready","temperatures":{"bed":NaN}}]}'
        ),
    ],
    ids=lambda body: repr(body[-40:]),
)
def test_a_sync_that_is_none_is_refused(paired: tuple[Caller, str], body: bytes) -> None:
    agent, agent_id = paired
    kind = {"Content-Type": "application/json"}
    problem(agent("POST", f"/agents/{agent_id}/sync", data=body, headers=kind), 400)


def test_an_older_process_is_told_to_stop(paired: tuple[Caller, str]) -> None:
    agent, agent_id = paired
    path = f"/agents/{agent_id}/sync"
    agent("POST", path, json=said())
    older = said() | {"instance": "i0", "instance_started_at": "2025-01-01"}
    assert problem(agent("POST", path, json=older), 409)["type"].endswith("/superseded")


def test_gcode_that_no_attempt_of_its_own_needs_is_not_given(
    paired: tuple[Caller, str], lab: Lab
) -> None:
    agent, agent_id = paired
    sha256 = lab.blobs.add(b"G28\n")
    for name in (sha256, "0" * 64, "..", "lab.db"):
        answer = agent("GET", f"/agents/{agent_id}/gcode/{name}")
        assert answer.status_code == 404


def test_a_revoked_agent_is_not_heard(paired: tuple[Caller, str], staff: Caller) -> None:
    agent, agent_id = paired
    assert staff("DELETE", f"/agents/{agent_id}").status_code == 204
    problem(agent("POST", f"/agents/{agent_id}/sync", json=said()), 401)


def test_a_made_up_code_lets_nobody_in(staff: Caller) -> None:
    problem(staff("POST", "/agents/approve", json={"code": "AAAA-AAAA"}), 404)
