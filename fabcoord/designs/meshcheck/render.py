"""A small software renderer: a shaded three-quarter view of a mesh, in numpy, without a GPU."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from fabcoord.designs.meshcheck.soup import Doubles, Floats, Indices

_TURN_DEG = -32.0  # around the vertical, so that front and right side show
_TILT_DEG = 30.0  # looking down
_MARGIN = 0.1  # of the picture, on each side
_OVERSAMPLING = 2
_CELLS_AT_ONCE = 2_000_000  # spans or pixels in one numpy step: about 150 MB

_BODY = np.array([90.0, 145.0, 190.0])
_BACKDROP_TOP = np.array([250.0, 250.0, 251.0])
_BACKDROP_BOTTOM = np.array([225.0, 229.0, 234.0])
_KEY_LIGHT = np.array([-0.5, 0.6, 0.75])  # in view axes: right, up, towards the eye
_FILL_LIGHT = np.array([0.2, 0.9, 0.3])
_SUN = np.array([-0.35, -0.25, 1.0])  # in mesh axes, for the shadow on the plate

_Mask = npt.NDArray[np.bool_]


def render(triangles: Floats, size_px: int) -> Image.Image:
    """A square RGB picture of (n, 3, 3) finite triangles, z up, on a neutral background."""
    side = size_px * _OVERSAMPLING
    corners = triangles.astype(np.float64)
    shadow = _dropped_on_plate(corners)
    screen, shadow_screen = _on_screen(_in_view(corners), _in_view(shadow), side)
    face, depth = _rasterise(screen, side)
    seen = face >= 0
    normals = _normals(screen)
    picture = _backdrop(side) * (1.0 - 0.32 * _soft(_rasterise(shadow_screen, side)[0] >= 0))
    lit = _shade(normals)[face[seen]]
    dim = _crevices(depth, seen, side // 40) * _creases(normals, face, seen)
    picture[seen] = lit * dim[seen][:, None]
    pixels = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    return pixels.resize((size_px, size_px), Image.Resampling.BOX)


def _in_view(corners: Doubles) -> Doubles:
    """Mesh axes to view axes: right, up, towards the eye."""
    turn, tilt = np.radians(_TURN_DEG), np.radians(_TILT_DEG)
    around = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    eye = np.array([[1, 0, 0], [0, np.sin(tilt), np.cos(tilt)], [0, -np.cos(tilt), np.sin(tilt)]])
    viewed: Doubles = corners @ (eye @ around).T
    return viewed


def _dropped_on_plate(corners: Doubles) -> Doubles:
    """The corners where their shadow falls on the plate."""
    height = corners[..., 2] - corners[..., 2].min()
    dropped: Doubles = corners - height[..., None] * _SUN / _SUN[2]
    return dropped


def _on_screen(mesh: Doubles, shadow: Doubles, side: int) -> tuple[Doubles, Doubles]:
    """View axes to pixels (x right, y down, z towards the eye), both scaled to fill the picture."""
    low, high = mesh.min(axis=(0, 1)), mesh.max(axis=(0, 1))
    extent = max(float((high - low)[:2].max()), 1e-12)
    scale = side * (1.0 - 2.0 * _MARGIN) / extent
    middle = (low + high) / 2.0
    to_pixels = np.array([scale, -scale, scale])
    offset = np.array([side / 2.0, side / 2.0, 0.0])
    return (mesh - middle) * to_pixels + offset, (shadow - middle) * to_pixels + offset


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


def _backdrop(side: int) -> Doubles:
    share = np.linspace(0.0, 1.0, side)[:, None, None]
    rows: Doubles = _BACKDROP_TOP * (1.0 - share) + _BACKDROP_BOTTOM * share
    return np.repeat(rows, side, axis=1)


def _soft(mask: _Mask) -> Doubles:
    """A mask with blurred rims, shape (side, side, 1), 0 to 1."""
    radius = len(mask) / 45
    image = Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(image, np.float64)[..., None] / 255.0


def _crevices(depth: Doubles, seen: _Mask, radius: int) -> Doubles:
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


def _creases(normals: Doubles, face: Indices, seen: _Mask) -> Doubles:
    """Darkens a pixel's width along sharp edges, so that flat parts read as shapes."""
    shown = np.where(seen[..., None], normals[face], 0.0)
    sharp = np.zeros(face.shape, bool)
    for axis in (0, 1):
        agreement = (shown * np.roll(shown, 1, axis=axis)).sum(axis=2)
        sharp |= (agreement < 0.8) & seen & np.roll(seen, 1, axis=axis)
    return np.where(sharp, 0.72, 1.0)


def _rasterise(screen: Doubles, side: int) -> tuple[Indices, Doubles]:
    """Which face is nearest at each pixel (−1: none) and how near; both (side, side).

    Faces become rows, rows become pixels, each step one numpy operation over many faces.
    """
    depth = np.full(side * side, -np.inf)
    nearest = np.full(side * side, -1, np.int64)
    first_row, rows = _cells(screen[..., 1].min(axis=1), screen[..., 1].max(axis=1), side)
    slope = _depth_slopes(screen)
    for some in _batches(rows):
        owner = some.start + np.repeat(np.arange(some.stop - some.start), rows[some])
        row = first_row[owner] + _ramp(rows[some])
        left, right = _spans(screen[owner], row + 0.5)
        first_column, columns = _cells(left, right, side)
        for part in _batches(columns):
            count = columns[part]
            face = np.repeat(owner[part], count)
            y = np.repeat(row[part], count)
            x = np.repeat(first_column[part], count) + _ramp(count)
            corner = screen[face, 0]
            near = corner[:, 2] + (
                slope[face, 0] * (x + 0.5 - corner[:, 0])
                + slope[face, 1] * (y + 0.5 - corner[:, 1])
            )
            pixel = y * side + x
            np.maximum.at(depth, pixel, near)
            front = near >= depth[pixel]
            nearest[pixel[front]] = face[front]
    return nearest.reshape(side, side), depth.reshape(side, side)


def _cells(low: Doubles, high: Doubles, side: int) -> tuple[Indices, Indices]:
    """The first cell whose centre lies between low and high, and how many do."""
    first = np.clip(np.ceil(low - 0.5 - 1e-6), 0, side).astype(np.int64)
    last = np.clip(np.floor(high - 0.5 + 1e-6), -1, side - 1).astype(np.int64)
    return first, np.maximum(last - first + 1, 0)


def _batches(weights: Indices) -> Iterator[slice]:
    """Slices of consecutive items whose weights sum to about _CELLS_AT_ONCE."""
    total = np.cumsum(weights)
    start = 0
    while start < len(weights):
        done = int(total[start - 1]) if start else 0
        stop = max(int(np.searchsorted(total, done + _CELLS_AT_ONCE, "right")), start + 1)
        yield slice(start, stop)
        start = stop


def _ramp(counts: Indices) -> Indices:
    """0, 1, … count−1 for each count, one after the other."""
    ends = np.cumsum(counts)
    return np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)


def _spans(triangles: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
    """Where the line at height y enters and leaves each triangle."""
    left = np.full(len(y), np.inf)
    right = np.full(len(y), -np.inf)
    for one, other in ((0, 1), (1, 2), (2, 0)):
        a, b = triangles[:, one], triangles[:, other]
        rise = b[:, 1] - a[:, 1]
        share = (y - a[:, 1]) / np.where(rise == 0, np.inf, rise)
        crosses = (rise != 0) & (share >= -1e-9) & (share <= 1.0 + 1e-9)
        x = a[:, 0] + share * (b[:, 0] - a[:, 0])
        left = np.where(crosses, np.minimum(left, x), left)
        right = np.where(crosses, np.maximum(right, x), right)
    missed = right < left
    return np.where(missed, 0.0, left), np.where(missed, -1.0, right)


def _depth_slopes(screen: Doubles) -> Doubles:
    """How depth grows with x and with y on each face, shape (n, 2); 0 for faces seen edge-on."""
    u, v = screen[:, 1] - screen[:, 0], screen[:, 2] - screen[:, 0]
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    safe = np.where(np.abs(area) < 1e-9, np.inf, area)
    along_x = (u[:, 2] * v[:, 1] - u[:, 1] * v[:, 2]) / safe
    along_y = (u[:, 0] * v[:, 2] - u[:, 2] * v[:, 0]) / safe
    return np.stack([along_x, along_y], axis=1)
