"""Draws the places of findings into a picture of the mesh, also those that lie behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fabcoord.designs.meshcheck.raster import rasterise
from fabcoord.designs.meshcheck.render import Mask, Pose, Shot
from fabcoord.designs.meshcheck.soup import Doubles

# One colour for a place that keeps the part from printing, one for what may spoil it; both stand
# out from the blue of the part and differ in lightness, for eyes that do not tell red from orange.
COLOURS = {
    "error": np.array([226.0, 28.0, 60.0]),
    "warning": np.array([255.0, 176.0, 0.0]),
    "info": np.array([255.0, 214.0, 90.0]),
}
_NEAR = 0.012  # of the picture: the decimated surface lies that far from the real one
_BEFORE = 0.85  # how strongly a place is coloured; the shape stays to be seen
_BEHIND = 0.4  # how strongly a hidden place shines through
_THICK = 1 / 130  # of the picture
_RINGED = 0.1  # places within this share of the picture get a ring, or nobody would see them
_SAMPLES = 400_000


@dataclass(frozen=True, slots=True)
class Places:
    """Where one finding is, as read from ``marks.json``."""

    code: str
    severity: str
    marks: Sequence[Sequence[float]]

    @classmethod
    def read(cls, said: dict[str, Any]) -> list[Places]:
        """The findings of a ``marks.json``."""
        return [cls(one["code"], one["severity"], one["marks"]) for one in said["items"]]

    def of(self, corners: int) -> Doubles:
        """Those marks that are points (1), segments (2) or triangles (3): (n, corners, 3) mm."""
        chosen = [one for one in self.marks if len(one) == 3 * corners]
        return np.array(chosen, np.float64).reshape(-1, corners, 3)


def visible_share(shot: Shot, places: Iterable[Places]) -> float:
    """Which share of the places is not hidden behind the mesh, 0 to 1."""
    ahead = total = 0
    for one in places:
        open_, hidden = _split(shot, one)
        ahead += int(open_.sum())
        total += int(open_.sum() + hidden.sum())
    return ahead / total if total else 0.0


def mark(picture: Doubles, shot: Shot, places: Iterable[Places]) -> Doubles:
    """The developed ``picture`` with the places drawn in, shape (side, side, 3)."""
    drawn = picture.copy()
    side = shot.pose.side
    thick = max(3, int(side * _THICK) | 1)
    for one in sorted(places, key=lambda one: one.severity == "error"):
        colour = COLOURS.get(one.severity, COLOURS["info"])
        ahead, behind = _split(shot, one)
        for mask, strength in ((behind & ~ahead, _BEHIND), (ahead, _BEFORE)):
            veil = _grown(mask, thick) * strength
            drawn = drawn * (1.0 - veil) + colour * veil
        ring = _ring(ahead | behind, thick)
        drawn = drawn * (1.0 - ring) + colour * ring
    return drawn


def _split(shot: Shot, places: Places) -> tuple[Mask, Mask]:
    """The pixels of the places that lie before the mesh or on it, and those behind it."""
    side = shot.pose.side
    pixels, near = _samples(shot.pose, places)
    inside = ((pixels >= 0) & (pixels < side)).all(axis=1)
    x, y = pixels[inside].T
    ahead, behind = np.zeros((side, side), bool), np.zeros((side, side), bool)
    on_top = near[inside] >= shot.depth[y, x] - side * _NEAR
    ahead[y[on_top], x[on_top]] = True
    behind[y[~on_top], x[~on_top]] = True
    return ahead, behind


def _samples(pose: Pose, places: Places) -> tuple[Any, Doubles]:
    """Pixels (k, 2) along the marks and how near each is, (k,)."""
    points = pose.to_screen(places.of(1))[:, 0]
    lines = _along(pose.to_screen(places.of(2)))
    faces = pose.to_screen(places.of(3))
    rims = _along(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]))
    face, depth = rasterise(faces, pose.side)
    y, x = np.nonzero(face >= 0)
    filled = np.stack([x, y, depth[y, x]], axis=1)
    every = np.concatenate([points, lines, rims, filled])
    return np.floor(every[:, :2]).astype(np.int64), every[:, 2]


def _along(segments: Doubles) -> Doubles:
    """Points about a pixel apart on (n, 2, 3) segments on the screen."""
    if not len(segments):
        return np.zeros((0, 3))
    lengths = np.abs(segments[:, 1] - segments[:, 0])[:, :2].max(axis=1)
    most = _SAMPLES // len(segments)
    steps = np.clip(np.ceil(lengths), 1, max(most, 2)).astype(np.int64) + 1
    owner = np.repeat(np.arange(len(segments)), steps)
    first = np.cumsum(steps) - steps
    share = ((np.arange(len(owner)) - first[owner]) / (steps[owner] - 1))[:, None]
    found: Doubles = segments[owner, 0] * (1.0 - share) + segments[owner, 1] * share
    return found


def _grown(mask: Mask, thick: int) -> Doubles:
    """The mask with every pixel grown to a square, shape (side, side, 1), 0 or 1."""
    image = Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.BoxBlur(thick // 2))
    return (np.asarray(image) > 0).astype(np.float64)[..., None]


def _ring(mask: Mask, thick: int) -> Doubles:
    """A ring around places that are too small to catch the eye; nothing around larger ones."""
    side = len(mask)
    image = Image.new("L", (side, side))
    rows, columns = np.nonzero(mask)
    if len(rows):
        low = np.array([columns.min(), rows.min()])
        high = np.array([columns.max(), rows.max()])
        if (high - low).max() < side * _RINGED:
            middle, radius = (low + high) / 2, (high - low).max() / 2 + side * 0.035
            box = [*(middle - radius), *(middle + radius)]
            ImageDraw.Draw(image).ellipse(box, outline=255, width=max(3, thick // 2))
    return np.asarray(image, np.float64)[..., None] / 255.0
