"""Checks as background work: what a file's row says while, after and instead of a check."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fabcoord.demo import binary_stl, box
from fabcoord.designs import checks
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Store, rows
from fabcoord.work.engine import Engine
from fabcoord.work.sandbox import Completed

CUBE = binary_stl(box(20, 20, 20))
NAN = CUBE[:96] + struct.pack("<3f", float("nan"), 0, 0) + CUBE[108:]


def run_all(store: Store, engine: Engine) -> None:
    while True:
        with store.reading() as db:
            waiting = rows(db, "SELECT id FROM runs WHERE state = 'queued'")
        if not waiting:
            return
        for item in waiting:
            engine.execute(item["id"])


def ask(store: Store, sha256: str, format_: str = "stl") -> None:
    with store.writing() as db:
        checks.ensure(db, sha256, format_)


def report(store: Store, sha256: str, format_: str = "stl") -> dict[str, Any]:
    with store.reading() as db:
        return checks.report(db, sha256, format_)


def test_a_good_file_is_checked_pictured_and_ready_to_slice(
    store: Store, blobs: BlobStore, make_engine: Callable[..., Engine], tmp_path: Path
) -> None:
    sha256 = blobs.add(CUBE)
    ask(store, sha256)
    assert report(store, sha256)["state"] == "pending"
    run_all(store, make_engine())
    said = report(store, sha256)
    assert (said["state"], said["verdict"], said["triangles"]) == ("done", "printable", 12)
    with store.reading() as db:
        mesh = checks.checked_mesh(db, sha256, "stl")
        picture = checks.picture(db, sha256, "stl", "preview")
    assert mesh.is_usable
    assert mesh.size_mm == (20.0, 20.0, 20.0)
    assert blobs.path(str(mesh.mesh_sha256)).stat().st_size == len(CUBE)
    assert blobs.path(str(picture)).read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "runs").iterdir()) == [], "no run leaves its directory behind"


def test_a_file_with_points_that_are_no_numbers_never_reaches_a_slicer(
    store: Store, blobs: BlobStore, make_engine: Callable[..., Engine]
) -> None:
    sha256 = blobs.add(NAN)
    ask(store, sha256)
    run_all(store, make_engine())
    said = report(store, sha256)
    assert said["verdict"] == "unprintable"
    assert any(one["severity"] == "error" for one in said["findings"])
    with store.reading() as db:
        assert not checks.checked_mesh(db, sha256, "stl").is_usable


def test_a_file_that_takes_too_much_memory_fails_with_what_to_do(
    store: Store, blobs: BlobStore, make_engine: Callable[..., Engine]
) -> None:
    sha256 = blobs.add(CUBE)
    ask(store, sha256)
    run_all(store, make_engine(memory_bytes=4 << 20))
    said = report(store, sha256)
    assert (said["state"], said["verdict"]) == ("failed", "unprintable")
    assert [one["code"] for one in said["findings"]] == ["check_killed"]


@pytest.mark.parametrize(
    ("ended", "report_text", "code"),
    [
        (Completed(-9, "", "", 600.0, "wall"), None, "too_slow"),
        (Completed(-11, "", "", 1.0, "itself"), None, "check_killed"),
        (Completed(0, "", "", 1.0, "itself"), None, "check_killed"),
        (Completed(0, "", "", 1.0, "itself"), '{"state": "done"', "check_broken"),
        (Completed(0, "", "", 1.0, "itself"), "{}", "check_broken"),
    ],
)
def test_however_the_checking_process_ends_there_is_a_report(
    tmp_path: Path, ended: Completed, report_text: str | None, code: str
) -> None:
    if report_text is not None:
        (tmp_path / "report.json").write_text(report_text)
    said = checks._read_report(ended, tmp_path)
    assert [one.code for one in said.findings] == [code]
    assert said.findings[0].message.endswith(".")


def test_a_check_that_was_given_up_says_so_and_is_tried_again_when_asked_again(
    store: Store, blobs: BlobStore, make_engine: Callable[..., Engine]
) -> None:
    engine, sha256 = make_engine(), blobs.add(CUBE)
    ask(store, sha256)
    with store.writing() as db:
        db.conn.execute("UPDATE runs SET state = 'running', attempts = 3, lease_until = '2000'")
    engine.sweep()
    assert report(store, sha256)["state"] == "failed"
    assert "did not end" in report(store, sha256)["findings"][0]["message"]
    ask(store, sha256)
    assert report(store, sha256)["state"] == "pending"
    run_all(store, engine)
    assert report(store, sha256)["verdict"] == "printable"


def test_what_a_newer_check_would_judge_anew_is_checked_again(
    store: Store, blobs: BlobStore, make_engine: Callable[..., Engine]
) -> None:
    engine, sha256 = make_engine(), blobs.add(CUBE)
    ask(store, sha256)
    run_all(store, engine)
    ask(store, sha256)
    assert report(store, sha256)["state"] == "done", "nothing new, nothing done"
    with store.writing() as db:
        db.conn.execute("UPDATE checks SET check_version = check_version - 1")
    ask(store, sha256)
    assert report(store, sha256)["state"] == "pending"


def test_a_file_says_that_its_check_runs(store: Store, blobs: BlobStore) -> None:
    sha256 = blobs.add(CUBE)
    ask(store, sha256)
    with store.writing() as db:
        db.conn.execute("UPDATE runs SET state = 'running'")
    assert report(store, sha256)["state"] == "running"
    assert checks.file_state(report(store, sha256)) == "checking"


def test_gcode_has_no_mesh_to_check(store: Store, blobs: BlobStore) -> None:
    sha256 = blobs.add(b"G28\n")
    ask(store, sha256, "gcode")
    assert report(store, sha256, "gcode")["state"] == "done"
    with store.reading() as db:
        assert checks.checked_mesh(db, sha256, "gcode").is_usable
        assert rows(db, "SELECT id FROM runs") == []


def test_what_nobody_asked_for_is_pending_and_not_usable(store: Store) -> None:
    assert report(store, "0" * 64)["state"] == "pending"
    with store.reading() as db:
        assert not checks.checked_mesh(db, "0" * 64, "stl").is_usable
        assert checks.picture(db, "0" * 64, "stl", "light") is None
