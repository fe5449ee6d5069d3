"""What OctoPrint's words mean for us."""

from __future__ import annotations

import pytest

from fabcoord.printers.base import Activity, Outcome
from fabcoord.printers.octoprint.answers import attempt_of, read_file, read_job, surplus


@pytest.mark.parametrize(
    ("state", "activity"),
    [
        ("Operational", Activity.IDLE),
        ("Starting", Activity.PRINTING),
        ("Starting print from SD", Activity.PRINTING),
        ("Printing", Activity.PRINTING),
        ("Printing from SD", Activity.PRINTING),
        ("Sending file to SD", Activity.PRINTING),
        ("Pausing", Activity.PRINTING),
        ("Paused", Activity.PAUSED),
        ("Resuming", Activity.PRINTING),
        ("Finishing", Activity.PRINTING),
        ("Cancelling", Activity.PRINTING),
        ("Offline", Activity.OFFLINE),
        ("Detecting serial connection", Activity.OFFLINE),
        ("Connecting", Activity.OFFLINE),
        ("Error", Activity.ATTENTION),
        ("Offline after error", Activity.ATTENTION),
        ("Something new in OctoPrint 3", Activity.ATTENTION),
    ],
)
def test_each_state_has_its_meaning_and_only_operational_is_idle(
    state: str, activity: Activity
) -> None:
    job = read_job({"state": state})
    assert job.activity is activity
    needs_words = activity in (Activity.OFFLINE, Activity.ATTENTION)
    assert bool(job.reason) is needs_words


def test_an_error_is_told_in_the_printers_words() -> None:
    job = read_job({"state": "Offline after error", "error": "MINTEMP triggered!\x07"})
    assert "MINTEMP triggered!." in job.reason


@pytest.mark.parametrize(
    ("path", "attempt_id"),
    [
        ("fabcoord/fc-a1_B-2.gcode", "a1_B-2"),
        ("fabcoord/waiting/fc-a1.gcode", None),
        ("fc-a1.gcode", None),
        ("other/fabcoord/fc-a1.gcode", None),
        ("fabcoord/fc-a1.gcode.gcode", None),
        ("fabcoord/fc-.gcode", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_started_file_of_ours_names_an_attempt(
    path: str | None, attempt_id: str | None
) -> None:
    assert attempt_of(path) == attempt_id


def test_a_file_on_the_printers_sd_card_is_never_ours() -> None:
    file = {"path": "fabcoord/fc-a1.gcode", "origin": "sdcard", "name": "fc-a1.gcode"}
    assert read_job({"state": "Printing from SD", "job": {"file": file}}).path is None


@pytest.mark.parametrize(
    ("prints", "outcome"),
    [
        (None, None),
        ({"success": 1, "failure": 0}, Outcome.FINISHED),
        ({"success": 0, "failure": 1}, Outcome.FAILED),
        ({"success": 1, "failure": 1}, None),
        ({"success": "many", "failure": []}, None),
    ],
)
def test_the_record_tells_an_outcome_only_when_it_is_of_one_mind(
    prints: object, outcome: Outcome | None
) -> None:
    assert read_file({"prints": prints}).outcome is outcome


def test_only_our_own_oldest_files_are_surplus() -> None:
    names = ["fc-new.gcode", "fc-old.gcode", "fc-older.gcode", "fc-oldest.gcode", "vase.gcode"]
    children = [
        {"path": f"fabcoord/{name}", "date": 100 - age} for age, name in enumerate(names)
    ] + [{"path": "../fc-evil.gcode", "date": 1}, {"path": 7}, None]
    found = surplus({"children": children}, keep=1, spare="fabcoord/fc-oldest.gcode")
    assert found == ["fabcoord/fc-old.gcode", "fabcoord/fc-older.gcode"]
