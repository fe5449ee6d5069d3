"""Looks at cross sections for what a nozzle cannot draw, and at the one that lies on the bed."""

from __future__ import annotations

import time
from dataclasses import dataclass

import manifold3d
import numpy as np

from fabcoord.designs.meshcheck.soup import Doubles, Floats, Indices

HEIGHTS = 60
_FIRST_LAYER_MM = 0.1  # the middle of a first layer of 0.2 mm
_DUST_MM2 = 0.005
_MITER = 4.0


@dataclass(frozen=True, slots=True)
class Sections:
    """What cross sections showed."""

    contact_mm2: float  # the section through the first layer
    lost_share: float  # of all sections' area: narrower than the line
    heights: int
    places: Doubles  # (k, 3): the middles of what is lost


def as_solid(vertices: Floats, faces: Indices) -> manifold3d.Manifold | None:
    """The surface as a solid, or None where it is not closed."""
    solid = manifold3d.Manifold(manifold3d.Mesh(vertices, faces.astype(np.uint32)))
    good = solid.status() == manifold3d.Error.NoError and not solid.is_empty()
    return solid if good else None


def look_at_sections(solid: manifold3d.Manifold, line_mm: float, most_s: float) -> Sections:
    """Cut the solid at up to HEIGHTS heights and see what is narrower than ``line_mm``."""
    began = time.process_time()
    low, high = solid.bounding_box()[2], solid.bounding_box()[5]
    contact = solid.slice(low + min(_FIRST_LAYER_MM, (high - low) / 2)).area()
    total = lost = 0.0
    places: list[tuple[float, float, float]] = []
    looked_at = 0
    for height in _heights(low, high):
        section = solid.slice(height).simplify(line_mm / 50)
        total += section.area()
        for piece in _too_narrow(section, line_mm):
            lost += piece.area()
            places.append((*_middle(piece), height))
        looked_at += 1
        if time.process_time() - began > most_s:
            break
    share = lost / total if total > 0 else 0.0
    return Sections(contact, share, looked_at, np.array(places, np.float64).reshape(-1, 3))


def _heights(low: float, high: float) -> list[float]:
    """Heights spread evenly, in an order in which any first few are spread too."""
    count = int(min(HEIGHTS, max(1, (high - low) / 0.2)))
    steps = (np.arange(count) + 0.5) / count
    stride = next(one for one in (37, 41, 43, 1) if np.gcd(one, count) == 1)
    return [float(low + (high - low) * steps[(i * stride) % count]) for i in range(count)]


def _too_narrow(section: manifold3d.CrossSection, line_mm: float) -> list[manifold3d.CrossSection]:
    """The parts of a section into which a round of ``line_mm`` does not fit.

    Corners are not meant: of what hangs on something wider, only more than a square line counts.
    """
    narrow = []
    for piece in section.decompose():
        if piece.area() < _DUST_MM2:
            continue
        inner = piece.offset(-line_mm / 2, manifold3d.JoinType.Miter, _MITER)
        if inner.is_empty():
            narrow.append(piece)
            continue
        # A little more than it was taken in by: else hairs remain along every edge.
        drawn = inner.offset(line_mm / 2 * 1.02, manifold3d.JoinType.Miter, _MITER)
        rest = (piece - drawn).decompose()
        narrow += [one for one in rest if one.area() > line_mm * line_mm]
    return narrow


def _middle(piece: manifold3d.CrossSection) -> tuple[float, float]:
    corners = np.concatenate(piece.to_polygons())
    x, y = corners.mean(axis=0)
    return float(x), float(y)
