"""Meshes made on request, by the real worker: OpenSCAD with parameters, one plate of a project."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from fabcoord.app import create_app
from fabcoord.config import Settings
from fabcoord.lab import Lab, open_lab
from fabcoord.members import accounts
from fabcoord.members.roles import Role
from fabcoord.store.database import rows
from tests.api.conftest import Caller
from tests.designs.meshcheck.meshes import write_project

SOURCE = b"""/* [Size] */
// How wide it is
width = 10; // [5:50]
shape = "box"; // [box:A box, ball:A ball]
$fn = 12;
module it() { if (shape == "box") cube([width, 10, 10]); else sphere(width); }
it();
"""
needs_openscad = pytest.mark.skipif(
    shutil.which("openscad") is None, reason="OpenSCAD is not installed here"
)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = open_lab(Settings(tmp_path / "lab"))
    lab.store.announce = lambda run_id: None
    yield lab
    lab.store.close()


@pytest.fixture
def call(lab: Lab) -> Caller:
    return caller(lab, "Mo")


def caller(lab: Lab, name: str) -> Caller:
    with lab.store.writing() as db:
        member = accounts.create(db, name, Role.MEMBER)
        token = accounts.create_token(db, member)
    return Caller(create_app(lab.settings, lab).test_client(), token)


def work_off(lab: Lab) -> None:
    """Do what waits, as the worker would, without the pictures."""
    while True:
        with lab.store.reading() as db:
            waiting = rows(
                db, "SELECT id FROM runs WHERE state = 'queued' AND kind IN ('check', 'render')"
            )
        if not waiting:
            return
        for run in waiting:
            lab.work.execute(run["id"])


def store(call: Caller, name: str, data: bytes) -> dict[str, Any]:
    """The design with that one file."""
    sent = {"licence": "CC0-1.0", "file": (BytesIO(data), name)}
    answer = call("POST", "/designs", data=sent)
    assert answer.status_code == 201, answer.text
    return answer.json  # type: ignore[no-any-return]


def only_file(design: dict[str, Any]) -> str:
    (file,) = design["revision"]["files"]
    return str(file["id"])


def test_the_parameters_of_a_source_are_offered(call: Caller) -> None:
    file_id = only_file(store(call, "box.scad", SOURCE))
    offered = call("GET", f"/files/{file_id}/parameters").json
    assert [(one["name"], one["kind"], one["section"]) for one in offered["parameters"]] == [
        ("width", "number", "Size"), ("shape", "text", "Size"),
    ]  # fmt: skip
    assert offered["parameters"][0]["description"] == "How wide it is"
    assert offered["plates"] == []


@needs_openscad
def test_a_source_is_checked_as_what_it_makes_and_rendered_with_other_values(
    lab: Lab, call: Caller
) -> None:
    design = store(call, "box.scad", SOURCE)
    file_id = only_file(design)
    work_off(lab)
    assert call("GET", f"/files/{file_id}").json["check"]["size_mm"] == [10, 10, 10]

    asked = call("POST", f"/files/{file_id}/render", json={"parameters": {"width": 30}})
    assert (asked.status_code, asked.json["state"]) == (202, "pending")
    work_off(lab)
    done = call("GET", asked.headers["Location"]).json
    assert done["state"] == "done", done["reason"]
    made = call("GET", f"/files/{done['made_file_id']}").json
    assert made["name"] == "box (width=30.0).stl"
    assert made["derived_from"] == file_id
    assert (made["check"]["verdict"], made["check"]["size_mm"]) == ("printable", [30, 10, 10])
    revision = call("GET", f"/designs/{design['id']}").json["revision"]
    assert revision["number"] == 2
    assert [one["name"] for one in revision["files"]] == ["box.scad", "box (width=30.0).stl"]


@needs_openscad
def test_what_openscad_says_of_a_mistake_reaches_the_person(lab: Lab, call: Caller) -> None:
    file_id = only_file(store(call, "broken.scad", b"width = 10;\ncube([width, 10"))
    asked = call("POST", f"/files/{file_id}/render", json={})
    work_off(lab)
    done = call("GET", asked.headers["Location"]).json
    assert done["state"] == "failed"
    assert "syntax error" in done["reason"]
    check = call("GET", f"/files/{file_id}").json["check"]
    assert check["verdict"] == "unprintable"


def test_without_openscad_the_source_is_kept_and_a_clear_word_says_so(
    lab: Lab, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = only_file(store(call, "box.scad", SOURCE))
    monkeypatch.setenv("PATH", _path_without_openscad(lab.settings.data_dir))
    work_off(lab)
    check = call("GET", f"/files/{file_id}").json["check"]
    assert [one["code"] for one in check["findings"]] == ["openscad_missing"]
    assert call("GET", f"/files/{file_id}/content").data == SOURCE


def _path_without_openscad(folder: Path) -> str:
    """A PATH with only what the sandbox itself needs."""
    tools = folder / "tools"
    tools.mkdir()
    for name in ("setpriv", "prlimit", "nice"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    return str(tools)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"width": 51}, "width"),
        ({"width": "10; import(1)"}, "width"),
        ({"width": True}, "width"),
        ({"shape": "cone"}, "shape"),
        ({"$fn": 1000}, "$fn"),
        ({"other": 1}, "other"),
    ],
)
def test_only_values_that_are_offered_are_taken(
    call: Caller, given: dict[str, Any], field: str
) -> None:
    file_id = only_file(store(call, "box.scad", SOURCE))
    answer = call("POST", f"/files/{file_id}/render", json={"parameters": given})
    assert answer.status_code == 400
    assert [one["field"] for one in answer.json["errors"]] == [field]


def test_nothing_is_made_of_the_design_of_somebody_else(lab: Lab, call: Caller) -> None:
    file_id = only_file(store(call, "box.scad", SOURCE))
    assert caller(lab, "Zoe")("POST", f"/files/{file_id}/render", json={}).status_code == 403


def test_one_plate_of_a_project_becomes_a_file_of_its_own(
    lab: Lab, call: Caller, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "set.3mf")
    file_id = only_file(store(call, "set.3mf", project.read_bytes()))
    work_off(lab)
    check = call("GET", f"/files/{file_id}").json["check"]
    assert "several_plates" in [one["code"] for one in check["findings"]]
    plates = call("GET", f"/files/{file_id}/parameters").json["plates"]
    assert [(one["number"], one["items"]) for one in plates] == [(1, 2), (2, 1)]

    assert call("POST", f"/files/{file_id}/render", json={"plate": 3}).status_code == 400
    asked = call("POST", f"/files/{file_id}/render", json={"plate": 1})
    work_off(lab)
    done = call("GET", asked.headers["Location"]).json
    made = call("GET", f"/files/{done['made_file_id']}").json
    assert made["name"] == "set-plate-1.stl"
    assert (made["check"]["bodies"], made["check"]["size_mm"]) == (2, [60, 20, 20])


def test_a_plain_mesh_has_nothing_to_choose(call: Caller) -> None:
    file_id = only_file(call.design())
    assert call("GET", f"/files/{file_id}/parameters").json == {"parameters": [], "plates": []}
    assert call("POST", f"/files/{file_id}/render", json={"plate": 1}).status_code == 422
