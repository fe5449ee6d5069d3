"""3MF: units, placement, parts in other files, and what hostile ones try."""

from __future__ import annotations

from pathlib import Path

import pytest
import trimesh

from fabcoord.designs.meshcheck.report import CheckState, Verdict
from tests.designs.meshcheck.meshes import (
    MODEL,
    checked,
    codes,
    cube,
    mesh_xml,
    with_hole,
    write_3mf,
)

CUBE = f'<object id="1">{mesh_xml(cube())}</object>'


@pytest.mark.parametrize(
    ("unit", "size_mm"),
    [("inch", 508.0), ("centimeter", 200.0), ("meter", 20000.0), ("micron", 0.02)],
)
def test_the_unit_of_a_3mf_is_honoured(tmp_path: Path, unit: str, size_mm: float) -> None:
    report = checked(write_3mf(tmp_path / "part.3mf", unit=unit), tmp_path)
    assert report.verdict is Verdict.PRINTABLE
    assert report.size_mm == pytest.approx((size_mm,) * 3)


def test_items_and_components_are_placed_as_in_the_file(tmp_path: Path) -> None:
    objects = CUBE + (
        '<object id="2"><components><component objectid="1"/>'
        '<component objectid="1" transform="1 0 0 0 1 0 0 0 1 50 0 0"/></components></object>'
    )
    build = '<build><item objectid="2" transform="1 0 0 0 1 0 0 0 1 0 7 0"/></build>'
    report = checked(write_3mf(tmp_path / "part.3mf", objects, build), tmp_path)
    assert report.bodies == 2
    assert report.size_mm == pytest.approx((70, 20, 20))
    assert report.min_mm == pytest.approx((0, 7, 0))


def test_a_mirrored_item_is_not_inside_out(tmp_path: Path) -> None:
    build = '<build><item objectid="1" transform="-1 0 0 0 1 0 0 0 1 0 0 0"/></build>'
    report = checked(write_3mf(tmp_path / "part.3mf", build=build), tmp_path)
    assert (report.verdict, report.findings) == (Verdict.PRINTABLE, ())
    assert trimesh.load(tmp_path / "mesh.stl").volume == pytest.approx(8000)


def test_parts_in_separate_files_are_read(tmp_path: Path) -> None:
    part = MODEL.format(unit="millimeter", before="", objects=CUBE, build="", attributes="")
    build = '<build><item objectid="1" p:path="/3D/Objects/cube.model"/></build>'
    path = write_3mf(
        tmp_path / "part.3mf",
        "",
        build,
        attributes='requiredextensions="p"',
        more={"3D/Objects/cube.model": part},
    )
    report = checked(path, tmp_path)
    assert report.verdict is Verdict.PRINTABLE
    assert report.triangles == 12


def test_an_item_that_is_marked_not_printable_is_left_out(tmp_path: Path) -> None:
    build = '<build><item objectid="1" printable="0"/></build>'
    report = checked(write_3mf(tmp_path / "part.3mf", build=build), tmp_path)
    assert report.verdict is Verdict.UNPRINTABLE
    assert codes(report) == {"empty"}


def test_modifiers_of_a_slicers_project_are_told(tmp_path: Path) -> None:
    settings = '<config><part subtype="modifier_part"/></config>'
    path = write_3mf(tmp_path / "part.3mf", more={"Metadata/model_settings.config": settings})
    assert codes(checked(path, tmp_path)) == {"project_helpers"}


def test_a_hole_in_a_3mf_is_repairable(tmp_path: Path) -> None:
    objects = f'<object id="1">{mesh_xml(with_hole(cube()))}</object>'
    report = checked(write_3mf(tmp_path / "part.3mf", objects), tmp_path)
    assert report.verdict is Verdict.REPAIRABLE


@pytest.mark.parametrize("bad", ["nan", "inf", "1e300"])
def test_a_coordinate_that_is_no_number_is_unprintable(tmp_path: Path, bad: str) -> None:
    objects = CUBE.replace('x="20.0"', f'x="{bad}"', 1)
    assert objects != CUBE
    report = checked(write_3mf(tmp_path / "part.3mf", objects), tmp_path)
    code = "out_of_range" if bad == "1e300" else "non_finite"
    assert (report.verdict, codes(report)) == (Verdict.UNPRINTABLE, {code})


@pytest.mark.parametrize("index", ["-1", "8", "999999999", "1e3", "99999999999999999999"])
def test_an_index_that_names_no_point_is_refused(tmp_path: Path, index: str) -> None:
    objects = CUBE.replace('v1="1"', f'v1="{index}"', 1)
    assert objects != CUBE
    report = checked(write_3mf(tmp_path / "part.3mf", objects), tmp_path)
    assert (report.state, report.verdict) == (CheckState.FAILED, None)


LAUGHS = (
    '<!DOCTYPE model [<!ENTITY a "ha">'
    + "".join(
        f'<!ENTITY {here} "{f"&{before};" * 10}">'
        for before, here in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)
XXE = '<!DOCTYPE model [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
CYCLE = (
    '<object id="1"><components><component objectid="2"/></components></object>'
    '<object id="2"><components><component objectid="1"/></components></object>'
)


def doublings(levels: int) -> str:
    """Objects that each hold the one before it ten times."""
    uses = "".join(
        f'<object id="{n}"><components>'
        + f'<component objectid="{n - 1}"/>' * 10
        + "</components></object>"
        for n in range(2, levels + 2)
    )
    return CUBE + uses


@pytest.mark.parametrize(
    ("what", "arguments", "words"),
    [
        ("billion laughs", {"before": LAUGHS}, "document type"),
        ("a file of this machine", {"before": XXE}, "document type"),
        ("a cycle", {"objects": CYCLE}, "contains itself"),
        (
            "10^8 instances",
            {"objects": doublings(8), "build": '<build><item objectid="9"/></build>'},
            "10,000 objects",
        ),
        ("a dangling item", {"build": '<build><item objectid="7"/></build>'}, "not in it"),
        (
            "a part that is not there",
            {"build": '<build><item objectid="1" p:path="/3D/none.model"/></build>'},
            "not in it",
        ),
        (
            "a part outside the archive",
            {"build": '<build><item objectid="1" p:path="/../../etc/passwd"/></build>'},
            "not in it",
        ),
        ("no build", {"build": ""}, "to be built"),
        ("the same object twice", {"objects": CUBE + CUBE}, "wrong number"),
        ("an unknown unit", {"unit": "furlong"}, "furlong"),
        (
            "an extension that matters",
            {"attributes": 'xmlns:b="urn:lattice" requiredextensions="b"'},
            "urn:lattice",
        ),
        ("a NUL", {"objects": CUBE + "\0"}, "XML"),
    ],
)
def test_a_hostile_or_invalid_3mf_is_refused_before_anything_is_expanded(
    tmp_path: Path, what: str, arguments: dict[str, str], words: str
) -> None:
    report = checked(write_3mf(tmp_path / "part.3mf", **arguments), tmp_path)
    assert report.state is CheckState.FAILED, what
    assert words in report.findings[0].message
    assert not (tmp_path / "mesh.stl").exists()
