"""Judges a soup of triangles: numpy measures it, manifold3d has the last word on closedness."""

from __future__ import annotations

from dataclasses import dataclass

import manifold3d
import numpy as np
import numpy.typing as npt

from fabcoord.designs.meshcheck.report import CheckReport, CheckState, Finding, Severity, Verdict
from fabcoord.designs.meshcheck.soup import Doubles, Floats, Indices, Soup
from fabcoord.designs.meshcheck.topology import (
    Surface,
    build_surface,
    find_shells,
    loose_faces,
    measure,
)
from fabcoord.errors import UnreadableFile

MANIFOLD_TRIANGLES = 2_000_000  # manifold3d needs 350 MB for each million; past this, edges judge
HUGE_MM = 1000.0
TINY_MM = 1.0
INCH_SUSPECT_MM = 10.0
_FLAT = 1e-9  # of the volume that area and extent could enclose
_CAVITY_PAIRS = 4_000_000  # shells compared with shells; past it, inner ones count as cavities


@dataclass(frozen=True, slots=True)
class Judgement:
    """The report, and the mesh to slice: (n, 3, 3) in mm; None when nothing can be printed."""

    report: CheckReport
    print_mesh: Floats | None


def judge(soup: Soup) -> Judgement:
    """Judge a file's triangles. Raises UnreadableFile for a mesh that has lost its end."""
    if soup.non_finite:
        return _nothing_to_measure(_non_finite(soup), len(soup.triangles))
    if not len(soup.triangles) and not soup.cut_off:
        return _nothing_to_measure(_EMPTY, 0)
    surface = build_surface(soup.triangles)
    closed = _is_accepted(surface)
    if soup.cut_off and not closed:
        raise UnreadableFile(
            "The file ends before the model is complete.", hint="Export or download it again."
        )
    if not len(surface.faces):
        return _nothing_to_measure(_EMPTY, len(soup.triangles))
    shells = _Shells.of(surface, turn=closed)
    findings = _blocking(surface, shells) or _topology(surface, closed)
    verdict = _verdict(findings, closed)
    findings += _notes(soup, surface, shells)
    mesh = None if verdict is Verdict.UNPRINTABLE else shells.facing_out
    low, high = _bounds(surface.vertices[surface.faces])
    report = CheckReport(
        state=CheckState.DONE,
        verdict=verdict,
        findings=tuple(findings),
        triangles=len(soup.triangles),
        bodies=shells.bodies,
        volume_mm3=round(abs(shells.volume_mm3), 6),
        area_mm2=round(shells.area_mm2, 6),
        size_mm=_triple(high - low),
        min_mm=_triple(low),
        watertight=closed or not (surface.edges.open.any() or surface.edges.crowded.any()),
    )
    return Judgement(report, mesh)


def _is_accepted(surface: Surface) -> bool:
    """Whether the surface is closed and consistent, by manifold3d where that fits into memory."""
    if not len(surface.faces):
        return False
    if len(surface.faces) > MANIFOLD_TRIANGLES:
        return bool((surface.edges.forward == surface.edges.backward).all())
    mesh = manifold3d.Mesh(surface.vertices, surface.faces.astype(np.uint32))
    solid = manifold3d.Manifold(mesh)
    return bool(solid.status() == manifold3d.Error.NoError and not solid.is_empty())


@dataclass(frozen=True, slots=True)
class _Shells:
    """The connected pieces of a surface and which way they face."""

    bodies: int  # shells, those that are cavities inside others not counted
    turned: int  # shells whose faces looked inward
    volume_mm3: float
    area_mm2: float
    facing_out: Floats  # (n, 3, 3), every body turned so that its faces look outward

    @classmethod
    def of(cls, surface: Surface, *, turn: bool) -> _Shells:
        """Measure the shells; turn the inverted ones only where inside and outside are certain."""
        triangles = surface.triangles
        volumes, area_mm2 = measure(triangles)
        shell = find_shells(surface.faces, surface.edges, len(surface.vertices))
        count = int(shell.max()) + 1
        volume: Doubles = np.bincount(shell, volumes, count).astype(np.float64)
        sign = -1.0 if volume.sum() < 0 else 1.0
        cavity = _cavities(triangles, shell, volume * sign)
        turned = (volume < 0) if sign > 0 else (volume > 0)
        turned &= ~cavity
        if sign < 0:
            turned = ~turned
        turned &= turn
        flip = turned[shell]
        out = triangles.copy()
        if turned.any():
            out[flip] = triangles[flip][:, ::-1]
        outward = np.where(turned, -volume, volume)
        return cls(
            bodies=count - int(cavity.sum()),
            turned=int(turned.sum()),
            volume_mm3=float(outward.sum()),
            area_mm2=area_mm2,
            facing_out=out,
        )


def _cavities(triangles: Floats, shell: Indices, volume: Doubles) -> npt.NDArray[np.bool_]:
    """Which shells look inward and lie within the box of one that looks outward."""
    cavity = volume < 0
    inner, outer = np.flatnonzero(volume < 0), np.flatnonzero(volume > 0)
    if not len(inner) or len(inner) * len(outer) > _CAVITY_PAIRS:
        return cavity
    low = np.full((len(volume), 3), np.inf)
    high = np.full((len(volume), 3), -np.inf)
    np.minimum.at(low, shell, triangles.min(axis=1))
    np.maximum.at(high, shell, triangles.max(axis=1))
    for one in inner:
        within = (low[outer] <= low[one]).all(axis=1) & (high[outer] >= high[one]).all(axis=1)
        cavity[one] = bool(within.any())
    return cavity


def _blocking(surface: Surface, shells: _Shells) -> list[Finding]:
    """Why nothing can be printed of this surface, if so."""
    faces, edges = surface.faces, surface.edges
    low, high = _bounds(surface.triangles)
    extent = float((high - low).max())
    loose = loose_faces(faces, edges, len(surface.vertices)) if edges.open.any() else 0
    if 2 * loose > len(faces):
        return [
            Finding(
                "loose_triangles",
                Severity.ERROR,
                f"Most triangles ({loose:,} of {len(faces):,}) are not joined to any other, so "
                "they enclose nothing to print. Export the model as one closed solid.",
                count=loose,
            )
        ]
    flat = float((high - low).min()) == 0.0
    hollow = abs(shells.volume_mm3) <= _FLAT * shells.area_mm2 * extent
    if flat or (hollow and not edges.open.any()):
        return [
            Finding(
                "no_volume",
                Severity.ERROR,
                "The surface encloses no volume: it has no thickness to print. Give it a "
                "thickness in the program that made it.",
                value=round(shells.volume_mm3, 6),
            )
        ]
    return []


def _topology(surface: Surface, closed: bool) -> list[Finding]:
    """What keeps the surface from being a closed solid."""
    if closed:
        return []
    edges = surface.edges
    findings = []
    if holes := int(edges.open.sum()):
        text = (
            f"The surface has holes (edges with a face on one side only: {holes:,}), so the slicer "
            "has to guess what is inside. Repair the model, or close it where it was made."
        )
        findings.append(_error("open_edges", text, holes))
    if crowded := int(edges.crowded.sum()):
        text = (
            f"Three or more faces meet at one edge (edges: {crowded:,}), so inside and outside "
            "cannot be told apart. Repair the model, or join its parts where it was made."
        )
        findings.append(_error("non_manifold_edges", text, crowded))
    if flipped := int(edges.flipped.sum()):
        text = (
            f"Neighbouring faces disagree about which side is out (edges: {flipped:,}), so parts "
            "of the print may be missing. Repair turns them the same way."
        )
        findings.append(_error("inconsistent_winding", text, flipped))
    if not findings:
        text = "The surface is not a valid solid. Repair it, or export it again."
        findings.append(_error("not_a_solid", text, None))
    return findings


def _verdict(findings: list[Finding], closed: bool) -> Verdict:
    if any(finding.severity is Severity.ERROR and not finding.repairable for finding in findings):
        return Verdict.UNPRINTABLE
    return Verdict.PRINTABLE if closed else Verdict.REPAIRABLE


def _notes(soup: Soup, surface: Surface, shells: _Shells) -> list[Finding]:
    """What a person should know, though it does not keep the file from printing."""
    findings = list(soup.findings)
    if surface.collapsed:
        text = (
            f"Triangles without an area, their corners fallen together, were left out "
            f"({surface.collapsed:,}). That does not change the print."
        )
        findings.append(
            Finding("collapsed_faces", Severity.INFO, text, surface.collapsed, repairable=True)
        )
    if shells.turned:
        text = (
            f"Faces of the model look inward (bodies inside out: {shells.turned:,}). They were "
            "turned for printing, which is as meant unless the inside should be hollow."
        )
        findings.append(Finding("inverted", Severity.WARNING, text, shells.turned, repairable=True))
    if shells.bodies > 1:
        text = (
            f"The file holds {shells.bodies:,} separate bodies. They are printed together, placed "
            "as in the file."
        )
        findings.append(Finding("several_bodies", Severity.INFO, text, shells.bodies))
    low, high = _bounds(surface.triangles)
    return findings + _size_notes(float((high - low).max()), soup.has_unit)


def _size_notes(extent_mm: float, has_unit: bool) -> list[Finding]:
    size = f"{extent_mm:.3g} mm"
    value = round(extent_mm, 6)
    if extent_mm > HUGE_MM:
        text = f"The model is {size} long, more than common printers take. Check its unit or scale."
        return [Finding("huge", Severity.WARNING, text, value=value)]
    if extent_mm < TINY_MM:
        if has_unit:
            text = f"The model is only {size} long, too small to print. Check its unit or scale."
            return [Finding("tiny", Severity.WARNING, text, value=value)]
        text = (
            f"Read as millimetres the model is only {size} long. Perhaps it was drawn in metres: "
            "then scale it by 1000."
        )
        return [Finding("unit_guess", Severity.WARNING, text, value=value)]
    if extent_mm < INCH_SUSPECT_MM and not has_unit:
        text = (
            f"Read as millimetres the model is {size} long. If it was drawn in inches, scale it "
            "by 25.4."
        )
        return [Finding("unit_guess", Severity.INFO, text, value=value)]
    return []


_EMPTY = Finding(
    "empty",
    Severity.ERROR,
    "The file holds no triangles, so there is nothing to print. Export the model again, with the "
    "solid selected.",
)


def _non_finite(soup: Soup) -> Finding:
    text = (
        f"Some points have a coordinate that is not a number ({soup.non_finite:,}), so the shape "
        "is not known. Export the model again."
    )
    return Finding("non_finite", Severity.ERROR, text, soup.non_finite)


def _error(code: str, text: str, count: int | None) -> Finding:
    return Finding(code, Severity.ERROR, text, count, repairable=True)


def _nothing_to_measure(finding: Finding, triangles: int) -> Judgement:
    report = CheckReport(
        state=CheckState.DONE,
        verdict=Verdict.UNPRINTABLE,
        findings=(finding,),
        triangles=triangles,
        watertight=False,
    )
    return Judgement(report, None)


def _bounds(triangles: Floats) -> tuple[Doubles, Doubles]:
    corners = triangles.reshape(-1, 3)
    return corners.min(axis=0).astype(np.float64), corners.max(axis=0).astype(np.float64)


def _triple(values: Doubles) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 6) for value in values)
    return x, y, z
