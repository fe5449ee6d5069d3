"""Tells the bodies of a surface apart: how large each is, which way it faces, what touches what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fabcoord.designs.meshcheck.soup import Doubles, Floats, Indices
from fabcoord.designs.meshcheck.topology import Flags, Surface, chunks, connected

TOUCH_MM = 0.05  # nearer than this, a print joins two bodies, or a body and the bed
_COMPARED_BOXES = 20_000_000  # of triangles, in pairs: some tenths of a second
_LOOKED_AT = 50_000_000  # triangles, once for each pair of bodies
_PAIRS = 4_000_000  # boxes compared with boxes; with more shells than that allows, none is
_TESTED_TRIANGLES = 3_000_000  # triangles that all tests of inside and outside may look at


@dataclass(frozen=True, slots=True)
class Shells:
    """The s connected pieces of a surface. Lengths in mm, arrays have shape (s, …)."""

    of_face: Indices  # for each face the number of its shell, from 0
    volume_mm3: Doubles  # positive where faces look outward
    area_mm2: float
    low: Doubles  # (s, 3), the corners of each shell's box
    high: Doubles

    @property
    def count(self) -> int:
        return len(self.volume_mm3)

    @property
    def box(self) -> tuple[Doubles, Doubles]:
        """The corners of the box around all of them."""
        return self.low.min(axis=0), self.high.max(axis=0)


def find_shells(surface: Surface) -> Shells:
    """Which faces hang together, and the measures of each piece."""
    label = connected(surface.edges.low, surface.edges.high, len(surface.vertices))
    root = label.take(surface.faces[:, 0])
    used = np.zeros(len(label), bool)
    used[root] = True
    number = np.cumsum(used) - 1
    count = int(number[-1]) + 1
    of_face = number.take(root)
    volume, area_mm2 = _volumes(surface.triangles, of_face, count)
    low, high = _boxes(surface, number, label, count)
    return Shells(of_face, volume, area_mm2, low, high)


@dataclass(frozen=True, slots=True)
class Facing:
    """Which way shells face, as flags of shape (s,)."""

    cavity: Flags  # looks inward within one that looks outward: a hollow
    turned: Flags  # looks the wrong way, and has to be turned for printing


def find_facing(surface: Surface, shells: Shells) -> Facing:
    """Which shells are hollows and which are inside out; only for a closed surface."""
    sign = -1.0 if shells.volume_mm3.sum() < 0 else 1.0
    inward: Flags = shells.volume_mm3 * sign < 0
    outward: Flags = shells.volume_mm3 * sign > 0
    cavity = np.zeros(shells.count, bool)
    if inward.any():
        cavity = inward.copy()
        if int(inward.sum()) * int(outward.sum()) <= _PAIRS:
            cavity[:] = False
            for inner, _ in pairs_inside(surface, shells, inward, outward):
                cavity[inner] = True
    turned = inward & ~cavity
    return Facing(cavity, ~turned if sign < 0 else turned)


def turned_out(surface: Surface, shells: Shells, turned: Flags) -> Floats:
    """The corners of all faces, those of ``turned`` shells the other way round."""
    if not turned.any():
        return surface.triangles
    out = surface.triangles.copy()
    flip = turned.take(shells.of_face)
    out[flip] = out[flip][:, ::-1]
    return out


def floating(surface: Surface, shells: Shells, bodies: Flags, within: Flags) -> Flags:
    """Which bodies neither stand on the bed nor touch, through others, one that does.

    Boxes are compared, first those of bodies and then those of their triangles, so what is told is
    certain, and what only nearly touches is not told. ``within``: bodies inside others, held there.
    """
    which = np.flatnonzero(bodies)
    found = np.zeros(shells.count, bool)
    if len(which) < 2 or len(which) ** 2 > _PAIRS:
        return found
    low, high = shells.low[which], shells.high[which]
    apart = np.zeros((len(which), len(which)), bool)
    for axis in range(3):
        apart |= low[:, None, axis] > high[None, :, axis] + TOUCH_MM
    one, other = np.nonzero(np.triu(~(apart | apart.T), 1))
    held = within[which]
    touch = _touching(surface, shells, which[one], which[other], held[one] | held[other])
    one, other = one[touch], other[touch]
    group = connected(one, other, len(which))
    grounded = np.zeros(len(which), bool)
    grounded[group[low[:, 2] <= low[:, 2].min() + TOUCH_MM]] = True
    found[which] = ~grounded[group]
    return found


def _touching(
    surface: Surface, shells: Shells, one: Indices, other: Indices, surely: Flags
) -> Flags:
    """Which pairs of bodies have triangles whose boxes touch; those that are too many count so."""
    touch: Flags = np.ones(len(one), bool)
    left = _COMPARED_BOXES
    if len(one) * len(shells.of_face) > _LOOKED_AT:
        return touch
    for pair in np.flatnonzero(~surely).tolist():
        first, second = int(one[pair]), int(other[pair])
        low = np.maximum(shells.low[first], shells.low[second]) - TOUCH_MM
        high = np.minimum(shells.high[first], shells.high[second]) + TOUCH_MM
        boxes = []
        for body in (first, second):
            corners = surface.triangles[shells.of_face == body]
            lows, highs = corners.min(axis=1), corners.max(axis=1)
            near = (lows <= high).all(axis=1) & (highs >= low).all(axis=1)
            boxes.append((lows[near], highs[near] + TOUCH_MM))
        (low_1, high_1), (low_2, high_2) = boxes
        left -= len(low_1) * len(low_2)
        if left < 0:
            break
        meets = np.ones((len(low_1), len(low_2)), bool)
        for axis in range(3):
            meets &= low_1[:, None, axis] <= high_2[None, :, axis]
            meets &= low_2[None, :, axis] <= high_1[:, None, axis]
        touch[pair] = meets.any()
    return touch


def nested(surface: Surface, shells: Shells, bodies: Flags) -> Flags:
    """Which solid bodies lie wholly inside another solid body."""
    found = np.zeros(shells.count, bool)
    if int(bodies.sum()) > 1 and int(bodies.sum()) ** 2 <= _PAIRS:
        for inner, _ in pairs_inside(surface, shells, bodies, bodies):
            found[inner] = True
    return found


def pairs_inside(
    surface: Surface, shells: Shells, inner: Flags, outer: Flags
) -> Iterator[tuple[int, int]]:
    """Pairs of an inner shell and one outer shell that it lies in, each inner one at most once.

    A box within a box is looked at closely: is a corner of the one inside the other? When that
    has taken too long (many bodies, many triangles), the boxes decide.
    """
    left = _TESTED_TRIANGLES
    first_face = np.full(shells.count, -1)
    first_face[shells.of_face[::-1]] = np.arange(len(shells.of_face))[::-1]
    outers = np.flatnonzero(outer)
    for one in np.flatnonzero(inner).tolist():
        within = (shells.low[outers] <= shells.low[one]).all(axis=1)
        within &= (shells.high[outers] >= shells.high[one]).all(axis=1)
        for other in outers[within].tolist():
            if other == one:
                continue
            if left > 0:
                triangles = surface.triangles[shells.of_face == other]
                left -= len(shells.of_face) // 8 + len(triangles)
                if not is_inside(surface.triangles[first_face[one], 0], triangles):
                    continue
            yield one, other
            break


def is_inside(point: Floats, triangles: Floats) -> bool:
    """Whether a point lies in a closed shell, by its winding number.

    The solid angle of each triangle is summed (Van Oosterom and Strackee 1983).
    """
    total = 0.0
    for some in chunks(len(triangles)):
        corners = triangles[some].astype(np.float64) - point
        length = np.linalg.norm(corners, axis=2)
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        over = np.einsum("ij,ij->i", a, np.cross(b, c))
        under = length.prod(axis=1)
        for first, second, third in ((a, b, 2), (b, c, 0), (c, a, 1)):
            under += np.einsum("ij,ij->i", first, second) * length[:, third]
        total += float(np.arctan2(over, under).sum())
    return abs(total) > np.pi  # half of the angles, so 2 pi inside and 0 outside


def _volumes(triangles: Floats, of_face: Indices, count: int) -> tuple[Doubles, float]:
    """The volume of each shell in mm³, positive when faces look outward; all area in mm²."""
    volume = np.zeros(count)
    area = 0.0
    origin = triangles[0, 0].astype(np.float64)
    for some in chunks(len(triangles)):
        # One row for each coordinate: numpy is fast along long rows only.
        ax, ay, az, bx, by, bz, cx, cy, cz = (
            triangles[some].reshape(-1, 9).T.astype(np.float64) - np.tile(origin, 3)[:, None]
        )
        across = (by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx)
        six_fold = ax * across[0] + ay * across[1] + az * across[2]
        volume += np.bincount(of_face[some], six_fold, count)
        bx, by, bz, cx, cy, cz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
        square = (by * cz - bz * cy) ** 2 + (bz * cx - bx * cz) ** 2 + (bx * cy - by * cx) ** 2
        area += float(np.sqrt(square).sum() / 2.0)
    return volume / 6.0, area


def _boxes(
    surface: Surface, number: Indices, label: Indices, count: int
) -> tuple[Doubles, Doubles]:
    if count == 1:
        columns = [surface.triangles.reshape(-1, 3)[:, axis] for axis in range(3)]
        low = np.array([[column.min() for column in columns]], np.float64)
        return low, np.array([[column.max() for column in columns]], np.float64)
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    used = np.zeros(len(label), bool)
    used[surface.faces.reshape(-1)] = True
    of_vertex = number.take(label[used])
    for axis in range(3):
        column = surface.vertices[used, axis].astype(np.float64)
        np.minimum.at(low[:, axis], of_vertex, column)
        np.maximum.at(high[:, axis], of_vertex, column)
    return low, high
