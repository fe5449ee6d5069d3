"""Pictures show the part as it is from where they say, and marks where they belong."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from fabcoord.designs.meshcheck.marking import Places, mark, visible_share
from fabcoord.designs.meshcheck.render import Shot
from fabcoord.designs.meshcheck.report import Angle, Theme
from fabcoord.designs.meshcheck.soup import Floats

SIZE = {"x": 40.0, "y": 20.0, "z": 10.0}


def block() -> Floats:
    box = trimesh.creation.box([SIZE["x"], SIZE["y"], SIZE["z"]])
    return np.asarray(box.triangles, np.float32)


@pytest.mark.parametrize(
    ("angle", "across", "up"),
    [
        (Angle.FRONT, "x", "z"),
        (Angle.SIDE, "y", "z"),
        (Angle.TOP, "x", "y"),
        (Angle.BOTTOM, "x", "y"),
    ],
)
def test_the_silhouette_of_a_block_is_its_face(angle: Angle, across: str, up: str) -> None:
    shot = Shot.take(block(), angle, 200)
    rows, columns = np.nonzero(shot.seen)
    width, height = int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1
    assert width / height == pytest.approx(SIZE[across] / SIZE[up], rel=0.02)
    assert shot.seen.sum() == width * height, "all of the rectangle and nothing beside it"


def test_the_usual_angle_shows_three_faces_and_a_shadow() -> None:
    shot = Shot.take(block(), Angle.ISO, 200)
    assert len(np.unique(np.round(shot.lit / 25), axis=0)) >= 3
    assert shot.shadow[~shot.seen].max() > 0.8


@pytest.mark.parametrize("theme", list(Theme))
def test_the_part_stands_out_from_the_ground_of_both_themes(theme: Theme) -> None:
    shot = Shot.take(block(), Angle.ISO, 100)
    picture = shot.developed(theme)
    part, corner = picture[shot.seen].mean(axis=0), picture[2, 2]
    assert np.abs(part - corner).max() > 60


def test_a_place_in_front_is_drawn_fully_and_one_behind_shines_through() -> None:
    shot = Shot.take(block(), Angle.FRONT, 200)
    before = Places("a", "error", [[-10.0, -10.0, -3.0, -10.0, -10.0, 3.0]])
    behind = Places("b", "error", [[10.0, 10.0, -3.0, 10.0, 10.0, 3.0]])
    assert visible_share(shot, [before]) == 1.0
    assert visible_share(shot, [behind]) == 0.0
    plain = shot.developed(Theme.LIGHT)
    change = np.abs(mark(plain, shot, [before, behind]) - plain).max(axis=2)
    side = shot.pose.side
    left, right = change[:, : side // 2].max(), change[:, side // 2 :].max()
    assert left > 100
    assert 30 < right < left * 0.6


def test_marks_beside_the_part_or_without_any_place_do_no_harm() -> None:
    shot = Shot.take(block(), Angle.TOP, 100)
    far = Places("far", "warning", [[1e6, 0.0, 0.0], [0.0, 0.0, 5.0, 1e7, 0.0, 5.0]])
    none = Places("none", "info", [])
    assert np.isfinite(mark(shot.developed(Theme.DARK), shot, [far, none])).all()
    assert visible_share(shot, [none]) == 0.0
