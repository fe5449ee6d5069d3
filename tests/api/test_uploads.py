"""Uploads: what is stored, what is refused, and that a refusal leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from fabcoord.lab import Lab
from fabcoord.store.database import rows

from .conftest import CUBE, Caller, form, left_behind
from .test_conventions import PNG, problem

BOUNDARY = "x"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def test_a_design_is_stored_with_its_words_and_its_file_waits_for_the_check(ben: Caller) -> None:
    answer = ben(
        "POST", "/designs",
        data=form(title="Cube", description="20 mm", tags=["Test", "cube "], attribution="Ada"),
    )  # fmt: skip
    design = answer.json
    assert answer.headers["Location"] == f"/api/v1/designs/{design['id']}"
    assert (design["title"], design["owner"], design["licence"]) == ("Cube", "ben", "CC0-1.0")
    assert design["tags"] == ["test", "cube"]
    (file,) = design["revision"]["files"]
    assert (file["name"], file["size"], file["format"]) == ("cube.stl", len(CUBE), "stl")
    assert (file["state"], file["check"]["state"]) == ("checking", "pending")
    assert ben("GET", answer.headers["Location"]).json == design


def test_a_revision_is_added_and_the_old_one_stays(ben: Caller) -> None:
    path = f"/designs/{ben.design()['id']}"
    two = {"file": [(BytesIO(CUBE), "a.stl"), (BytesIO(CUBE), "b.stl")], "note": "Two of them"}
    answer = ben("POST", f"{path}/revisions", data=two)
    assert answer.status_code == 201
    assert answer.json["revision"]["number"] == 2
    assert [one["name"] for one in answer.json["revision"]["files"]] == ["a.stl", "b.stl"]
    numbers = [one["number"] for one in ben("GET", f"{path}/revisions").json["items"]]
    assert numbers == [2, 1]


def test_the_bytes_come_back_as_something_that_no_browser_runs(ben: Caller) -> None:
    file = ben.design()["revision"]["files"][0]
    answer = ben("GET", f"/files/{file['id']}/content")
    assert answer.data == CUBE
    assert answer.mimetype == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["ETag"] == f'"{file["sha256"]}"'
    same = ben(
        "GET", f"/files/{file['id']}/content", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert same.status_code == 304


@pytest.mark.parametrize(
    ("asked", "status", "got"),
    [
        ("bytes=0-9", 206, CUBE[:10]),
        ("bytes=80-", 206, CUBE[80:]),
        ("bytes=-4", 206, CUBE[-4:]),
        ("bytes=0-0", 206, CUBE[:1]),
    ],
)
def test_a_part_of_a_file_can_be_asked_for(
    ben: Caller, asked: str, status: int, got: bytes
) -> None:
    file = ben.design()["revision"]["files"][0]
    answer = ben("GET", f"/files/{file['id']}/content", headers={"Range": asked})
    assert (answer.status_code, answer.data) == (status, got)


def test_a_part_beyond_the_end_is_refused(ben: Caller) -> None:
    file = ben.design()["revision"]["files"][0]
    answer = ben("GET", f"/files/{file['id']}/content", headers={"Range": "bytes=99999-"})
    problem(answer, 416)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd.stl",
        "..\\..\\windows\\cube.stl",
        "/etc/cron.d/cube.stl",
        "nul\x00byte.stl",
        "\u202egnp.stl",
        "<img src=x onerror=alert(1)>.stl",
        "x" * 300 + ".stl",
        "ü" * 300 + ".stl",
        'quote".stl',
        "semi;colon.stl",
        "CON.stl",
        ".stl",
        "line\r\nX-Evil: yes.stl",
    ],
    ids=lambda name: ascii(name[:20]),
)
def test_a_hostile_name_is_only_ever_shown(lab: Lab, ben: Caller, name: str) -> None:
    answer = ben("POST", "/designs", data=form(name=name))
    if answer.status_code >= 400:
        problem(answer, answer.status_code)
        assert answer.status_code < 500
        assert left_behind(lab) == []
        return
    (file,) = answer.json["revision"]["files"]
    shown = file["name"]
    assert 0 < len(shown) <= 200
    assert shown.isprintable()
    assert "/" not in shown
    assert "\\" not in shown
    content = ben("GET", f"/files/{file['id']}/content")
    assert content.status_code == 200
    assert "X-Evil" not in content.headers
    (blob,) = (path for path in lab.settings.data_dir.rglob("*") if path.name == file["sha256"])
    assert blob.is_relative_to(lab.settings.blobs)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"data": b""}, 422),
        ({"data": PNG}, 422),
        ({"data": b"<!doctype html><html>"}, 422),
        ({"data": CUBE[:-1]}, 422),
        ({"data": CUBE + b"\0"}, 422),
        ({"name": "cube.exe"}, 422),
        ({"name": ""}, 422),
        ({"licence": ""}, 400),
        ({"licence": "do what you want"}, 400),
        ({"title": "x" * 201}, 400),
        ({"owner": "admin"}, 400),
        ({"picture": (BytesIO(PNG), "a.png")}, 400),
        ({"data": bytes(1_000_001)}, 413),
        ({"description": "x" * 1_100_000}, 413),
    ],
    ids=lambda one: str(one)[:30],
)
def test_what_is_refused_leaves_nothing_behind(
    lab: Lab, ben: Caller, fields: dict[str, Any], status: int
) -> None:
    problem(ben("POST", "/designs", data=form(**fields)), status)
    assert left_behind(lab) == []


def test_one_bad_file_among_good_ones_refuses_them_all(lab: Lab, ben: Caller) -> None:
    files = [(BytesIO(CUBE), "a.stl"), (BytesIO(PNG), "b.stl")]
    problem(ben("POST", "/designs", data={"licence": "CC0-1.0", "file": files}), 422)
    assert left_behind(lab) == []


def test_a_revision_of_what_is_not_there_leaves_nothing(lab: Lab, ben: Caller) -> None:
    problem(ben("POST", "/designs/nowhere/revisions", data=form(licence=[])), 404)
    assert left_behind(lab) == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", MULTIPART),
        (b"garbage", MULTIPART),
        (b"--x\r\n", MULTIPART),
        (b"--x\r\nContent-Disposition: form-data; name=file; filename=a.stl\r\n\r\nabc", MULTIPART),
        (b"--x\r\n\r\nno header\r\n--x--\r\n", MULTIPART),
        (b"--x\r\n" + b"A: b\r\n" * 50_000 + b"\r\n--x--", MULTIPART),
        (CUBE, {"Content-Type": "multipart/form-data"}),
        (CUBE, {"Content-Type": "model/stl"}),
        (b"licence=CC0-1.0", {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"", {}),
    ],
    ids=lambda one: repr(one)[:40],
)
def test_a_form_that_is_none_is_refused(
    lab: Lab, ben: Caller, body: bytes, headers: dict[str, str]
) -> None:
    answer = ben("POST", "/designs", data=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.mimetype == "application/problem+json"
    assert left_behind(lab) == []


def test_ten_thousand_parts_are_refused(lab: Lab, ben: Caller) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="tags"\r\n\r\na\r\n'
    answer = ben("POST", "/designs", data=part * 10_000 + b"--x--\r\n", headers=MULTIPART)
    problem(answer, 413)
    assert left_behind(lab) == []


@pytest.mark.parametrize(
    "query", ['"', "*", "cube OR", "NEAR(", "title:cube", "-", "(", "a" * 5000, "' OR 1=1 --", "\0"]
)
def test_a_search_is_words_and_never_syntax(ben: Caller, query: str) -> None:
    ben.design(title="Cube")
    assert ben("GET", "/designs", query_string={"q": query}).status_code == 200


def test_designs_are_found_by_what_they_say(ben: Caller, caller: Callable[[str], Caller]) -> None:
    knob = ben.design(title="Drehknopf für Öfen", tags=["spare part"], description="aus PETG")
    caller("eve").design(title="Cube", licence="CERN-OHL-S-2.0")
    wanted = [knob["id"]]
    for query in ("q=ofen", "q=DREHKN", "q=petg+knopf*+dreh", "tag=Spare+Part", "owner=ben"):
        found = [item["id"] for item in ben("GET", f"/designs?{query}").json["items"]]
        assert found == (wanted if "knopf" not in query else []), query
    (item,) = ben("GET", "/designs?licence=CERN-OHL-S-2.0").json["items"]
    assert item["owner"] == "eve"


def test_gcode_is_kept_for_its_sender_and_not_listed_for_others(
    ben: Caller, caller: Callable[[str], Caller]
) -> None:
    assert "OctoPrint" in ben("GET", "/api/version").json["text"]
    gcode = (BytesIO(b"G28\nG1 X1\n"), "part.gcode")
    caller("staff")("POST", "/printers", json={
        "name": "Left", "machine": "demo", "driver": "virtual", "settings": {},
    })  # fmt: skip
    answer = ben("POST", "/api/files/local", data={"file": gcode, "print": "true"})
    assert answer.status_code == 201, answer.text
    assert answer.json["done"] is True
    assert len(ben("GET", "/designs").json["items"]) == 1
    assert caller("eve")("GET", "/designs").json["items"] == []
    (job,) = ben("GET", "/jobs").json["items"]
    assert (job["member"], job["machine"]) == ("ben", "demo")


def test_only_gcode_may_be_sent_as_a_print(lab: Lab, ben: Caller) -> None:
    problem(ben("POST", "/api/files/local", data={"file": (BytesIO(CUBE), "cube.stl")}), 422)
    assert left_behind(lab) == []


def test_a_file_is_checked_and_pictured_by_what_runs_in_the_background(
    lab: Lab, ben: Caller
) -> None:
    file = ben.design()["revision"]["files"][0]
    problem(ben("GET", file["preview_url"]), 404)
    for kind in ("check", "pictures"):
        with lab.store.reading() as db:
            (run,) = rows(db, "SELECT id FROM runs WHERE kind = ?", (kind,))
        lab.work.execute(run["id"])
    file = ben("GET", f"/files/{file['id']}").json
    assert (file["state"], file["check"]["verdict"]) == ("ready", "printable")
    assert file["check"]["size_mm"] == [20, 20, 20]
    picture = ben("GET", file["preview_url"])
    assert (picture.mimetype, picture.data[:4]) == ("image/png", b"\x89PNG")
    assert ben("GET", f"/files/{file['id']}/mesh.stl").status_code == 200
