"""Uploads in pieces: tus 1.0 as its text says, and what a finished upload is good for."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from werkzeug.test import TestResponse

from fabcoord.lab import Lab
from fabcoord.store.database import rows

from .conftest import CUBE, Caller, form, left_behind
from .test_conventions import PNG, problem

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = TUS | {"Content-Type": "application/offset+octet-stream"}


def meta(**pairs: str) -> str:
    return ",".join(
        f"{key} {base64.b64encode(said.encode()).decode()}" for key, said in pairs.items()
    )


def begin(who: Caller, size: int, name: str = "cube.stl", **pairs: str) -> TestResponse:
    headers = TUS | {"Upload-Length": str(size), "Upload-Metadata": meta(filename=name, **pairs)}
    return who("POST", "/uploads", headers=headers)


def send(who: Caller, place: str, offset: int, data: bytes, **headers: str) -> TestResponse:
    said = {name.replace("_", "-"): text for name, text in headers.items()}
    return who("PATCH", place, data=data, headers=PIECE | {"Upload-Offset": str(offset)} | said)


def uploaded(who: Caller, data: bytes = CUBE, name: str = "cube.stl") -> str:
    """A finished upload; its id."""
    place = begin(who, len(data), name).headers["Location"]
    assert send(who, place, 0, data).status_code == 204
    return place.rpartition("/")[2]


def offset_of(who: Caller, place: str) -> int:
    answer = who("HEAD", place, headers=TUS)
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


def sha(data: bytes, algorithm: str = "sha1") -> str:
    digest = base64.b64encode(hashlib.new(algorithm, data).digest()).decode()
    return f"{algorithm} {digest}"


def spooled(lab: Lab) -> list[str]:
    return [path.name for path in lab.settings.uploads.iterdir()]


def test_what_is_spoken_is_told_to_anybody(caller: Callable[[str], Caller]) -> None:
    answer = caller("")("OPTIONS", "/uploads")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Max-Size"] == "1000000"
    assert {"creation", "checksum", "expiration", "termination"} <= set(
        answer.headers["Tus-Extension"].split(",")
    )
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"


def test_a_file_arrives_in_pieces_and_becomes_a_design(lab: Lab, ben: Caller) -> None:
    answer = begin(ben, len(CUBE))
    assert answer.status_code == 201
    place = answer.headers["Location"]
    assert parsedate_to_datetime(answer.headers["Upload-Expires"]).tzinfo is not None
    assert offset_of(ben, place) == 0
    first = send(ben, place, 0, CUBE[:100])
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, "100")
    head = ben("HEAD", place, headers=TUS)
    assert head.headers["Upload-Length"] == str(len(CUBE))
    assert head.headers["Upload-Metadata"] == meta(filename="cube.stl")
    assert head.headers["Cache-Control"] == "no-store"
    assert send(ben, place, 100, CUBE[100:]).headers["Upload-Offset"] == str(len(CUBE))
    upload_id = place.rpartition("/")[2]

    stored = ben("POST", "/designs", json={
        "upload_id": upload_id, "licence": "CC0-1.0", "tags": ["a", "b"],
    })  # fmt: skip
    assert stored.status_code == 201, stored.text
    (file,) = stored.json["revision"]["files"]
    assert file["name"] == "cube.stl"
    assert file["sha256"] == hashlib.sha256(CUBE).hexdigest()
    assert stored.json["tags"] == ["a", "b"]
    assert ben("GET", f"/files/{file['id']}/content").data == CUBE
    assert spooled(lab) == []
    problem(ben("GET", place), 410)


def test_forms_take_uploads_and_files_side_by_side(ben: Caller) -> None:
    one, two = uploaded(ben, name="one.stl"), uploaded(ben, name="two.stl")
    answer = ben("POST", "/designs", data=form(name="three.stl", upload_id=[one, two]))
    names = [file["name"] for file in answer.json["revision"]["files"]]
    assert names == ["three.stl", "one.stl", "two.stl"]
    design = f"/designs/{answer.json['id']}/revisions"
    revised = ben("POST", design, json={"upload_id": [uploaded(ben)], "note": "Better"})
    assert revised.json["revision"]["number"] == 2


def test_an_upload_is_used_once(ben: Caller) -> None:
    upload_id = uploaded(ben)
    asked = {"upload_id": upload_id, "licence": "CC0-1.0"}
    assert ben("POST", "/designs", json=asked).status_code == 201
    problem(ben("POST", "/designs", json=asked), 410)
    other = uploaded(ben)
    problem(ben("POST", "/designs", json=asked | {"upload_id": [other, other]}), 400)


def test_what_is_refused_leaves_the_upload_to_be_used_again(lab: Lab, ben: Caller) -> None:
    upload_id = uploaded(ben)
    asked = {"upload_id": upload_id, "licence": "do what you want"}
    problem(ben("POST", "/designs", json=asked), 400)
    assert spooled(lab) == [upload_id]
    assert ben("POST", "/designs", json=asked | {"licence": "MIT"}).status_code == 201


def test_what_is_no_model_is_refused_though_it_arrived(lab: Lab, ben: Caller) -> None:
    upload_id = uploaded(ben, PNG)
    problem(ben("POST", "/designs", json={"upload_id": upload_id, "licence": "MIT"}), 422)


def test_an_unfinished_upload_is_no_file_yet(ben: Caller) -> None:
    place = begin(ben, len(CUBE)).headers["Location"]
    upload_id = place.rpartition("/")[2]
    problem(ben("POST", "/designs", json={"upload_id": upload_id, "licence": "MIT"}), 409)


def test_only_its_owner_knows_of_an_upload(ben: Caller, caller: Callable[[str], Caller]) -> None:
    place = begin(ben, len(CUBE)).headers["Location"]
    for who in ("eve", "staff", "admin"):
        other = caller(who)
        assert other("HEAD", place, headers=TUS).status_code == 404
        problem(send(other, place, 0, CUBE), 404)
        problem(other("DELETE", place, headers=TUS), 404)
        assert other("GET", "/uploads").json["items"] == []
    assert caller("kiosk")("HEAD", place, headers=TUS).status_code == 403
    assert caller("")("HEAD", place, headers=TUS).status_code == 401
    upload_id = uploaded(ben)
    asked = {"upload_id": upload_id, "licence": "MIT"}
    problem(caller("eve")("POST", "/designs", json=asked), 404)
    assert offset_of(ben, place) == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Tus-Resumable": "0.2.2", "Upload-Length": "1"}, 412),
        ({"Upload-Length": "1"}, 412),
        (TUS, 400),
        (TUS | {"Upload-Length": "-1"}, 400),
        (TUS | {"Upload-Length": "1e3"}, 400),
        (TUS | {"Upload-Length": "٣"}, 400),
        (TUS | {"Upload-Length": "9" * 30}, 400),
        (TUS | {"Upload-Length": "1000001"}, 413),
        (TUS | {"Upload-Length": "1", "Upload-Metadata": "a b c"}, 400),
        (TUS | {"Upload-Length": "1", "Upload-Metadata": "a YQ==,a YQ=="}, 400),
        (TUS | {"Upload-Length": "1", "Upload-Metadata": "a " + "YQ" * 4000}, 400),
        (TUS | {"Upload-Length": "1", "Upload-Metadata": "sha256 YQ=="}, 400),
    ],
    ids=str,
)  # fmt: skip
def test_a_beginning_that_makes_no_sense_is_refused(
    lab: Lab, ben: Caller, headers: dict[str, str], status: int
) -> None:
    answer = ben(
        "POST", "/uploads", headers={k: v.encode().decode("latin-1") for k, v in headers.items()}
    )
    problem(answer, status)
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    if status == 412:
        assert answer.headers["Tus-Version"] == "1.0.0"
    assert left_behind(lab) == []


def test_a_piece_goes_where_the_upload_stands_and_nowhere_else(ben: Caller) -> None:
    place = begin(ben, len(CUBE)).headers["Location"]
    send(ben, place, 0, CUBE[:50])
    for offset in (0, 49, 51, 10**6):
        answer = send(ben, place, offset, CUBE[50:60])
        problem(answer, 409)
        assert answer.json["offset"] == 50
    problem(send(ben, place, 50, CUBE), 413)
    problem(ben("PATCH", place, data=b"x", headers=TUS | {"Upload-Offset": "50"}), 415)
    problem(ben("PATCH", place, data=b"x", headers=PIECE), 400)
    assert offset_of(ben, place) == 50


def test_a_piece_with_a_wrong_checksum_is_dropped_whole(ben: Caller) -> None:
    place = begin(ben, len(CUBE)).headers["Location"]
    assert send(ben, place, 0, CUBE[:80], Upload_Checksum=sha(CUBE[:80])).status_code == 204
    problem(send(ben, place, 80, CUBE[80:], Upload_Checksum=sha(CUBE)), 460)
    assert offset_of(ben, place) == 80
    problem(send(ben, place, 80, CUBE[80:], Upload_Checksum="crc32 abcd"), 400)
    problem(send(ben, place, 80, CUBE[80:], Upload_Checksum="sha1 !"), 400)
    right = sha(CUBE[80:], "sha256")
    assert send(ben, place, 80, CUBE[80:], Upload_Checksum=right).status_code == 204
    upload = ben("GET", place).json
    assert upload["sha256"] == hashlib.sha256(CUBE).hexdigest()


def test_a_file_that_is_not_the_announced_one_is_refused(lab: Lab, ben: Caller) -> None:
    place = begin(ben, len(CUBE), sha256="0" * 64).headers["Location"]
    problem(send(ben, place, 0, CUBE), 460)
    problem(ben("GET", place), 404)
    assert left_behind(lab) == []


def test_a_body_that_is_cut_keeps_what_came(ben: Caller) -> None:
    place = begin(ben, len(CUBE)).headers["Location"]

    def send_cut(offset: int, came: bytes, said: int, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return ben(
            "PATCH", place, input_stream=io.BytesIO(came),
            headers=PIECE | {"Upload-Offset": str(offset)} | named,
            environ_overrides={"CONTENT_LENGTH": str(said)},
        )  # fmt: skip

    assert send_cut(0, CUBE[:300], len(CUBE)).headers["Upload-Offset"] == "300"
    left = len(CUBE) - 300
    problem(send_cut(300, CUBE[300:400], left, Upload_Checksum=sha(CUBE[300:400])), 460)
    assert send(ben, place, 300, CUBE[300:]).status_code == 204
    assert ben("GET", place).json["sha256"] == hashlib.sha256(CUBE).hexdigest()


def test_bytes_can_come_with_the_beginning(ben: Caller) -> None:
    headers = PIECE | {"Upload-Length": str(len(CUBE)), "Upload-Metadata": meta(filename="a.stl")}
    answer = ben("POST", "/uploads", data=CUBE[:84], headers=headers)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "84")
    whole = ben("POST", "/uploads", data=CUBE, headers=headers)
    assert whole.json["complete"]
    nothing = begin(ben, 0)
    assert nothing.json["complete"]


def test_the_length_may_be_said_later(ben: Caller) -> None:
    answer = ben("POST", "/uploads", headers=TUS | {"Upload-Defer-Length": "1"})
    place = answer.headers["Location"]
    assert ben("HEAD", place, headers=TUS).headers["Upload-Defer-Length"] == "1"
    send(ben, place, 0, CUBE[:10])
    problem(send(ben, place, 10, b"", Upload_Length="5"), 400)
    problem(send(ben, place, 10, b"", Upload_Length="1000001"), 413)
    assert send(ben, place, 10, CUBE[10:], Upload_Length=str(len(CUBE))).status_code == 204
    assert ben("GET", place).json["complete"]


def test_who_can_only_post_says_what_is_meant(ben: Caller) -> None:
    place = begin(ben, len(CUBE)).headers["Location"]
    meant = PIECE | {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0"}
    assert ben("POST", place, data=CUBE[:9], headers=meant).headers["Upload-Offset"] == "9"
    problem(ben("POST", place, headers=TUS), 400)
    gone = ben("POST", place, headers=TUS | {"X-HTTP-Method-Override": "DELETE"})
    assert gone.status_code == 204
    assert ben("HEAD", place, headers=TUS).status_code == 404


def test_an_upload_that_is_taken_back_leaves_nothing(lab: Lab, ben: Caller) -> None:
    place = begin(ben, len(CUBE)).headers["Location"]
    send(ben, place, 0, CUBE[:100])
    assert ben("DELETE", place, headers=TUS).status_code == 204
    problem(send(ben, place, 100, CUBE[100:]), 404)
    assert left_behind(lab) == []


def test_what_nobody_finishes_runs_out(lab: Lab, ben: Caller) -> None:
    place = begin(ben, len(CUBE)).headers["Location"]
    send(ben, place, 0, CUBE[:100])
    lab.uploads.remove_expired()
    assert offset_of(ben, place) == 100
    with lab.store.writing() as db:
        db.conn.execute("UPDATE uploads SET expires_at = '2020-01-01T00:00:00.000Z'")
    problem(send(ben, place, 100, CUBE[100:]), 410)
    lab.uploads.remove_expired()
    problem(ben("GET", place), 404)
    assert left_behind(lab) == []


def test_a_member_has_only_so_many_open(
    lab: Lab, ben: Caller, caller: Callable[[str], Caller]
) -> None:
    lab.uploads.limits = replace(lab.uploads.limits, most_open=3, most_open_bytes=1_500_000)
    places = [begin(ben, 10).headers["Location"] for _ in range(3)]
    problem(begin(ben, 10), 429)
    assert begin(caller("eve"), 10).status_code == 201
    for place in places[:2]:
        ben("DELETE", place, headers=TUS)
    assert begin(ben, 900_000).status_code == 201
    problem(begin(ben, 900_000), 429)
    items = ben("GET", "/uploads").json["items"]
    assert [item["size"] for item in items] == [900_000, 10]


def test_bytes_that_the_lab_shows_anyway_are_not_sent_again(
    lab: Lab, ben: Caller, caller: Callable[[str], Caller]
) -> None:
    caller("eve").design()
    answer = begin(ben, len(CUBE), "mine.stl", sha256=hashlib.sha256(CUBE).hexdigest())
    assert answer.headers["Upload-Offset"] == str(len(CUBE))
    assert answer.json["duplicate"]
    assert spooled(lab) == []
    place, upload_id = answer.headers["Location"], answer.json["id"]
    assert offset_of(ben, place) == len(CUBE)
    assert send(ben, place, len(CUBE), b"").status_code == 204
    problem(send(ben, place, 0, CUBE), 409)
    stored = ben("POST", "/designs", json={"upload_id": upload_id, "licence": "MIT"})
    (file,) = stored.json["revision"]["files"]
    assert (file["name"], file["sha256"]) == ("mine.stl", hashlib.sha256(CUBE).hexdigest())


def test_nobody_learns_what_private_designs_hold(
    lab: Lab, ben: Caller, caller: Callable[[str], Caller]
) -> None:
    eve = caller("eve")
    design = eve.design()
    with lab.store.writing() as db:
        db.conn.execute("UPDATE designs SET visibility = 'private'")
    announced = {"sha256": hashlib.sha256(CUBE).hexdigest()}
    assert not begin(ben, len(CUBE), **announced).json["complete"]
    assert begin(eve, len(CUBE), **announced).json["complete"]
    assert not begin(eve, len(CUBE) + 1, **announced).json["complete"]
    eve("DELETE", f"/designs/{design['id']}")
    assert not begin(eve, len(CUBE), **announced).json["complete"]


def packed(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("by_upload", [True, False])
def test_a_zip_becomes_the_models_in_it(lab: Lab, ben: Caller, by_upload: bool) -> None:
    archive = packed(**{
        "kit/README.txt": b"Print two.", "kit/left/part.stl": CUBE, "kit/right/part.stl": CUBE,
        "kit/lid.stl": CUBE, "__MACOSX/kit/._lid.stl": b"junk", "kit/photo.png": PNG,
    })  # fmt: skip
    given: dict[str, Any] = form(name="kit.zip", data=archive)
    if by_upload:
        given = {"licence": "CC0-1.0", "upload_id": uploaded(ben, archive, "kit.zip")}
    answer = ben("POST", "/designs", data=given)
    assert answer.status_code == 201, answer.text
    names = [file["name"] for file in answer.json["revision"]["files"]]
    assert sorted(names) == ["kit - left - part.stl", "kit - right - part.stl", "lid.stl"]
    assert spooled(lab) == []
    assert list(lab.settings.work_dir.glob("unpack-*")) == []


@pytest.mark.parametrize(
    "archive",
    [
        packed(**{"readme.txt": b"nothing"}),
        packed(**{"../out.stl": CUBE}),
        packed(**{"bomb.stl": bytes(3_000_000)}),
        packed(**{"a.stl": CUBE})[:-30],
        packed(**{"a.stl": CUBE, "b.stl": PNG}),
        packed(**{f"{number}.stl": CUBE for number in range(201)}),
    ],
    ids=["no model", "traversal", "bomb", "cut", "no stl", "too many"],
)
def test_a_zip_that_will_not_do_is_refused(lab: Lab, ben: Caller, archive: bytes) -> None:
    problem(ben("POST", "/designs", data=form(name="kit.zip", data=archive)), 422)
    assert left_behind(lab) == []


def test_what_a_crash_left_between_two_steps_is_cleared_away(lab: Lab, ben: Caller) -> None:
    upload_id = uploaded(ben)
    orphan = lab.settings.uploads / "0123456789ab"
    orphan.write_bytes(b"left")
    for path in lab.settings.uploads.iterdir():
        os.utime(path, (0, 0))
    lab.uploads.remove_expired()
    assert spooled(lab) == [upload_id]


def test_uploads_tell_of_themselves_without_names(lab: Lab, ben: Caller) -> None:
    uploaded(ben, name="secret.stl")
    with lab.store.reading() as db:
        told = rows(db, "SELECT kind, data FROM events WHERE kind LIKE 'upload.%'")
    assert [one["kind"] for one in told] == ["upload.created", "upload.completed"]
    assert "secret" not in str(told)
