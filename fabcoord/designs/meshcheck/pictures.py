"""Makes what there is to look at, from the print mesh: light meshes and pictures of it."""

from __future__ import annotations

import json
from pathlib import Path

import fast_simplification
import numpy as np
from PIL import Image

from fabcoord.designs.meshcheck.light import pack, read_light
from fabcoord.designs.meshcheck.marking import Places, mark, visible_share
from fabcoord.designs.meshcheck.render import Shot, finished
from fabcoord.designs.meshcheck.report import (
    LIGHT_NAME,
    MARKED,
    MARKS_NAME,
    VIEWER_NAME,
    Angle,
    Theme,
    picture_name,
)
from fabcoord.designs.meshcheck.soup import Floats
from fabcoord.designs.meshcheck.stl import read_stl, write_stl
from fabcoord.designs.meshcheck.topology import weld, without_collapsed

LIGHT_TRIANGLES = 20_000
VIEWER_TRIANGLES = 100_000
VIEWER_BYTES = 2_000_000
PICTURE_PX = 640
_SNAPPED_FROM = 600_000  # past it the decimation takes seconds and a gigabyte: thin out first
_CELLS = 1000  # along the longest side, finer than a picture's pixels
_ALMOST_BEST = 0.8  # the usual angle is kept when it shows that much of what the best one shows
_MOST_MARKED = 8  # findings that get a picture of their own


def make_pictures(mesh: Path, out: Path) -> None:
    """Write the light meshes and the picture that stands for the file, of a print mesh."""
    triangles = decimated(read_stl(mesh).triangles, VIEWER_TRIANGLES)
    (out / VIEWER_NAME).write_bytes(packed(triangles))
    write_stl(out / LIGHT_NAME, decimated(triangles, LIGHT_TRIANGLES))
    _develop(Shot.take(triangles, Angle.ISO, PICTURE_PX), Angle.ISO.value, out, ())


def make_views(out: Path) -> None:
    """Write the other angles and the pictures with places, of a light mesh in ``out``.

    Without ``marks.json`` there are no places to mark.
    """
    triangles = read_light(out / VIEWER_NAME)
    marks = out / MARKS_NAME
    places = Places.read(json.loads(marks.read_text())) if marks.exists() else []
    shots = {angle: Shot.take(triangles, angle, PICTURE_PX) for angle in Angle}
    for angle, shot in shots.items():
        if angle is not Angle.ISO:
            _develop(shot, angle.value, out, ())
    if places:
        _develop(_best(shots, places), MARKED, out, places)
    for one in places[:_MOST_MARKED] if len(places) > 1 else ():
        _develop(_best(shots, [one]), f"{MARKED}-{one.code}", out, [one])


def packed(triangles: Floats) -> bytes:
    """The light mesh for the viewer, in at most VIEWER_BYTES."""
    while len(data := pack(triangles)) > VIEWER_BYTES:
        triangles = decimated(triangles, int(len(triangles) * 0.9 * VIEWER_BYTES / len(data)))
    return data


def _best(shots: dict[Angle, Shot], places: list[Places]) -> Shot:
    """The angle that shows most of the places; the usual one if it shows almost as much."""
    shares = {angle: visible_share(shot, places) for angle, shot in shots.items()}
    best = max(shares, key=lambda angle: shares[angle])
    usual = shares[Angle.ISO] >= _ALMOST_BEST * shares[best]
    return shots[Angle.ISO if usual else best]


def _develop(shot: Shot, name: str, out: Path, places: list[Places] | tuple[()]) -> None:
    for theme in Theme:
        picture = shot.developed(theme)
        if places:
            picture = mark(picture, shot, places)
        _save(finished(picture), out / picture_name(name, theme))


def _save(picture: Image.Image, path: Path) -> None:
    unfinished = path.with_suffix(".part")
    picture.save(unfinished, format="PNG", optimize=True)
    unfinished.replace(path)


def decimated(triangles: Floats, limit: int) -> Floats:
    """The same shape in at most ``limit`` triangles; shape (n, 3, 3)."""
    if len(triangles) <= limit:
        return triangles
    points = triangles.reshape(-1, 3)
    if len(triangles) > _SNAPPED_FROM:
        cell = np.ptp(points, axis=0).max() / _CELLS
        points = np.round(points / cell) * cell
    vertices, index = weld(points)
    faces = without_collapsed(index.reshape(-1, 3))
    if len(faces) <= limit:
        return vertices[faces]
    reduced, kept = fast_simplification.simplify(
        vertices, faces.astype(np.int32), target_count=limit
    )[:2]
    light: Floats = np.asarray(reduced, np.float32)[np.asarray(kept, np.int64)]
    # It stops above the target where a mesh is many small bodies; the largest faces are kept.
    if len(light) > limit:
        across = np.cross(light[:, 1] - light[:, 0], light[:, 2] - light[:, 0])
        light = light[np.sort(np.argsort(-np.linalg.norm(across, axis=1))[:limit])]
    return light
