"""A small software renderer: shaded views of a mesh from several sides, in numpy, without a GPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from fabcoord.designs.meshcheck.raster import rasterise
from fabcoord.designs.meshcheck.report import Angle, Theme
from fabcoord.designs.meshcheck.soup import Doubles, Floats, Indices

OVERSAMPLING = 2
_MARGIN = 0.1  # of the picture, on each side
_SHADOW_COARSER = 4  # its rim is blurred over more pixels than that

# Around the vertical, then looking down from the horizontal, in degrees.
_ANGLES: dict[Angle, tuple[float, float]] = {
    Angle.ISO: (-32.0, 30.0),
    Angle.FRONT: (0.0, 0.0),
    Angle.SIDE: (-90.0, 0.0),
    Angle.BACK: (148.0, 30.0),
    Angle.TOP: (0.0, 90.0),
    Angle.BOTTOM: (0.0, -90.0),
}

_BODY = np.array([90.0, 145.0, 190.0])
_GROUNDS = {  # top, bottom, how dark the shadow is
    Theme.LIGHT: (np.array([250.0, 250.0, 251.0]), np.array([225.0, 229.0, 234.0]), 0.32),
    Theme.DARK: (np.array([42.0, 50.0, 46.0]), np.array([26.0, 32.0, 29.0]), 0.55),
}
_KEY_LIGHT = np.array([-0.5, 0.6, 0.75])  # in view axes: right, up, towards the eye
_FILL_LIGHT = np.array([0.2, 0.9, 0.3])
_SUN = np.array([-0.35, -0.25, 1.0])  # in mesh axes, for the shadow on the plate

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the eye is: turns mesh axes (mm) into pixels (x right, y down, z towards the eye)."""

    matrix: Doubles  # (3, 3)
    offset: Doubles  # (3,)
    side: int  # pixels across

    @classmethod
    def of(cls, corners: Doubles, angle: Angle, side: int) -> Pose:
        """The pose that fills the picture with the mesh, seen from ``angle``."""
        turn, tilt = np.radians(_ANGLES[angle])
        around = np.array(
            [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
        )
        eye = np.array(
            [[1, 0, 0], [0, np.sin(tilt), np.cos(tilt)], [0, -np.cos(tilt), np.sin(tilt)]]
        )
        matrix = eye @ around
        points = corners.reshape(-1, 3) @ matrix.T
        low, high = points.min(axis=0), points.max(axis=0)
        extent = max(float((high - low)[:2].max()), 1e-12)
        scale = side * (1.0 - 2.0 * _MARGIN) / extent
        to_pixels = np.array([scale, -scale, scale])
        middle = np.array([side / 2.0, side / 2.0, 0.0])
        return cls(matrix * to_pixels[:, None], middle - (low + high) / 2.0 * to_pixels, side)

    def to_screen(self, corners: Doubles) -> Doubles:
        """Points (…, 3) in mm as pixels."""
        seen: Doubles = corners @ self.matrix.T + self.offset
        return seen


@dataclass(frozen=True, slots=True)
class Shot:
    """A mesh seen from one side, at OVERSAMPLING times the size of the picture."""

    pose: Pose
    seen: Mask  # (side, side): where the mesh is
    depth: Doubles  # (side, side): how near it is there, −inf beside it
    lit: Doubles  # (pixels that are seen, 3): their colour, 0 to 255
    shadow: Doubles  # (side, side, 1): how much of the shadow falls there, 0 to 1

    @classmethod
    def take(cls, triangles: Floats, angle: Angle, size_px: int) -> Shot:
        """Look at (n, 3, 3) finite triangles, z up, from ``angle``."""
        side = size_px * OVERSAMPLING
        corners = triangles.astype(np.float64)
        pose = Pose.of(corners, angle, side)
        screen = pose.to_screen(corners)
        face, depth = rasterise(screen, side)
        seen = face >= 0
        normals = _normals(screen)
        dim = _crevices(depth, seen, side // 40) * _creases(normals, face, seen)
        lit = _shade(normals)[face[seen]] * dim[seen][:, None]
        return cls(pose, seen, depth, lit, _shadow(corners, pose, angle))

    def developed(self, theme: Theme) -> Doubles:
        """The picture on the ground of a theme, shape (side, side, 3), 0 to 255."""
        top, bottom, darkness = _GROUNDS[theme]
        share = np.linspace(0.0, 1.0, self.pose.side)[:, None, None]
        rows: Doubles = top * (1.0 - share) + bottom * share
        picture: Doubles = rows * (1.0 - darkness * self.shadow)
        picture[self.seen] = self.lit
        return picture


def finished(picture: Doubles) -> Image.Image:
    """What was developed, as an RGB picture of its final size."""
    pixels = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    size_px = pixels.width // OVERSAMPLING
    return pixels.resize((size_px, size_px), Image.Resampling.BOX)


def render(
    triangles: Floats, size_px: int, angle: Angle = Angle.ISO, theme: Theme = Theme.LIGHT
) -> Image.Image:
    """A square RGB picture of (n, 3, 3) finite triangles, z up, on a neutral ground."""
    return finished(Shot.take(triangles, angle, size_px).developed(theme))


def _shadow(corners: Doubles, pose: Pose, angle: Angle) -> Doubles:
    """How much of the shadow on the plate falls at each pixel, with soft rims."""
    side = pose.side
    if angle is Angle.BOTTOM:  # the plate would hide the part itself
        return np.zeros((side, side, 1))
    height = corners[..., 2] - corners[..., 2].min()
    dropped = corners - height[..., None] * _SUN / _SUN[2]
    coarse = side // _SHADOW_COARSER
    shade = rasterise(pose.to_screen(dropped) / _SHADOW_COARSER, coarse)[0] >= 0
    image = Image.fromarray(shade.astype(np.uint8) * 255)
    soft = image.filter(ImageFilter.GaussianBlur(coarse / 45))
    grown = soft.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(grown, np.float64)[..., None] / 255.0


def _normals(screen: Doubles) -> Doubles:
    """Unit normals in view axes, all turned towards the eye, shape (n, 3)."""
    across = np.cross(screen[:, 1] - screen[:, 0], screen[:, 2] - screen[:, 0])
    across[:, 1] *= -1.0  # rows of a picture run down
    across[across[:, 2] < 0] *= -1.0
    lengths = np.linalg.norm(across, axis=1, keepdims=True)
    unit: Doubles = across / np.maximum(lengths, 1e-30)
    return unit


def _shade(normals: Doubles) -> Doubles:
    """The colour of each face under a key light, a fill light and the sky, shape (n, 3)."""
    key = _KEY_LIGHT / np.linalg.norm(_KEY_LIGHT)
    fill = _FILL_LIGHT / np.linalg.norm(_FILL_LIGHT)
    half = key + np.array([0.0, 0.0, 1.0])
    half /= np.linalg.norm(half)
    diffuse = 0.5 + 0.46 * np.maximum(normals @ key, 0) + 0.24 * np.maximum(normals @ fill, 0)
    gloss = 34.0 * np.maximum(normals @ half, 0) ** 30
    colours: Doubles = diffuse[:, None] * _BODY + gloss[:, None]
    return colours


def _crevices(depth: Doubles, seen: Mask, radius: int) -> Doubles:
    """Darkens what lies deeper than its surroundings, as little sky reaches it; 0 to 1."""
    weight = seen.astype(np.float64)
    filled = np.where(seen, depth, 0.0)
    around = _box_mean(filled, radius) / np.maximum(_box_mean(weight, radius), 1e-9)
    return 1.0 - 0.45 * np.clip((around - filled) / (2.5 * radius), 0.0, 1.0)


def _box_mean(values: Doubles, radius: int) -> Doubles:
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (radius + 1, radius)
        total = np.cumsum(np.pad(values, pad), axis=axis)
        width = 2 * radius + 1
        upper = np.take(total, range(width, total.shape[axis]), axis=axis)
        lower = np.take(total, range(total.shape[axis] - width), axis=axis)
        values = (upper - lower) / width
    return values


def _creases(normals: Doubles, face: Indices, seen: Mask) -> Doubles:
    """Darkens a pixel's width along sharp edges, so that flat parts read as shapes."""
    shown = np.where(seen[..., None], normals[face], 0.0)
    sharp = np.zeros(face.shape, bool)
    for axis in (0, 1):
        agreement = (shown * np.roll(shown, 1, axis=axis)).sum(axis=2)
        sharp |= (agreement < 0.8) & seen & np.roll(seen, 1, axis=axis)
    return np.where(sharp, 0.72, 1.0)
