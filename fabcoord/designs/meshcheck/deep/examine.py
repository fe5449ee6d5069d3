"""Puts the second look together: what is measured, and which of it becomes a finding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fabcoord.designs.meshcheck.deep import words
from fabcoord.designs.meshcheck.deep.crossings import find_crossings
from fabcoord.designs.meshcheck.deep.orientation import Sides, as_rotation, best
from fabcoord.designs.meshcheck.deep.report import Examined, Measures
from fabcoord.designs.meshcheck.deep.sections import as_solid, look_at_sections
from fabcoord.designs.meshcheck.deep.tree import Tree
from fabcoord.designs.meshcheck.deep.walls import measure_walls
from fabcoord.designs.meshcheck.marks import marks_at
from fabcoord.designs.meshcheck.pieces import pieces
from fabcoord.designs.meshcheck.report import Finding
from fabcoord.designs.meshcheck.soup import Doubles, Floats
from fabcoord.designs.meshcheck.topology import Surface, build_surface

NOZZLE_MM = 0.4  # what most printers have
LINE_SHARE = 1.125  # width of the line that slicers draw with a nozzle, of its diameter
MOST_TRIANGLES = 1_500_000  # beyond it a lighter copy is measured
_LIGHTER_TRIANGLES = 500_000
_CROSSINGS_S = 9.0
_SECTIONS_S = 4.0
_THIN_SHARE = 0.001  # of the surface; fewer samples are chance
_NARROW_SHARE = 0.002
_NARROW_PLACES = 5  # a thin pin is little area, but in many sections
_OVERHANG_SHARE = 0.01
_SAVED_SHARE = 0.2  # of the support, or turning is not worth a word
_SAVED_MM3 = 500.0
_CONTACT_SHARE = 0.05  # of the footprint
_CONTACT_MM2 = 100.0


@dataclass
class _Look:
    """What is known so far."""

    surface: Surface
    triangles: Floats
    normals: Doubles  # (n, 3), twice the area long
    measures: Measures
    nozzle_mm: float = NOZZLE_MM
    findings: list[Finding] = field(default_factory=list)

    @property
    def line_mm(self) -> float:
        return self.nozzle_mm * LINE_SHARE

    def found(self, finding: Finding, places: object = None) -> None:
        marks = marks_at(np.asarray(places)) if places is not None and len(places) else ()  # type: ignore[arg-type]
        self.findings.append(replace(finding, marks=marks))


def examine(triangles: Floats, nozzle_mm: float = NOZZLE_MM) -> Examined:
    """Look deeper into (n, 3, 3) triangles in mm, as they are sliced for such a nozzle."""
    whole = len(triangles)
    if whole > MOST_TRIANGLES:
        from fabcoord.designs.meshcheck.pictures import decimated

        triangles = decimated(triangles, _LIGHTER_TRIANGLES)
    surface = build_surface(triangles)
    corners = surface.triangles
    sides = corners.astype(np.float64)
    normals = np.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0])
    del sides
    look = _Look(surface, corners, normals, Measures(triangles_examined=len(corners)), nozzle_mm)
    if not len(corners):
        return Examined((), look.measures)
    tree = Tree.of(corners)
    if len(triangles) == whole:
        _crossings(look, tree)
    else:
        look.found(words.lighter_copy(whole, len(corners)))
    _walls(look, tree)
    del tree
    _sections(look)
    _lying(look)
    return Examined(tuple(look.findings), look.measures)


def _crossings(look: _Look, tree: Tree) -> None:
    faces = look.surface.faces
    crossings = find_crossings(look.triangles, faces, tree, _CROSSINGS_S)
    look.measures = replace(look.measures, crossings=len(crossings.one))
    if not len(crossings.one):
        if crossings.share < 1:
            look.found(words.not_all_seen(crossings.share))
        return
    shell = pieces(faces, len(look.surface.vertices))
    one, other = shell[crossings.one], shell[crossings.other]
    apart = one != other
    if within := int((~apart).sum()):
        finding = words.self_intersection(within, crossings.share)
        look.found(finding, crossings.places[~apart])
    if apart.any():
        bodies = np.unique(np.sort(np.stack([one[apart], other[apart]], axis=1), axis=1), axis=0)
        finding = words.overlapping_bodies(len(bodies), crossings.share)
        look.found(finding, crossings.places[apart])


def _walls(look: _Look, tree: Tree) -> None:
    walls = measure_walls(look.triangles, look.normals, tree, 2 * look.line_mm)
    thickness = walls.thickness_mm
    if not len(thickness):
        return
    thin = thickness < look.line_mm
    share = float(thin.mean())
    known = bool(np.isfinite(thickness).any())
    thinnest = round(float(thickness.min()), 3) if known else None
    look.measures = replace(look.measures, thinnest_wall_mm=thinnest, thin_share=round(share, 5))
    if share >= _THIN_SHARE and thinnest is not None:
        finding = words.thin_walls(share, thinnest, len(thickness), look.nozzle_mm, look.line_mm)
        look.found(finding, walls.places[thin])


def _sections(look: _Look) -> None:
    solid = as_solid(look.surface.vertices, look.surface.faces)
    if solid is None:
        return
    seen = look_at_sections(solid, look.line_mm, _SECTIONS_S)
    look.measures = replace(
        look.measures,
        contact_mm2=round(seen.contact_mm2, 3),
        narrow_share=round(seen.lost_share, 5),
    )
    if seen.lost_share >= _NARROW_SHARE or len(seen.places) >= _NARROW_PLACES:
        finding = words.small_features(
            len(seen.places), seen.lost_share, seen.heights, look.nozzle_mm
        )
        look.found(finding, seen.places)


def _lying(look: _Look) -> None:
    length = np.linalg.norm(look.normals, axis=1)
    unit = np.divide(
        look.normals, length[:, None], out=np.zeros_like(look.normals), where=length[:, None] > 0
    )
    sides = Sides(look.surface.vertices, look.triangles, unit, length / 2)
    now = sides.lying((0.0, 0.0, -1.0))
    share = now.overhang_mm2 / max(float(sides.area.sum()), 1e-12)
    contact = look.measures.contact_mm2
    contact = now.contact_mm2 if contact is None else contact
    look.measures = replace(
        look.measures,
        overhang_share=round(share, 5),
        support_mm3=round(now.support_mm3, 3),
        contact_mm2=round(contact, 3),
    )
    if share >= _OVERHANG_SHARE:
        steep = sides.overhanging()
        look.found(words.overhang(share), look.triangles[steep[:2000]].mean(axis=1))
    x, y, _ = (float(one) for one in np.ptp(look.surface.vertices, axis=0))
    if contact < min(_CONTACT_MM2, _CONTACT_SHARE * x * y):
        look.found(words.small_contact(contact))
    turned = best(sides, now)
    saved = now.support_mm3 - turned.support_mm3
    if saved >= max(_SAVED_SHARE * now.support_mm3, _SAVED_MM3):
        rotation = as_rotation(turned.down)
        look.measures = replace(
            look.measures,
            best_rotation=rotation,
            best_support_mm3=round(turned.support_mm3, 3),
        )
        look.found(words.orientation(saved / now.support_mm3, rotation, turned.height_mm))
