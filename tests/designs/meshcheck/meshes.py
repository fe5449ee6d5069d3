"""Meshes for the tests, made here: cubes in every format, and what can be wrong with them."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import trimesh

from fabcoord.designs.meshcheck.__main__ import check
from fabcoord.designs.meshcheck.report import CheckReport

CORPUS = Path(__file__).parents[3] / "../shared/corpus"

RELATIONSHIPS = """<?xml version="1.0"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Target="/3D/3dmodel.model" Id="r"
 Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>"""
MODEL = """<?xml version="1.0"?>{before}
<model unit="{unit}" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
 xmlns:p="http://schemas.microsoft.com/3dmanufacturing/production/2015/06" {attributes}>
<resources>{objects}</resources>{build}</model>"""


def cube(size_mm: float = 20.0) -> trimesh.Trimesh:
    mesh = trimesh.creation.box((size_mm, size_mm, size_mm))
    mesh.apply_translation((size_mm / 2,) * 3)
    return mesh


def with_hole(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces[1:], process=False)


def two_bodies() -> trimesh.Trimesh:
    other = cube()
    other.apply_translation((40, 0, 0))
    return trimesh.util.concatenate([cube(), other])


def write_stl(path: Path, triangles: np.ndarray) -> Path:
    records = b"".join(
        struct.pack("<12fH", 0, 0, 0, *(float(n) for n in corners.ravel()), 0)
        for corners in triangles
    )
    path.write_bytes(b" " * 80 + struct.pack("<I", len(triangles)) + records)
    return path


def mesh_xml(mesh: trimesh.Trimesh) -> str:
    points = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in mesh.vertices)
    faces = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in mesh.faces)
    return f"<mesh><vertices>{points}</vertices><triangles>{faces}</triangles></mesh>"


def write_3mf(
    path: Path,
    objects: str | None = None,
    build: str = '<build><item objectid="1"/></build>',
    *,
    unit: str = "millimeter",
    before: str = "",
    attributes: str = "",
    more: dict[str, str] | None = None,
) -> Path:
    if objects is None:
        objects = f'<object id="1">{mesh_xml(cube())}</object>'
    model = MODEL.format(
        unit=unit, before=before, objects=objects, build=build, attributes=attributes
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_rels/.rels", RELATIONSHIPS)
        archive.writestr("3D/3dmodel.model", model)
        for name, content in (more or {}).items():
            archive.writestr(name, content)
    return path


def checked(path: Path, out: Path) -> CheckReport:
    """The report of one file, read back from the JSON that was written."""
    check(path, path.suffix[1:].lower(), out)
    text = (out / "report.json").read_text()
    json.loads(text, parse_constant=_no_constant)
    return CheckReport.from_json(text)


def codes(report: CheckReport) -> set[str]:
    return {finding.code for finding in report.findings}


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def write_project(path: Path) -> Path:
    """A slicer's project: two cubes on the first plate, one on the second."""
    build = "".join(
        f'<item objectid="1" transform="1 0 0 0 1 0 0 0 1 {x} 0 0"/>' for x in (0, 40, 300)
    )
    plates = "".join(
        "<plate>" + "".join(
            f'<model_instance><metadata key="object_id" value="1"/>'
            f'<metadata key="instance_id" value="{n}"/></model_instance>' for n in items
        ) + "</plate>"
        for items in ((0, 1), (2,))
    )  # fmt: skip
    settings = {"Metadata/model_settings.config": f"<config>{plates}</config>"}
    return write_3mf(path, build=f"<build>{build}</build>", more=settings)
