"""kill -9, of every process and in every phase: nothing is lost, nothing starts twice."""

from __future__ import annotations

import psutil
import pytest

from fabcoord.demo import binary_stl, box
from tests.e2e.fast_octoprint import FastOctoPrint
from tests.e2e.lab import Json, RunningLab, is_alive, started_at
from tests.e2e.shapes import block
from tests.faults.gated_slicer import GatedSlicer

pytestmark = [pytest.mark.faults, pytest.mark.slicer]


def test_the_web_dies_while_a_job_is_being_sliced(lab: RunningLab, slicer: GatedSlicer) -> None:
    slicer.close()
    job_id = lab.ask(lab.upload(binary_stl(box(11, 12, 1))))
    lab.until(slicer.started, "the slicer works")
    lab.kill_kind("web")
    slicer.open()

    [attempt] = lab.until_job(job_id, "awaiting_pickup")["attempts"]
    assert len(slicer.started()) == 1
    assert slice_runs(lab, job_id) == [("done", 1)]
    assert_printed_once(lab, attempt)


def test_the_worker_dies_while_a_job_is_being_sliced(lab: RunningLab, slicer: GatedSlicer) -> None:
    slicer.close()
    job_id = lab.ask(lab.upload(binary_stl(box(13, 12, 1))))
    [started] = lab.until(slicer.started, "the slicer works")
    orphan = psutil.Process(started)
    lab.kill_kind("worker")
    lab.until(lambda: not is_alive(orphan), "the slicer has died with its worker", within_s=5)
    assert lab.job(job_id)["state"] == "slicing"
    slicer.open()

    [attempt] = lab.until_job(job_id, "awaiting_pickup")["attempts"]
    assert len(slicer.started()) == 2
    assert slice_runs(lab, job_id) == [("done", 2)]
    assert_printed_once(lab, attempt)


def test_the_web_is_away_while_a_print_runs_and_ends(lab: RunningLab) -> None:
    job_id = lab.ask(lab.upload(block()))
    before = lab.until_underway(job_id, 0.4)
    gcode, simulator = lab.gcode_of(before), lab.simulators[name_of(lab, before)]
    with lab.suspended("serve"):  # so that it does not start the web again
        lab.kill_kind("web")
        lab.until(lambda: simulator.has_printed_once(gcode), "the print has ended without the web")

    [attempt] = lab.until_job(job_id, "awaiting_pickup")["attempts"]
    assert attempt["id"] == before["id"]
    assert_printed_once(lab, attempt)
    lab.until_printer(attempt["printer_id"], "awaiting_clearance")


def test_serve_dies_and_the_next_one_finds_the_agent_at_its_print(lab: RunningLab) -> None:
    job_id = lab.ask(lab.upload(block()))
    before = lab.until_underway(job_id)
    [agent] = lab.processes("agent")
    lab.kill_kind("serve")
    others = lab.processes("web") + lab.processes("worker")
    lab.until(lambda: not any(map(is_alive, others)), "web and worker follow it")
    assert agent.is_running()
    lab.start()

    [attempt] = lab.until_job(job_id, "awaiting_pickup")["attempts"]
    assert attempt["id"] == before["id"]
    assert agent.is_running()
    assert_printed_once(lab, attempt)


def test_the_agent_dies_and_a_person_says_what_became_of_its_print(lab: RunningLab) -> None:
    job_id = lab.ask(lab.upload(block()))
    before = lab.until_underway(job_id)
    lab.kill_kind("agent")

    attempt = lab.until_attempt(job_id, "unknown")
    assert "Look whether it is printing" in attempt["reason"]
    assert lab.until_printer(attempt["printer_id"], "attention")["job_id"] == job_id
    refused = lab.request("POST", f"/printers/{attempt['printer_id']}/clear", json={})
    assert refused.status_code == 409
    waiting = lab.ask(lab.upload(block()), printer_id=attempt["printer_id"])
    lab.until_job(waiting, "queued")

    settled = resolve(lab, attempt, "failed")
    assert (settled["id"], settled["state"]) == (before["id"], "failed")
    assert count(lab, "attempt.starting", job_id) == 1
    simulator = lab.simulators[name_of(lab, attempt)]
    assert not simulator.has_printed_once(lab.gcode_of(attempt))
    lab.until_job(waiting, "awaiting_pickup")
    assert len(lab.job(job_id)["attempts"]) == 1


def test_all_die_at_once_printers_too_and_a_person_says_what_became_of_the_print(
    lab: RunningLab,
) -> None:
    job_id = lab.ask(lab.upload(block()))
    other = lab.ask(lab.upload(block()))
    before = lab.until_underway(job_id)
    lab.until_underway(other)
    lab.kill(lab.processes())
    lab.put_up_simulators()
    lab.start()

    attempt = lab.until_attempt(job_id, "unknown")
    assert attempt["id"] == before["id"]
    assert lab.job(job_id)["state"] == "needs_attention"
    lost = lab.until_attempt(other, "unknown")
    for simulator in lab.simulators.values():
        assert simulator.ask("log")["last"] == []
    resolve(lab, attempt, "finished")
    assert lab.until_job(job_id, "awaiting_pickup")["copies_done"] == 1

    resolve(lab, lost, "failed")
    lab.post(f"/jobs/{other}/retry")
    [first, second] = lab.until_job(other, "awaiting_pickup")["attempts"]
    assert (first["id"], first["state"]) == (lost["id"], "failed")
    assert_printed_once(lab, second)
    assert count(lab, "attempt.starting", job_id) == 1


@pytest.mark.octoprint
def test_the_agent_dies_and_the_next_one_follows_octoprint_to_the_end(
    lab: RunningLab, octoprint: FastOctoPrint
) -> None:
    job_id, before = printing_slowly(lab, octoprint)
    lab.kill_kind("agent")
    until_followed_on(lab)
    octoprint.hurry()

    [attempt] = lab.until_job(job_id, "awaiting_pickup")["attempts"]
    assert_octoprint_printed_once(lab, octoprint, job_id, before, attempt)


@pytest.mark.octoprint
def test_all_die_at_once_and_octoprint_is_followed_to_the_end(
    lab: RunningLab, octoprint: FastOctoPrint
) -> None:
    job_id, before = printing_slowly(lab, octoprint)
    lab.kill(lab.processes())
    lab.put_up_simulators()
    lab.start()
    until_followed_on(lab)
    octoprint.hurry()

    [attempt] = lab.until_job(job_id, "awaiting_pickup")["attempts"]
    assert_octoprint_printed_once(lab, octoprint, job_id, before, attempt)


def printing_slowly(lab: RunningLab, octoprint: FastOctoPrint) -> tuple[str, Json]:
    """A job under way in OctoPrint, which will not end before it is told to hurry."""
    octoprint.dawdle()
    job_id = lab.ask(lab.upload(block()), printer_id=lab.printer("Octo")["id"])
    return job_id, lab.until_underway(job_id, 0.0)


def until_followed_on(lab: RunningLab) -> None:
    """Wait until an agent that is now alive has told of the printer."""
    [agent] = lab.until(lambda: lab.processes("agent"), "there is an agent")
    since = started_at(agent)
    lab.until(lambda: lab.printer("Octo")["last_seen_at"] > since, "it has told of the printer")


def assert_octoprint_printed_once(
    lab: RunningLab, octoprint: FastOctoPrint, job_id: str, before: Json, attempt: Json
) -> None:
    assert (attempt["id"], attempt["state"]) == (before["id"], "finished")
    assert octoprint.history()[f"fc-{attempt['id']}.gcode"] == (1, 0)
    assert count(lab, "attempt.starting", job_id) == 1
    assert count(lab, "attempt.unknown", job_id) == 0
    assert lab.until_printer("Octo", "awaiting_clearance")["plate_attempt_id"] == attempt["id"]


def assert_printed_once(lab: RunningLab, attempt: Json) -> None:
    """Told once of its start and its end, and carried out once, line for line."""
    assert attempt["state"] == "finished"
    for kind in ("attempt.offered", "attempt.starting", "attempt.finished"):
        told = lab.rows(
            "SELECT seq FROM events WHERE kind = ? AND attempt_id = ?", kind, attempt["id"]
        )
        assert len(told) == 1, kind
    assert lab.simulators[name_of(lab, attempt)].has_printed_once(lab.gcode_of(attempt))


def name_of(lab: RunningLab, attempt: Json) -> str:
    return str(lab.printer(attempt["printer_id"])["name"])


def count(lab: RunningLab, kind: str, job_id: str) -> int:
    return len(lab.events(kind, job_id))


def resolve(lab: RunningLab, attempt: Json, outcome: str) -> Json:
    """A person has looked, and taken off what lay on the plate."""
    return lab.post(f"/attempts/{attempt['id']}/resolve", {"outcome": outcome, "plate_clear": True})


def slice_runs(lab: RunningLab, job_id: str) -> list[tuple[str, int]]:
    """State and number of claims of each run that sliced for a job."""
    found = lab.rows(
        "SELECT runs.state, attempts FROM runs JOIN jobs ON subject = slice_key"
        " WHERE kind = 'slice' AND jobs.id = ?",
        job_id,
    )
    return [(run["state"], run["attempts"]) for run in found]
