"""What there is to look at of a file, as programs and browsers ask for it."""

from __future__ import annotations

import json

from fabcoord.designs import previews
from fabcoord.lab import Lab

from .conftest import Caller

BROWSER = {"Accept": "image/avif,image/webp,image/*,*/*;q=0.8"}


def test_a_picture_that_is_to_come_is_a_drawing_for_browsers_and_a_problem_for_programs(
    ben: Caller,
) -> None:
    address = ben.design()["revision"]["files"][0]["preview_url"]
    told = ben("GET", address)
    assert (told.status_code, told.mimetype) == (404, "application/problem+json")
    drawn = ben("GET", address, headers=BROWSER)
    assert (drawn.status_code, drawn.mimetype) == (202, "image/svg+xml")
    assert "no-store" in drawn.headers["Cache-Control"]
    assert "sandbox" in drawn.headers["Content-Security-Policy"]


def test_an_angle_or_theme_that_there_is_not_is_named(ben: Caller) -> None:
    address = ben.design()["revision"]["files"][0]["preview_url"]
    for wrong in ("angle=behind", "theme=pink"):
        told = ben("GET", f"{address}?{wrong}")
        assert told.status_code == 400
        assert wrong.partition("=")[2] in told.json["detail"]  # type: ignore[index]


def test_marks_come_as_they_were_kept_and_are_none_at_first(lab: Lab, ben: Caller) -> None:
    file = ben.design()["revision"]["files"][0]
    address = f"/files/{file['id']}/marks.json"
    assert ben("GET", address).json == {"items": []}
    item = {"code": "open_edges", "severity": "error", "message": "A hole.", "marks": [[0, 1, 2]]}
    blob = lab.blobs.add(json.dumps({"items": [item]}).encode())
    with lab.store.writing() as db:
        previews.keep_marks(db, file["sha256"], "stl", blob)
    assert ben("GET", address).json == {"items": [item]}


def test_the_pictures_that_were_made_are_told_apart(lab: Lab, ben: Caller) -> None:
    file = ben.design()["revision"]["files"][0]
    with lab.store.writing() as db:
        for kind in ("front-light", "front-dark", "marked-light", "marked-open_edges-light"):
            db.conn.execute(
                "INSERT INTO previews VALUES (?, 'stl', ?, ?)",
                (file["sha256"], kind, lab.blobs.add(kind.encode())),
            )
    asked = {
        "angle=front": b"front-light",
        "angle=front&theme=dark": b"front-dark",
        "marks=all": b"marked-light",
        "marks=open_edges": b"marked-open_edges-light",
        "marks=no_such_code": b"marked-light",
    }
    for words, content in asked.items():
        assert ben("GET", f"{file['preview_url']}?{words}").data == content
