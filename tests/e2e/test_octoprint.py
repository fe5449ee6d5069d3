"""The main job again, through a real OctoPrint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from tests.e2e.fast_octoprint import FastOctoPrint
from tests.e2e.lab import RunningLab
from tests.e2e.shapes import cube, tile

pytestmark = [pytest.mark.slicer, pytest.mark.octoprint]


@pytest.fixture(scope="module")
def octoprint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastOctoPrint]:
    if not FastOctoPrint.installed():
        pytest.skip("OctoPrint is not installed; run script/install-octoprint")
    server = FastOctoPrint(tmp_path_factory.mktemp("octoprint"))
    server.start()
    yield server
    server.stop()


def test_a_cube_goes_through_octoprint_unchanged_and_waits_until_its_plate_is_clear(
    lab: RunningLab, octoprint: FastOctoPrint
) -> None:
    octo = octoprint.add_to(lab)["id"]
    job_id = lab.ask(lab.upload(cube(), "cube.stl"), printer_id=octo)
    lab.until_printer(octo, "awaiting_clearance")  # a printer new to the lab begins so
    lab.until_job(job_id, "queued")
    lab.post(f"/printers/{octo}/clear")

    [attempt] = lab.until_job(job_id, "awaiting_pickup")["attempts"]
    assert (attempt["state"], attempt["progress"]) == ("finished", 1.0)
    name = f"fc-{attempt['id']}.gcode"
    received = octoprint.uploaded_path(name).read_bytes()
    assert hashlib.sha256(received).hexdigest() == attempt["gcode_sha256"]
    assert received == lab.gcode_of(attempt).read_bytes()
    assert octoprint.history() == {name: (1, 0)}

    assert lab.until_printer(octo, "awaiting_clearance")["plate_attempt_id"] == attempt["id"]
    following = lab.ask(lab.upload(tile()), printer_id=octo)
    lab.until_job(following, "queued")
    elsewhere = lab.ask(lab.upload(tile()), printer_id=lab.printer("Left")["id"])
    lab.until_job(elsewhere, "awaiting_pickup")
    assert lab.job(following)["attempts"] == []
    assert octoprint.history() == {name: (1, 0)}
    lab.post(f"/printers/{octo}/clear", {"attempt_id": attempt["id"]})
    lab.until_job(following, "awaiting_pickup")
    assert sorted(octoprint.history().values()) == [(1, 0), (1, 0)]


def test_a_print_that_somebody_starts_in_octoprint_is_left_alone_and_must_be_cleared(
    lab: RunningLab, octoprint: FastOctoPrint
) -> None:
    octoprint.print_by_hand("vase.gcode", ["M117 hello", *["G4 P500"] * 6])
    busy = lab.until_printer("Octo", "busy")
    assert "'vase.gcode', which fabcoord did not start" in busy["reason"]
    waiting = lab.ask(lab.upload(tile()), printer_id=busy["id"])
    lab.until_job(waiting, "queued")
    refused = lab.request("POST", f"/printers/{busy['id']}/cancel", json={})
    assert refused.status_code == 409

    lab.until_printer("Octo", "awaiting_clearance")
    assert lab.job(waiting)["attempts"] == []
    assert octoprint.history()["vase.gcode"] == (1, 0)
