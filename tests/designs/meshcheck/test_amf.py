"""AMF: plain and zipped, units, volumes, constellations."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import trimesh

from fabcoord.designs.meshcheck.report import Verdict
from tests.designs.meshcheck.meshes import checked, cube

AMF = '<?xml version="1.0" encoding="utf-8"?><amf unit="{unit}" version="1.1">{inner}</amf>'


def object_xml(identity: str, mesh: trimesh.Trimesh) -> str:
    points = "".join(
        f"<vertex><coordinates><x>{x}</x><y>{y}</y><z>{z}</z></coordinates></vertex>"
        for x, y, z in mesh.vertices
    )
    half = len(mesh.faces) // 2
    volumes = "".join(
        "<volume>" + "".join(
            f"<triangle><v1>{a}</v1><v2>{b}</v2><v3>{c}</v3></triangle>" for a, b, c in faces
        ) + "</volume>"
        for faces in (mesh.faces[:half], mesh.faces[half:])
    )  # fmt: skip
    inner = f"<mesh><vertices>{points}</vertices>{volumes}</mesh>"
    return f'<object id="{identity}">{inner}</object>'


def write_amf(path: Path, inner: str, unit: str = "millimeter") -> Path:
    path.write_text(AMF.format(unit=unit, inner=inner))
    return path


@pytest.mark.parametrize(
    ("unit", "factor"), [("millimeter", 1), ("inch", 25.4), ("meter", 1000), ("feet", 304.8)]
)
def test_the_volumes_of_an_object_are_one_closed_body_in_its_unit(
    tmp_path: Path, unit: str, factor: float
) -> None:
    report = checked(write_amf(tmp_path / "part.amf", object_xml("0", cube(2)), unit), tmp_path)
    assert (report.verdict, report.bodies, report.triangles) == (Verdict.PRINTABLE, 1, 12)
    assert report.size_mm == pytest.approx((2 * factor,) * 3)


def test_a_zipped_one_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "part.amf"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("part.amf", AMF.format(unit="millimeter", inner=object_xml("0", cube())))
    assert checked(path, tmp_path).volume_mm3 == pytest.approx(8000)


def test_a_constellation_turns_and_moves_and_its_objects_are_not_built_besides(
    tmp_path: Path,
) -> None:
    bar = trimesh.creation.box(bounds=[[0, 0, 0], [30, 10, 5]])
    instances = (
        '<instance objectid="1"><deltax>100</deltax></instance>'
        '<instance objectid="1"><deltay>7</deltay><rz>90</rz></instance>'
    )
    inner = object_xml("1", bar) + f'<constellation id="2">{instances}</constellation>'
    report = checked(write_amf(tmp_path / "part.amf", inner), tmp_path)
    assert report.bodies == 2
    assert report.min_mm == pytest.approx((-10, 0, 0), abs=1e-4)
    assert report.size_mm == pytest.approx((140, 37, 5), abs=1e-4)


def test_turning_is_about_x_then_y_then_z(tmp_path: Path) -> None:
    bar = trimesh.creation.box(bounds=[[0, 0, 0], [30, 20, 10]])
    turned = bar.copy()
    for axis in ([1, 0, 0], [0, 1, 0], [0, 0, 1]):
        turned.apply_transform(trimesh.transformations.rotation_matrix(0.5, axis))
    angle = 28.64788975654116  # 0.5 rad
    instance = f"<rx>{angle}</rx><ry>{angle}</ry><rz>{angle}</rz>"
    inner = object_xml("1", bar) + (
        f'<constellation id="2"><instance objectid="1">{instance}</instance></constellation>'
    )
    report = checked(write_amf(tmp_path / "part.amf", inner), tmp_path)
    assert report.min_mm == pytest.approx(turned.bounds[0], abs=1e-4)
    assert report.size_mm == pytest.approx(turned.extents, abs=1e-4)
