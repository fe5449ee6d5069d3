"""Bad input gets a clear word that says what to do, and leaves nothing behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from fabcoord.demo import binary_stl, box
from tests.e2e.lab import Json, RunningLab
from tests.e2e.shapes import cube, tile

pytestmark = pytest.mark.slicer

LIMIT_MB = 1
NAN, INFINITY = float("nan"), float("inf")
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200)
PAGE = b"<!DOCTYPE html>\n<html><body>Download starts in 5 seconds</body></html>"
FACET = """\
facet normal 0 0 1
outer loop
vertex 0 0 0
vertex 9 0 0
vertex 0 9 0
endloop
endfacet
"""
CUT_OFF_STL = f"solid part\n{FACET * 3}{FACET[:50]}".encode()
CUT_OFF_PLY = b"""\
ply
format ascii 1.0
element vertex 3
property float x
property float y
property float z
element face 1
property list uchar int vertex_indices
end_header
0 0 0
1 0 0
"""
TABLES = ("designs", "revisions", "files", "checks", "runs", "jobs", "idempotency")


def cube_with(corner: tuple[float, float, float]) -> bytes:
    """A cube of which one triangle has been led astray."""
    return binary_stl([*box(20, 20, 20)[1:], (corner, (20.0, 0.0, 0.0), (0.0, 20.0, 0.0))])


@pytest.fixture(scope="module")
def slicer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this lab looks for its slicer: a link, so that it can be taken away."""
    link = tmp_path_factory.mktemp("slicer") / "prusa-slicer"
    link.symlink_to(shutil.which("prusa-slicer") or "/nowhere")
    return link


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, slicer: Path) -> Iterator[RunningLab]:
    settings = f'max_upload_mb = {LIMIT_MB}\nslicer = "{slicer}"\n'
    with RunningLab(tmp_path_factory.mktemp("lab"), speed=1000, settings=settings) as lab:
        lab.start()
        undone = "SELECT id FROM runs WHERE state IN ('queued', 'running')"
        lab.until(lambda: not lab.rows(undone), "the samples are checked")
        yield lab


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("empty.stl", b"", "empty"),
        ("picture.stl", PNG, "PNG picture"),
        ("page.stl", PAGE, "web page"),
        ("short.stl", tile()[:-1], "cut off"),
        ("long.stl", tile() + b"\0", "longer than it should be"),
        ("page.3mf", PAGE, "web page"),
        ("cut-off.3mf", b"PK\x03\x04" + bytes(300), "3MF"),
        ("notes.docx", b"anything", "no format that this lab takes"),
    ],
)
def test_a_file_that_is_not_what_it_claims_is_refused(
    lab: RunningLab, name: str, data: bytes, words: str
) -> None:
    before = holdings(lab)
    answer = send(lab, name, data)
    assert words in problem(answer, 422)["detail"]
    assert holdings(lab) == before


@pytest.mark.parametrize("licence", ["", "do what you like", "GPL-17.0", "CC0-1.0 OR"])
def test_a_licence_that_is_none_is_refused(lab: RunningLab, licence: str) -> None:
    before = holdings(lab)
    answer = send(lab, "new.stl", binary_stl(box(7, 7, 7)), licence=licence)
    assert "licence" in problem(answer, 400, 422)["detail"]
    assert holdings(lab) == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer made-up"},
        {"X-Api-Key": "made-up"},
        {"Authorization": "Basic eDp5"},
    ],
    ids=["none", "wrong", "wrong key", "password"],
)
def test_without_a_good_token_nothing_is_taken(lab: RunningLab, headers: dict[str, str]) -> None:
    before = holdings(lab)
    answer = send(lab, "tile.stl", tile(), headers=headers)
    assert "token" in problem(answer, 401)["detail"].lower()
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert holdings(lab) == before


@pytest.mark.parametrize("megabytes", [1.5, 8.0])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_a_body_larger_than_the_limit_is_refused(
    lab: RunningLab, megabytes: float, announced: bool
) -> None:
    before = holdings(lab)
    answer = send(lab, "large.stl", large_stl(megabytes), chunked=not announced)
    assert "1 MB" in problem(answer, 413)["detail"]
    assert holdings(lab) == before


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("nan.stl", cube_with((NAN, 0.0, 0.0))),
        ("infinite.stl", cube_with((0.0, INFINITY, 0.0))),
        ("none.stl", binary_stl([])),
        ("none-in-words.stl", b"solid nothing\nendsolid nothing\n"),
        ("cut-off.stl", CUT_OFF_STL),
        ("cut-off.ply", CUT_OFF_PLY),
        ("cut-off.off", b"OFF\n4 4 6\n0 0 0\n10 0 0\n0 10 0\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mesh_of_which_nothing_can_be_made_never_reaches_the_slicer(
    lab: RunningLab, name: str, data: bytes
) -> None:
    slices = "SELECT id FROM runs WHERE kind = 'slice'"
    before = len(lab.rows(slices))
    design = lab.upload(data, name)
    job_id = lab.ask(design)
    reason = lab.until_job(job_id, "failed")["reason"]
    [file] = lab.get(f"/designs/{design['id']}")["revision"]["files"]
    check = file["check"]
    assert check["verdict"] == "unprintable"
    errors = [finding for finding in check["findings"] if finding["severity"] == "error"]
    assert errors
    assert reason == errors[0]["message"]
    assert not any(finding["repairable"] for finding in errors)
    assert len(lab.rows(slices)) == before
    kept = lab.request("GET", f"/files/{file['id']}/content")
    assert kept.content == data  # for its owner to see why


def test_a_part_larger_than_any_printer_needs_attention_with_the_sizes(lab: RunningLab) -> None:
    job_id = lab.ask(lab.upload(binary_stl(box(301, 20, 20)), "beam.stl"))
    reason = lab.until_job(job_id, "needs_attention")["reason"]
    assert "301" in reason  # the part
    assert "200" in reason  # the bed
    assert "Scale it down" in reason


def test_without_a_slicer_a_job_says_how_to_get_one_and_goes_on_when_it_is_there(
    lab: RunningLab, slicer: Path
) -> None:
    installed = slicer.readlink()
    slicer.unlink()
    job_id = lab.ask(lab.upload(cube(), "cube.stl"))
    reason = lab.until_job(job_id, "needs_attention")["reason"]
    assert "sudo apt install prusa-slicer" in reason
    slicer.symlink_to(installed)
    lab.post(f"/jobs/{job_id}/retry")
    lab.until_job(job_id, "awaiting_pickup")


def send(
    lab: RunningLab,
    name: str,
    data: bytes,
    *,
    licence: str = "CC0-1.0",
    chunked: bool = False,
    headers: dict[str, str] | None = None,
) -> requests.Response:
    """POST a design and hand back whatever comes."""
    request: Any = requests.Request(
        "POST",
        f"{lab.url}/api/v1/designs",
        files={"file": (name, data)},
        data={"title": "Part", "licence": licence},
        headers={"Authorization": f"Bearer {lab.token}"} if headers is None else headers,
    ).prepare()
    if chunked:
        request.body = iter([request.body])
        del request.headers["Content-Length"]
        request.headers["Transfer-Encoding"] = "chunked"
    with requests.Session() as session:
        return session.send(request, timeout=30)


def problem(answer: requests.Response, *statuses: int) -> Json:
    """The problem document that an answer must be."""
    assert answer.status_code in statuses, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: Json = answer.json()
    assert document["type"].startswith("https://")
    assert document["title"]
    assert document["status"] == answer.status_code
    assert len(document["detail"]) > 10
    return document


def holdings(lab: RunningLab) -> dict[str, int]:
    """What a lab has: rows of each table, blobs, and uploads under way."""
    rows = {name: lab.rows(f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in TABLES}  # noqa: S608
    files = [path for path in (lab.data_dir / "blobs").rglob("*") if path.is_file()]
    return rows | {"blobs and incoming": len(files)}


def large_stl(megabytes: float) -> bytes:
    triangle = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    return binary_stl([triangle] * int(megabytes * 1e6 / 50))
