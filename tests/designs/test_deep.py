"""The second look as a run of its own: after the verdict, joined to it, waited for by nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fabcoord.demo import binary_stl, box
from fabcoord.designs import checks, deep, previews
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Store, rows
from fabcoord.store.events import last_seq, since
from fabcoord.work.engine import Engine

THIN = binary_stl([*box(20, 20, 20), *box(0.3, 20, 40)])


def run(store: Store, engine: Engine, kind: str) -> None:
    with store.reading() as db:
        queued = rows(db, "SELECT id, kind FROM runs WHERE state = 'queued'")
    waiting = [item["id"] for item in queued if item["kind"] == kind]
    with store.writing() as db:  # what nobody waits for lets others go first; not here
        db.conn.execute("UPDATE runs SET created_at = '2000' WHERE kind = ?", (kind,))
    assert waiting, f"no {kind} was asked for"
    for run_id in waiting:
        engine.execute(run_id)


def report(store: Store, sha256: str, format_: str = "stl") -> dict[str, Any]:
    with store.reading() as db:
        return checks.report(db, sha256, format_)


def asked(store: Store, blobs: BlobStore, data: bytes) -> str:
    sha256 = blobs.add(data)
    with store.writing() as db:
        checks.ensure(db, sha256, "stl")
    return sha256


def test_deep_findings_join_the_check_which_was_done_before(
    store: Store, blobs: BlobStore, make_engine: Callable[..., Engine]
) -> None:
    engine, sha256 = make_engine(), asked(store, blobs, THIN)
    assert report(store, sha256)["deep"]["state"] == "pending"
    run(store, engine, "check")
    first = report(store, sha256)
    assert (first["state"], first["deep"]["state"]) == ("done", "pending")
    with store.reading() as db:
        seq = last_seq(db)
        assert checks.checked_mesh(db, sha256, "stl").is_usable, "a job need not wait"
    run(store, engine, "deep")
    then = report(store, sha256)
    assert (then["deep"]["state"], then["verdict"]) == ("done", first["verdict"])
    assert then["deep"]["duration_s"] > 0
    assert then["deep"]["measures"]["thinnest_wall_mm"] == pytest.approx(0.3, abs=0.01)
    assert then["findings"][: len(first["findings"])] == first["findings"]
    assert "thin_walls" in {one["code"] for one in then["findings"]}
    with store.reading() as db:
        assert "file.examined" in {event.kind for event in since(db, seq)}
        places = previews.marked_places(db, blobs, sha256, "stl")
    assert "thin_walls" in {one["code"] for one in places}


def test_a_second_look_that_fails_leaves_the_verdict_alone(
    store: Store, blobs: BlobStore, make_engine: Callable[..., Engine]
) -> None:
    sha256 = asked(store, blobs, THIN)
    run(store, make_engine(), "check")
    run(store, make_engine(memory_bytes=4 << 20), "deep")
    said = report(store, sha256)
    assert (said["state"], said["verdict"]) == ("done", "printable")
    assert said["deep"]["state"] == "failed"
    assert said["deep"]["reason"].endswith(".")


def test_a_second_look_that_takes_too_long_is_ended(
    store: Store, blobs: BlobStore, make_engine: Callable[..., Engine]
) -> None:
    sha256 = asked(store, blobs, THIN)
    run(store, make_engine(), "check")
    run(store, make_engine(wall_s=0.01), "deep")
    assert "longer" in report(store, sha256)["deep"]["reason"]


def test_one_that_was_given_up_says_so(
    store: Store, blobs: BlobStore, make_engine: Callable[..., Engine]
) -> None:
    engine, sha256 = make_engine(), asked(store, blobs, THIN)
    run(store, engine, "check")
    with store.writing() as db:
        db.conn.execute(
            "UPDATE runs SET state = 'running', attempts = 3, lease_until = '2000'"
            " WHERE kind = 'deep'"
        )
    assert report(store, sha256)["deep"]["state"] == "running"
    engine.sweep()
    assert "did not end" in report(store, sha256)["deep"]["reason"]


def test_where_there_is_no_mesh_there_is_nothing_to_look_at(
    store: Store, blobs: BlobStore, make_engine: Callable[..., Engine]
) -> None:
    engine, sha256 = make_engine(), asked(store, blobs, bytes(84))
    run(store, engine, "check")
    assert report(store, sha256)["deep"]["state"] == "done"
    gcode = blobs.add(b"G28\n")
    with store.writing() as db:
        checks.ensure(db, gcode, "gcode")
    assert report(store, gcode, "gcode")["deep"]["state"] == "done"


def test_the_advised_rotation_is_that_of_the_measures() -> None:
    file: dict[str, Any] = {"check": {"deep": {"measures": {"best_rotation": [180.0, 0.0, 0.0]}}}}
    assert deep.best_rotation(file) == [180.0, 0.0, 0.0]
    file["check"]["deep"]["measures"] = None
    assert deep.best_rotation(file) is None
