"""How a part lies: what hangs over, what touches the bed, which side down needs less support."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull, QhullError

from fabcoord.designs.meshcheck.soup import Doubles, Floats

STEEP = math.sin(math.radians(45.0))
_ON_BED_MM = 0.1
_HULL_POINTS = 50_000
_SPREAD_DIRECTIONS = 200
_HULL_SIDES = 14  # the largest sides of the hull, beside the six axes
_DOWN = (0.0, 0.0, -1.0)


@dataclass(frozen=True, slots=True)
class Lying:
    """What one side down means. ``down`` is the direction in the file's axes that points down."""

    down: tuple[float, float, float]
    support_mm3: float  # the room below overhangs down to the bed, parts in between not considered
    overhang_mm2: float
    contact_mm2: float  # flat on the bed
    height_mm: float


@dataclass(frozen=True, slots=True)
class Sides:
    """A surface prepared for trying many orientations: one normal, area and middle each."""

    vertices: Floats  # (m, 3)
    corners: Floats  # (n, 3, 3)
    normals: Doubles  # (n, 3) of length 1, or 0
    area: Doubles  # (n,) mm²

    def lying(self, down: npt.ArrayLike) -> Lying:
        """How it lies with ``down`` pointing down."""
        direction = np.asarray(down, np.float64)
        depth = self.corners @ direction.astype(np.float32)  # (n, 3): how far down each corner is
        bed, top = float(depth.max()), float(depth.min())
        facing = self.normals @ direction
        over = (facing > STEEP) & ~self._on_bed(depth, bed)
        above = bed - depth[over].mean(axis=1)
        area = self.area[over]
        flat = (facing > 0.999) & self._on_bed(depth, bed)
        x, y, z = (float(one) for one in direction)
        return Lying(
            down=(x, y, z),
            support_mm3=float((area * facing[over] * above).sum()),
            overhang_mm2=float(area.sum()),
            contact_mm2=float(self.area[flat].sum()),
            height_mm=bed - top,
        )

    def overhanging(self) -> npt.NDArray[np.int64]:
        """The steep triangles as the part lies in the file, the largest first."""
        depth = -self.corners[:, :, 2]
        facing = -self.normals[:, 2]
        over = np.flatnonzero((facing > STEEP) & ~self._on_bed(depth, float(depth.max())))
        return over[np.argsort(-self.area[over])]

    @staticmethod
    def _on_bed(depth: Floats, bed: float) -> npt.NDArray[np.bool_]:
        on_bed: npt.NDArray[np.bool_] = np.all(depth > bed - _ON_BED_MM, axis=1)
        return on_bed


def candidates(sides: Sides) -> Doubles:
    """Directions worth pointing down: the six axes and the largest sides of the convex hull."""
    found = np.concatenate([np.eye(3), -np.eye(3)])
    points = sides.vertices
    if len(points) > _HULL_POINTS:
        # Every corner of the hull is the furthest in some direction; thinning would lose it.
        points = _outermost(points)
    try:
        hull = ConvexHull(points.astype(np.float64))
    except (QhullError, ValueError):
        return found
    corners = hull.points[hull.simplices]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(across, axis=1) / 2
    outward = np.round(hull.equations[:, :3], 2)
    directions, index = np.unique(outward, axis=0, return_inverse=True)
    size = np.bincount(index.reshape(-1), area, len(directions))
    largest = directions[np.argsort(-size)[:_HULL_SIDES]]
    # The exact normal of the largest facet in each group: rounded ones would not lie flat.
    exact = [
        hull.equations[facets[np.argmax(area[facets])], :3]
        for facets in (np.flatnonzero((outward == one).all(axis=1)) for one in largest)
    ]
    return np.concatenate([found, np.array(exact).reshape(-1, 3)])


def best(sides: Sides, now: Lying) -> Lying:
    """The candidate that needs the least support; among equals the one with most on the bed.

    A side with hardly anything on the bed does not count, unless the part lies so already.
    """
    least_contact = min(now.contact_mm2, 0.02 * float(sides.area.sum()))
    tried = [sides.lying(direction) for direction in candidates(sides)]
    standing = [one for one in tried if one.contact_mm2 >= least_contact]
    worth = 0.01 * max(now.support_mm3, 1.0)  # differences below it are none
    return min([now, *standing], key=lambda one: (one.support_mm3 // worth, -one.contact_mm2))


def as_rotation(down: tuple[float, float, float]) -> tuple[float, float, float]:
    """Degrees about X, then Y, then Z that turn ``down`` to the bed, as a job's ``rotation``."""
    x, y, z = down
    level = math.hypot(y, z)
    about_x = 0.0 if level < 1e-9 else math.degrees(math.atan2(y, z)) + 180.0
    about_y = math.degrees(math.atan2(x, level))
    return _tidy(about_x), _tidy(about_y), 0.0


def _tidy(degrees: float) -> float:
    turned = round((degrees + 180.0) % 360.0 - 180.0, 2)
    return abs(turned) if turned in (0.0, -180.0) else turned


def _outermost(points: Floats) -> Floats:
    """The points furthest in each of many directions, spread over the sphere."""
    count = _SPREAD_DIRECTIONS
    up = 1 - (2 * np.arange(count) + 1) / count
    around = np.pi * (1 + 5**0.5) * np.arange(count)
    flat = np.sqrt(1 - up * up)
    directions = np.stack([flat * np.cos(around), flat * np.sin(around), up], axis=1)
    directions = np.concatenate([directions, np.eye(3), -np.eye(3)]).astype(np.float32)
    chosen: set[int] = set()
    for start in range(0, len(directions), 8):
        chosen.update((points @ directions[start : start + 8].T).argmax(axis=0).tolist())
    return points[sorted(chosen)]
