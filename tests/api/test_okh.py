"""Open Know-How through the API: what goes out comes back, and REUSE finds nothing to mend."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabcoord.lab import Lab

from .conftest import CUBE, Caller, left_behind

MANIFEST = """okhv = "2.4"
name = "Lamp"
repo = "https://example.org/lamp"
version = "1.10"
license = "CC-BY-SA-4.0"
licensor = "Ann <ann@example.org>"
function = "Gives light."
export = ["models/lamp.stl"]
readme = "README.md"
licence-of-my-own = "kept"
"""
FILES = {"models/lamp.stl": CUBE, "README.md": b"# Lamp\n", "docs/steps.pdf": b"%PDF-1.7 steps"}


def pack(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return sink.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def bring(caller: Caller, files: dict[str, bytes], **fields: str) -> Any:
    sent = [(io.BytesIO(data), name) for name, data in files.items()]
    return caller("POST", "/designs/import", data={"file": sent, **fields})


def brought(caller: Caller, files: dict[str, bytes], **fields: str) -> dict[str, Any]:
    answer = bring(caller, {"lamp.zip": pack(files)}, **fields)
    assert answer.status_code == 201, answer.text
    return answer.json  # type: ignore[no-any-return]


def bundle(caller: Caller, design: dict[str, Any]) -> dict[str, bytes]:
    answer = caller("GET", f"/designs/{design['id']}/bundle")
    assert answer.status_code == 200, answer.text
    return unpack(answer.data)


def reuse_lint(files: dict[str, bytes], directory: Path) -> subprocess.CompletedProcess[str]:
    for path, data in files.items():
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    command = [sys.executable, "-m", "reuse", "--root", str(directory), "lint"]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def eve(caller: Callable[[str], Caller]) -> Caller:
    return caller("eve")


def test_a_design_leaves_as_a_bundle_with_both_manifests_and_all_hashes(ben: Caller) -> None:
    design = ben.design(title="Cube", licence="CERN-OHL-S-2.0", tags=["a"], description="A cube.")
    answer = ben("GET", f"/designs/{design['id']}/bundle")
    files = unpack(answer.data)
    toml = tomllib.loads(files["okh.toml"].decode())
    assert toml == {
        "okhv": "2.4", "name": "Cube", "repo": f"http://localhost/designs/{design['id']}",
        "version": "1", "license": "CERN-OHL-S-2.0", "licensor": "ben", "function": "A cube.",
        "tsdc": "3DP", "export": ["files/cube.stl"],
    }  # fmt: skip
    v1 = yaml.safe_load(files["okh.yml"])
    assert (v1["license"], v1["keywords"]) == ({"hardware": "CERN-OHL-S-2.0"}, ["a"])
    assert (v1["made"], v1["made-independently"]) == (False, False)
    assert files["files/cube.stl"] == CUBE
    assert b"by ben, licensed as CERN-OHL-S-2.0" in files["README.md"]
    assert len(files["SHA256SUMS"].splitlines()) == len(files) - 1
    again = ben(
        "GET", f"/designs/{design['id']}/bundle", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert again.status_code == 304


@pytest.mark.parametrize(
    "licence",
    ["CC-BY-SA-4.0", "MIT OR CERN-OHL-P-2.0", "Apache-2.0 WITH SHL-2.1", "LicenseRef-ours", "PPL"],
)
def test_reuse_finds_nothing_to_mend(ben: Caller, tmp_path: Path, licence: str) -> None:
    said = reuse_lint(bundle(ben, ben.design(licence=licence)), tmp_path / "bundle")
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_bundle_from_elsewhere_becomes_a_design_with_its_author_and_terms(
    ben: Caller, tmp_path: Path
) -> None:
    design = brought(ben, {"lamp-main/okh.toml": MANIFEST.encode()} | {
        f"lamp-main/{path}": data for path, data in FILES.items()
    })  # fmt: skip
    assert (design["title"], design["licence"], design["owner"]) == ("Lamp", "CC-BY-SA-4.0", "ben")
    assert design["attribution"] == "Ann"
    assert [file["name"] for file in design["revision"]["files"]] == ["lamp.stl"]
    assert [(one["code"], one["line"]) for one in design["findings"]] == [("unknown-key", 10)]
    files = bundle(ben, design)
    toml = tomllib.loads(files["okh.toml"].decode())
    assert toml == tomllib.loads(MANIFEST) | {"tsdc": "3DP"}
    assert {path: files[path] for path in FILES} == FILES
    assert reuse_lint(files, tmp_path / "bundle").returncode == 0


def test_a_manifest_may_come_with_its_files_side_by_side(ben: Caller) -> None:
    answer = bring(ben, {"okh.toml": MANIFEST.encode(), "lamp.stl": CUBE})
    assert answer.status_code == 201, answer.text
    assert answer.json["attribution"] == "Ann"


def test_a_v1_manifest_comes_back_with_all_that_it_said(ben: Caller) -> None:
    v1 = {
        "title": "Lamp", "description": "Gives light.", "version": "1.10", "made": True,
        "license": {"hardware": "CERN-OHL-W-2.0", "documentation": "CC-BY-4.0"},
        "licensor": {"name": "Ann", "email": "ann@example.org"}, "keywords": ["light"],
        "manifest-author": {"name": "Bob"}, "project-link": "https://example.org/lamp",
        "date-created": "2019-05-01", "design-files": [{"path": "lamp.stl", "title": "All"}],
        "disposal-instructions": "Burn it not.",
    }  # fmt: skip
    design = brought(ben, {"okh.yml": yaml.safe_dump(v1).encode(), "lamp.stl": CUBE})
    assert (design["licence"], design["tags"]) == ("CERN-OHL-W-2.0", ["light"])
    again = yaml.safe_load(ben("GET", f"/designs/{design['id']}/okh.yml").data)
    assert {key: again[key] for key in v1} == v1
    toml = tomllib.loads(ben("GET", f"/designs/{design['id']}/okh.toml").text)
    assert (toml["repo"], toml["version"]) == ("https://example.org/lamp", "1.10")
    assert toml["licensor"] == v1["licensor"]


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)
labels = st.text("abcdefgh", min_size=1, max_size=8)


@settings(
    max_examples=5, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    title=labels,
    description=words,
    tags=st.lists(labels, max_size=3, unique=True),
    licence=st.sampled_from(["CC0-1.0", "CC-BY-ND-4.0", "LicenseRef-x", "MIT AND CC-BY-4.0"]),
    attribution=words.map(str.strip),
    names=st.lists(labels.map(lambda name: f"{name}.stl"), min_size=1, max_size=3),
)
def test_a_bundle_that_is_brought_and_taken_again_has_lost_nothing(
    ben: Caller, eve: Caller, names: list[str], **fields: Any
) -> None:
    sent = [(io.BytesIO(CUBE), name) for name in names]
    answer = ben("POST", "/designs", data=fields | {"file": sent})
    assert answer.status_code == 201, answer.text
    first = bundle(ben, answer.json)
    second = bundle(eve, brought(eve, first))
    changed = {path for path in first if first[path] != second.get(path)}
    assert (changed, set(second)) == (set(), set(first))


def test_lineage_travels_with_the_bundle(ben: Caller, eve: Caller) -> None:
    parent = ben.design(title="Cube", licence="CC-BY-SA-4.0")
    child = eve("POST", f"/designs/{parent['id']}/fork", json={"licence": "GPL-3.0-only"}).json
    address = f"http://localhost/designs/{parent['id']}"
    files = bundle(eve, child)
    assert tomllib.loads(files["okh.toml"].decode())["fork-of"] == address
    copy = brought(ben, files)
    sources = json.loads(bundle(ben, copy)["fabcoord.json"])["sources"]
    assert [(one["title"], one["licence"], one["url"]) for one in sources] == [
        ("Cube", "CC-BY-SA-4.0", address)
    ]
    refused = ben("PATCH", f"/designs/{copy['id']}", json={"licence": "MIT"})
    assert refused.status_code == 422
    assert refused.json["type"].endswith("licence-conflict")
    assert refused.json["possible"] == ["GPL-3.0-only"]


def test_a_plain_copy_keeps_its_authors_terms(ben: Caller) -> None:
    design = brought(ben, {"okh.toml": MANIFEST.encode(), **FILES})
    refused = ben("PATCH", f"/designs/{design['id']}", json={"licence": "CC0-1.0"})
    assert refused.status_code == 422
    assert "'Lamp' (CC-BY-SA-4.0)" in refused.json["detail"]


def test_a_licence_in_prose_waits_for_a_person_to_choose(ben: Caller, lab: Lab) -> None:
    files = {"okh.toml": MANIFEST.replace("CC-BY-SA-4.0", "CC BY-SA").encode(), **FILES}
    refused = bring(ben, {"lamp.zip": pack(files)})
    assert refused.status_code == 400
    assert refused.json["suggestions"] == [
        {"licence": "CC-BY-SA-4.0", "assumed": "assumed: version 4.0"}
    ]
    assert left_behind(lab) == []
    assert brought(ben, files, licence="CC-BY-SA-3.0")["licence"] == "CC-BY-SA-3.0"


def test_a_bundle_whose_hashes_do_not_agree_is_refused(ben: Caller, lab: Lab) -> None:
    files = bundle(ben, ben.design())
    before = left_behind(lab)
    refused = bring(ben, {"x.zip": pack(files | {"files/cube.stl": CUBE[:-1] + b"!"})})
    assert refused.status_code == 422
    assert "was changed after the bundle was made" in refused.json["detail"]
    assert left_behind(lab) == before


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(98, 112)
)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"okh.toml": MANIFEST.encode()}, "can be printed"),
        ({"lamp.stl": CUBE}, "No Open Know-How manifest"),
        ({"okh.yml": BOMB, "lamp.stl": CUBE}, "anchors"),
        (
            {"okh.toml": b"a" + b".a" * 120_000 + b" = 1", "lamp.stl": CUBE},
            "nested deeper|more time",
        ),
        ({"okh.toml": b"x = " + b"[" * 100_000, "lamp.stl": CUBE}, "cannot be read"),
        ({"lamp.zip": b"PK\x03\x04 nothing"}, "No Open Know-How manifest|damaged|lost its end"),
        ({"lamp.zip": pack({"okh.toml": MANIFEST.encode(), "../evil.stl": CUBE})}, "outside"),
        (
            {"lamp.zip": pack({"okh.toml": MANIFEST.encode(), "a.bin": bytes(5_000_000)})},
            "more than",
        ),
    ],
    ids=["alone", "none", "aliases", "dots", "depth", "junk", "traversal", "large"],
)
def test_what_cannot_be_taken_leaves_nothing_behind(
    ben: Caller, lab: Lab, files: dict[str, bytes], words: str
) -> None:
    answer = bring(ben, files)
    assert answer.status_code == 422, answer.text
    assert re.search(words, answer.json["detail"])
    assert left_behind(lab) == []


def test_the_validator_says_where_and_how_to_mend(ben: Caller) -> None:
    text = MANIFEST.replace("CC-BY-SA-4.0", "CC BY-SA 4.0")
    said = ben("POST", "/okh/validate", json={"text": text})
    assert said.status_code == 200, said.text
    assert said.json["version"] == "2.4"
    first = said.json["findings"][0]
    assert (first["code"], first["line"], first["key"]) == ("bad-licence", 5, "license")
    assert "CC-BY-SA-4.0" in first["mend"]
    sent = ben("POST", "/okh/validate", data={"file": (io.BytesIO(text.encode()), "okh.toml")})
    assert sent.json == said.json
    broken = ben("POST", "/okh/validate", json={"text": "name = 1\nname = 2"})
    assert broken.json["version"] is None
    assert broken.json["findings"][0]["line"] == 2


def test_a_private_design_is_not_taken_away_by_others(ben: Caller, eve: Caller) -> None:
    design = brought(ben, {"okh.toml": MANIFEST.encode(), **FILES}, visibility="private")
    for what in ("okh.toml", "okh.yml", "bundle"):
        assert ben("GET", f"/designs/{design['id']}/{what}").status_code == 200
        assert eve("GET", f"/designs/{design['id']}/{what}").status_code == 404
