"""Judges a soup of triangles: measures it, collects the findings, and decides on the verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fabcoord.designs.meshcheck import findings as words
from fabcoord.designs.meshcheck.report import CheckReport, CheckState, Finding, Severity, Verdict
from fabcoord.designs.meshcheck.shells import (
    Facing,
    Shells,
    find_facing,
    find_shells,
    floating,
    nested,
    turned_out,
)
from fabcoord.designs.meshcheck.soup import Doubles, Floats, Soup
from fabcoord.designs.meshcheck.topology import Surface, build_surface
from fabcoord.errors import UnreadableFile


@dataclass(frozen=True, slots=True)
class Judgement:
    """The report, and the mesh to slice: (n, 3, 3) in mm; None when nothing can be printed.

    ``is_as_read``: the mesh to slice is the very triangles that were read.
    """

    report: CheckReport
    print_mesh: Floats | None
    is_as_read: bool = False


def judge(soup: Soup) -> Judgement:
    """Judge a file's triangles. Raises UnreadableFile for a mesh that has lost its end."""
    if found := words.bad_coordinates(soup):
        return _nothing_to_measure(found, len(soup.triangles))
    if not len(soup.triangles) and not soup.cut_off:
        return _nothing_to_measure([words.EMPTY], 0)
    surface = build_surface(soup.triangles)
    # What manifold3d asks of a mesh: faces that pair up, each edge run along both ways.
    closed = surface.edges.paired and len(surface.faces) > 0
    if soup.cut_off and not closed:
        raise UnreadableFile(
            "The file ends before the model is complete.", hint="Export or download it again."
        )
    if not len(surface.faces):
        return _nothing_to_measure([words.EMPTY], len(soup.triangles))
    return _measured(soup, surface, find_shells(surface), closed)


def _measured(soup: Soup, surface: Surface, shells: Shells, closed: bool) -> Judgement:
    none = np.zeros(shells.count, bool)
    # Only where inside and outside are certain is anything turned or called a hollow.
    facing = find_facing(surface, shells) if closed else Facing(none, none)
    bodies = ~facing.cavity
    found = words.nothing_enclosed(surface, shells) or words.not_closed(surface)
    verdict = _verdict(found, closed)
    low, high = shells.box
    within = nested(surface, shells, bodies) if closed else none
    found += [
        *soup.findings,
        *words.left_out(soup, surface),
        *words.inside_out(surface, shells, facing.turned),
        *words.bodies_apart(
            surface,
            shells,
            bodies,
            # Where nothing is closed, nothing is inside: then boxes alone decide.
            floating(surface, shells, bodies, within if closed else bodies),
            within,
        ),
        *words.size(float((high - low).max()), soup.has_unit),
        *words.too_fine(len(surface.faces), shells.area_mm2),
    ]
    volume_mm3 = np.where(facing.turned, -shells.volume_mm3, shells.volume_mm3).sum()
    report = CheckReport(
        state=CheckState.DONE,
        verdict=verdict,
        findings=tuple(found),
        triangles=len(soup.triangles),
        bodies=int(bodies.sum()),
        volume_mm3=round(abs(float(volume_mm3)), 6),
        area_mm2=round(shells.area_mm2, 6),
        size_mm=_triple(high - low),
        min_mm=_triple(low),
        plates=soup.plates if len(soup.plates) > 1 else (),
        watertight=closed or not (surface.edges.open.any() or surface.edges.crowded.any()),
    )
    if verdict is Verdict.UNPRINTABLE:
        return Judgement(report, None)
    mesh = turned_out(surface, shells, facing.turned)
    return Judgement(report, mesh, is_as_read=mesh is soup.triangles)


def _verdict(findings: list[Finding], closed: bool) -> Verdict:
    if any(finding.severity is Severity.ERROR and not finding.repairable for finding in findings):
        return Verdict.UNPRINTABLE
    return Verdict.PRINTABLE if closed else Verdict.REPAIRABLE


def _nothing_to_measure(found: list[Finding], triangles: int) -> Judgement:
    report = CheckReport(
        state=CheckState.DONE,
        verdict=Verdict.UNPRINTABLE,
        findings=tuple(found),
        triangles=triangles,
        watertight=False,
    )
    return Judgement(report, None)


def _triple(values: Doubles) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 6) for value in values)
    return x, y, z
