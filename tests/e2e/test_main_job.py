"""The main job, with nothing mocked: a file becomes a print on a virtual printer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.lab import Json, RunningLab
from tests.e2e.shapes import block, cube, tile, tower

pytestmark = pytest.mark.slicer


def test_a_cube_is_printed_and_nothing_follows_until_its_plate_is_clear(lab: RunningLab) -> None:
    left = lab.printer("Left")["id"]
    job_id = lab.ask(lab.upload(cube(), "cube.stl"), printer_id=left)
    job = lab.until_job(job_id, "awaiting_pickup")
    [attempt] = job["attempts"]
    assert (attempt["state"], attempt["progress"], attempt["layers"]) == ("finished", 1.0, 100)
    assert job["estimate"]["duration_s"] == pytest.approx(1242, rel=0.2)
    assert lab.simulators["Left"].has_printed_once(lab.gcode_of(attempt))

    printer = lab.until_printer(left, "awaiting_clearance")
    assert printer["plate_attempt_id"] == attempt["id"]
    following = lab.ask(lab.upload(tile()), printer_id=left)
    lab.until_job(following, "queued")
    elsewhere = lab.ask(lab.upload(tile()))
    assert printed_on(lab, elsewhere) == ["Right"]
    refused = lab.request("POST", f"/printers/{left}/clear", json={"attempt_id": "another"})
    assert refused.status_code == 409
    assert refused.json()["attempt_id"] == attempt["id"]
    assert lab.job(following)["attempts"] == []
    assert lab.printer(left)["state"] == "awaiting_clearance"

    lab.post(f"/printers/{left}/clear", {"attempt_id": attempt["id"]})
    assert printed_on(lab, following) == ["Left"]
    collected = lab.post(f"/jobs/{job_id}/collect")
    assert collected["state"] == "collected"


def test_two_jobs_go_to_two_printers(lab: RunningLab) -> None:
    design = lab.upload(tile())
    jobs = [lab.ask(design), lab.ask(design)]
    assert sorted(name for job in jobs for name in printed_on(lab, job)) == ["Left", "Right"]


def test_two_copies_of_one_job_go_to_two_printers(lab: RunningLab) -> None:
    job_id = lab.ask(lab.upload(tile()), copies=2)
    assert sorted(printed_on(lab, job_id)) == ["Left", "Right"]
    job = lab.job(job_id)
    assert job["copies_done"] == 2
    assert {attempt["copy"] for attempt in job["attempts"]} == {1, 2}


def test_a_job_that_waits_can_be_held_released_and_cancelled(lab: RunningLab) -> None:
    for printer in lab.printers():
        lab.post(f"/printers/{printer['id']}/maintenance")
    design = lab.upload(tile())
    held, unwanted, other = lab.ask(design), lab.ask(design), lab.ask(design)
    for job_id in (held, unwanted, other):
        lab.until_job(job_id, "queued")
    assert lab.post(f"/jobs/{held}/hold", {"reason": "wait for me"})["state"] == "held"
    assert lab.post(f"/jobs/{unwanted}/cancel")["state"] == "cancelled"
    for printer in lab.printers():
        lab.post(f"/printers/{printer['id']}/ready")

    printed_on(lab, other)
    assert lab.job(held)["attempts"] == []
    assert "wait for me" in lab.job(held)["reason"]
    assert lab.job(unwanted)["attempts"] == []
    lab.post(f"/jobs/{held}/release")
    assert len(printed_on(lab, held)) == 1
    refused = lab.request("POST", f"/jobs/{unwanted}/hold", json={})
    assert (refused.status_code, refused.json()["state"]) == (409, "cancelled")


def test_a_print_that_is_cancelled_stops_and_cools(lab: RunningLab) -> None:
    job_id = lab.ask(lab.upload(tower()))
    printer_id = lab.until_underway(job_id, 0.001)["printer_id"]
    assert lab.printer(printer_id)["temperatures"]["hotend_target_c"] > 150
    assert lab.post(f"/jobs/{job_id}/cancel")["state"] == "cancelled"

    attempt = lab.until_attempt(job_id, "cancelled")
    assert attempt["progress"] < 1
    lab.until(lambda: targets(lab.printer(printer_id)) == (0, 0), "its heaters are off")
    printer = lab.until_printer(printer_id, "awaiting_clearance")
    assert printer["plate_attempt_id"] == attempt["id"]
    firmware = lab.simulators[printer["name"]].ask("state")
    assert (firmware["hotend_target_c"], firmware["bed_target_c"]) == (0, 0)
    assert lab.job(job_id)["state"] == "cancelled"


def test_a_print_can_be_paused_and_resumed(lab: RunningLab) -> None:
    job_id = lab.ask(lab.upload(block()))
    printer_id = lab.until_underway(job_id)["printer_id"]
    simulator = lab.simulators[lab.printer(printer_id)["name"]]
    lab.post(f"/printers/{printer_id}/pause", status=202)
    lab.until_attempt(job_id, "paused")
    lab.until(lambda: simulator.ask("log")["last"][-1] == "M400", "the head has gone aside")
    at_pause = simulator.ask("log")["count"]
    heard = lab.printer(printer_id)["last_seen_at"]
    lab.until(lambda: lab.printer(printer_id)["last_seen_at"] > heard, "the agent spoke again")
    assert simulator.ask("log")["count"] == at_pause
    assert lab.printer(printer_id)["state"] == "busy"
    assert lab.printer(printer_id)["temperatures"]["hotend_target_c"] > 150

    lab.post(f"/printers/{printer_id}/resume", status=202)
    lab.until_attempt(job_id, "printing")
    job = lab.until_job(job_id, "awaiting_pickup")
    assert [attempt["state"] for attempt in job["attempts"]] == ["finished"]


def test_the_command_line_prints_a_file_and_follows_it_to_the_end(
    lab: RunningLab, tmp_path: Path
) -> None:
    file = tmp_path / "tile.stl"
    file.write_bytes(tile())
    done = lab.command("print", str(file), "--material", "PLA", "--watch")
    assert done.returncode == 0, done.stderr
    assert "awaiting pickup" in done.stdout.splitlines()[-1]
    assert lab.get("/jobs", params={"limit": 1})["items"][0]["state"] == "awaiting_pickup"


def test_a_print_from_the_front_panel_is_left_alone_and_must_be_cleared(lab: RunningLab) -> None:
    left = lab.printer("Left")["id"]
    panel = lab.simulators["Left"]
    theirs = ["G28", *["G4 S200"] * 4]
    panel.ask("put", name="VASE.GCO", text="\n".join(theirs))
    panel.ask("print", name="VASE.GCO")
    busy = lab.until_printer(left, "busy")
    assert "'VASE.GCO', which fabcoord did not start" in busy["reason"]
    assert busy["plate_clear"] is False
    waiting = lab.ask(lab.upload(tile()), printer_id=left)
    lab.until_job(waiting, "queued")
    for verb in ("cancel", "pause", "clear"):
        refused = lab.request("POST", f"/printers/{left}/{verb}", json={})
        assert refused.status_code == 409, verb

    lab.until_printer(left, "awaiting_clearance")
    assert lab.job(waiting)["attempts"] == []
    assert panel.ask("log")["last"] == theirs
    lab.post(f"/printers/{left}/clear")
    assert printed_on(lab, waiting) == ["Left"]


def test_no_process_that_stays_loads_numpy(lab: RunningLab) -> None:
    printed_on(lab, lab.ask(lab.upload(tile())))
    kinds = {kind: lab.processes(kind) for kind in ("serve", "web", "worker", "agent", "simulator")}
    assert all(kinds.values()), kinds
    for kind, processes in kinds.items():
        for process in processes:
            # Of trimesh no library is to be seen, but it does not work without numpy.
            maps = Path(f"/proc/{process.pid}/maps").read_text()
            assert "/numpy/" not in maps, f"{kind} has loaded numpy"
            assert "/scipy/" not in maps, f"{kind} has loaded scipy"


def test_a_lab_is_light_ends_in_time_and_starts_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with RunningLab(tmp_path / "lab") as lab:
        lab.start()
        undone = "SELECT id FROM runs WHERE state IN ('queued', 'running')"
        lab.until(lambda: not lab.rows(undone), "the samples are checked")
        used = lab.pss_bytes()
        streams = [lab.request("GET", "/events", stream=True) for _ in range(3)]
        assert all(next(stream.iter_lines()).startswith(b"retry:") for stream in streams)
        took_s = lab.stop(within_s=10)
        assert lab.processes() == []
        again_s = lab.start_timed()
    megabytes = {kind: round(size / 1e6) for kind, size in used.items()}
    with capsys.disabled():
        print(
            f"\nidle: {sum(used.values()) / 1e6:.0f} MB (PSS) {megabytes}; "
            f"stopped in {took_s:.1f} s; started again in {again_s:.1f} s"
        )
    assert sum(used.values()) < 260e6


def printed_on(lab: RunningLab, job_id: str) -> list[str]:
    """The names of the printers that printed a job to its end."""
    job = lab.until_job(job_id, "awaiting_pickup")
    assert {attempt["state"] for attempt in job["attempts"]} == {"finished"}
    names = {printer["id"]: printer["name"] for printer in lab.printers()}
    return [names[attempt["printer_id"]] for attempt in job["attempts"]]


def targets(printer: Json) -> tuple[float, float]:
    heat = printer["temperatures"]
    return heat["hotend_target_c"], heat["bed_target_c"]
