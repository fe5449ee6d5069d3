"""A zip of models: what is taken, and that the rest is named."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BytesIO

from .conftest import CUBE, Caller, form


def packed(**members: bytes) -> bytes:
    data = BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_what_is_left_out_of_a_zip_is_named_in_the_note_of_the_revision(
    caller: Callable[[str], Caller],
) -> None:
    ben = caller("ben")
    data = packed(
        **{"part.stl": CUBE, "docs/readme.txt": b"x", "photo.jpg": b"x", ".DS_Store": b"x"}
    )
    sent = form("parts.zip", data, note="From the bench.")
    design = ben("POST", "/designs", data=sent).json
    assert [one["name"] for one in design["revision"]["files"]] == ["part.stl"]
    told = "Left out of the zip, for it is no model: docs/readme.txt, photo.jpg."
    assert design["revision"]["note"] == f"From the bench. {told}"
    plain = form("parts.zip", packed(**{"part.stl": CUBE}))
    assert ben("POST", "/designs", data=plain).json["revision"]["note"] == ""


def test_a_long_list_of_what_is_left_out_is_cut_short(caller: Callable[[str], Caller]) -> None:
    others = {f"{number:03}-{'n' * 100}.txt": b"x" for number in range(50)}
    sent = form("parts.zip", packed(**{"part.stl": CUBE}, **others))
    note = caller("ben")("POST", "/designs", data=sent).json["revision"]["note"]
    assert note.endswith(" and 30 more.")
    assert len(note) < 2000
