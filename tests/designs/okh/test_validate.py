"""The validator: what is wrong with a manifest, where, and how to mend it."""

from __future__ import annotations

import pytest

from fabcoord.designs.okh.findings import Finding
from fabcoord.designs.okh.validate import validate

GOOD = """okhv = "2.4"
name = "Lamp"
repo = "https://example.org/lamp"
version = "1.0"
license = "CERN-OHL-S-2.0"
licensor = "Ann <ann@example.org>"
function = "Gives light."
"""
GOOD_V1 = """title: Lamp
description: Gives light.
version: 1.0
license:
  hardware: CERN-OHL-S-2.0
licensor:
  name: Ann
manifest-author:
  name: Bob
project-link: https://example.org/lamp
"""


def toml(text: str, present: set[str] | None = None) -> list[Finding]:
    return validate(text.encode(), "okh.toml", present)[1]


def yaml(text: str) -> list[Finding]:
    return validate(text.encode(), "okh.yml")[1]


def test_a_good_manifest_has_no_findings() -> None:
    assert toml(GOOD) == []
    assert yaml(GOOD_V1) == []


@pytest.mark.parametrize(
    ("change", "code", "severity", "line", "mend"),
    [
        (('okhv = "2.4"', 'okhv = "9"'), "unknown-okhv", "error", 1, "2.4"),
        (('okhv = "2.4"\n', ""), "missing", "error", None, "okhv"),
        (('version = "1.0"\n', ""), "missing-version", "warning", None, "version ="),
        (('version = "1.0"', "version = 1.10"), "not-text", "error", 4, "quotes"),
        (('"CERN-OHL-S-2.0"', '"CC BY-SA 4.0"'), "bad-licence", "error", 5, "CC-BY-SA-4.0"),
        (('"CERN-OHL-S-2.0"', '"cern-ohl-s-2.0"'), "licence-spelling", "warning", 5, "CERN-OHL"),
        (('"CERN-OHL-S-2.0"', '"CC-BY-NC-4.0"'), "not-open-hardware", "warning", 5, "Keep it"),
        (('"https://example.org/lamp"', '"lamp"'), "not-an-address", "error", 3, "https://"),
        (('name = "Lamp"\n', ""), "missing", "error", None, "Shelf bracket"),
    ],
)  # fmt: skip
def test_a_line_that_is_wrong_is_pointed_at(
    change: tuple[str, str], code: str, severity: str, line: int | None, mend: str
) -> None:
    (finding,) = toml(GOOD.replace(*change))
    assert (finding.code, finding.severity, finding.line) == (code, severity, line)
    assert mend in finding.mend


@pytest.mark.parametrize(
    ("more", "code", "key"),
    [
        ("[outer-dimensions]\nwidth = '12 mm'\ndepth = 1\nheight = 1", "string-number",
         "outer-dimensions.width"),
        ("mass = '5 g'", "string-number", "mass"),
        ("forkOf = 'https://example.org/x'", "old-spelling", "forkOf"),
        ("forkOf = 'https://e.org/x'\nfork-of = 'https://e.org/x'", "given-twice", "forkOf"),
        ("organisation = 'Lab'", "old-spelling", "organisation"),
        ("export = ['/part.stl']", "leading-slash", "export[0]"),
        ("export = '../part.stl'", "path-outside", "export"),
        ("source = ['C:/part.stl']", "path-outside", "source[0]"),
        ("readme = '//evil.example'", "path-outside", "readme"),
        ("[[part]]\nname = 'Foot'\nsource = 'a.step'\nexport = 'a.stl'", "source-and-export",
         "part[0]"),
        ("[[part]]\nname = 'Foot'", "missing", "part[0]"),
        ("[[part]]\nname = 'Foot'\nexport = 'a'\n[[part]]\nexport = 'b'", "missing",
         "part[1].name"),
        ("tsdc = 'XYZ'", "unknown-value", "tsdc"),
        ("technology-readiness-level = 'OTRL-9'", "unknown-value", "technology-readiness-level"),
        ("documentation-language = 'English!'", "unknown-value", "documentation-language"),
        ("licencor = 'x'", "unknown-key", "licencor"),
        ("part = 3", "not-a-list", "part"),
        ("[[image]]\ndepicts = 'x'", "missing", "image[0].location"),
    ],
)  # fmt: skip
def test_each_trap_is_found_where_it_is(more: str, code: str, key: str) -> None:
    (finding,) = toml(GOOD + more)
    assert (finding.code, finding.key) == (code, key)
    assert finding.line is not None
    assert finding.mend


def test_a_mended_manifest_of_any_toml_version_passes() -> None:
    for version in ("OKH-LOSHv1.0", "2.3", "2.4"):
        manifest, said = validate(GOOD.replace("2.4", version).encode(), "okh.toml")
        assert said == []
        assert manifest is not None
        assert manifest.version == version


def test_files_that_did_not_come_along_are_named() -> None:
    text = (
        GOOD + "export = ['models/a.stl', 'models/b.stl', 'https://e.org/c.stl']\nreadme = 'R.md'"
    )
    said = toml(text, {"models/a.stl", "r.md"})
    assert [(one.code, one.key) for one in said] == [("file-absent", "export[1]")]


@pytest.mark.parametrize(
    ("change", "code", "key", "line"),
    [
        (("title: Lamp", "title: Lamp\ntitle: Light"), "duplicate-key", "title", 2),
        (("  hardware: CERN-OHL-S-2.0", "  hardware: GPL 3"), "bad-licence", "license.hardware", 5),
        (("license:\n  hardware: CERN-OHL-S-2.0", "license: MIT"), "not-a-table", "license", 4),
        (("project-link", "projekt-link"), "missing", "project-link", None),
        (("licensor:\n  name: Ann", "licensor: Ann"), "missing", "licensor.name", 6),
        (("title: Lamp", "title: Lamp\nmade: maybe"), "not-yes-or-no", "made", 2),
        (("title: Lamp", "title: Lamp\nbom: ../bom.csv"), "path-outside", "bom", 2),
    ],
)
def test_v1_is_judged_by_its_own_rules(
    change: tuple[str, str], code: str, key: str, line: int | None
) -> None:
    said = yaml(GOOD_V1.replace(*change))
    assert (code, key, line) == (said[0].code, said[0].key, said[0].line)


def test_what_cannot_be_read_is_one_error_with_its_line() -> None:
    manifest, said = validate(GOOD.encode() + b'name = "Again"\n', "okh.toml")
    assert manifest is None
    assert [(one.code, one.line) for one in said] == [("duplicate-key", 8)]
