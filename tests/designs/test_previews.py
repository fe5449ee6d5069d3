"""What there is to look at of a file: made in the background, kept by kind, marked anew."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from fabcoord.demo import binary_stl, box
from fabcoord.designs import checks, previews
from fabcoord.designs.meshcheck.light import unpack
from fabcoord.designs.meshcheck.report import Angle, Theme
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Store, rows
from fabcoord.work.engine import Engine
from fabcoord.work.sandbox import Limits

PLATE = binary_stl(box(40, 20, 5))
HOLE = {
    "code": "open_edges", "severity": "error", "message": "A hole.",
    "marks": [[10.0, 0.0, 1.0, 20.0, 0.0, 4.0]],
}  # fmt: skip
THIN = {"code": "thin_walls", "severity": "warning", "message": "Thin.", "marks": [[5.0, 5.0, 5.0]]}


@pytest.fixture
def engine(store: Store, blobs: BlobStore, tmp_path: Path) -> Engine:
    engine = Engine(store, tmp_path / "work")
    for task in checks.tasks(store, blobs, tmp_path / "runs", Limits()):
        engine.register(task)
    store.announce = lambda run_id: None
    return engine


def run_all(store: Store, engine: Engine) -> list[str]:
    """Do what is queued, and what that queues; the kinds of run in their order."""
    done = []
    while True:
        with store.reading() as db:
            waiting = rows(db, "SELECT id, kind FROM runs WHERE state = 'queued'")
        if not waiting:
            return done
        for item in waiting:
            engine.execute(item["id"])
            done.append(item["kind"])


def mark(store: Store, blobs: BlobStore, sha256: str, *items: object, tier: str = "") -> None:
    blob = blobs.add(json.dumps({"items": items}).encode()) if items else None
    with store.writing() as db:
        previews.keep_marks(db, sha256, "stl", blob, tier=tier)


def test_every_angle_is_there_in_both_themes_and_the_mesh_of_the_viewer(
    store: Store, blobs: BlobStore, engine: Engine
) -> None:
    sha256 = blobs.add(PLATE)
    with store.writing() as db:
        checks.ensure(db, sha256, "stl")
    assert run_all(store, engine) == ["check", "pictures", "deep", "views"]
    seen = set()
    with store.reading() as db:
        for angle in Angle:
            for theme in Theme:
                found = previews.picture(db, sha256, "stl", angle=angle, theme=theme)
                with Image.open(blobs.path(str(found))) as picture:
                    assert picture.size == (640, 640)
                    assert (picture.getpixel((2, 2))[0] > 200) == (theme is Theme.LIGHT)  # type: ignore[index]
                seen.add(found)
        viewer = previews.made(db, sha256, "stl", "viewer")
        assert previews.picture(db, sha256, "stl", marks="all") is None
    assert len(seen) == len(Angle) * len(Theme), "no two pictures are the same"
    triangles, bodies = unpack(blobs.path(str(viewer)).read_bytes())
    assert (len(triangles), list(bodies)) == (12, [12])


def test_marks_of_the_deep_tier_come_later_and_are_drawn_with_the_others(
    store: Store, blobs: BlobStore, engine: Engine
) -> None:
    sha256 = blobs.add(PLATE)
    with store.writing() as db:
        checks.ensure(db, sha256, "stl")
    run_all(store, engine)
    mark(store, blobs, sha256, HOLE)
    assert run_all(store, engine) == ["views"]
    first = picture_of(store, blobs, sha256, "all")
    assert picture_of(store, blobs, sha256, "open_edges") == first
    mark(store, blobs, sha256, THIN, tier="deep")
    assert run_all(store, engine) == ["views"]
    with store.reading() as db:
        places = previews.marked_places(db, blobs, sha256, "stl")
    assert [one["code"] for one in places] == ["open_edges", "thin_walls"]
    both, hole, thin = (
        picture_of(store, blobs, sha256, code) for code in ("all", "open_edges", "thin_walls")
    )
    assert len({both, hole, thin}) == 3
    assert signal_pixels(hole, red=True) > 200
    assert signal_pixels(thin, red=True) == 0
    assert signal_pixels(thin, red=False) > 50

    mark(store, blobs, sha256)
    mark(store, blobs, sha256, tier="deep")
    run_all(store, engine)
    with store.reading() as db:
        assert previews.picture(db, sha256, "stl", marks="all") is None


def test_what_an_older_version_did_not_make_is_asked_for_once(
    store: Store, blobs: BlobStore, engine: Engine
) -> None:
    sha256 = blobs.add(PLATE)
    with store.writing() as db:
        checks.ensure(db, sha256, "stl")
    run_all(store, engine)
    with store.writing() as db:
        db.conn.execute("DELETE FROM previews")
        assert previews.ask_for_missing(db) == 1
        assert previews.ask_for_missing(db) == 1
    assert run_all(store, engine) == ["pictures", "views"]
    with store.writing() as db:
        assert previews.ask_for_missing(db) == 0


def picture_of(store: Store, blobs: BlobStore, sha256: str, marks: str) -> bytes:
    with store.reading() as db:
        found = previews.picture(db, sha256, "stl", marks=marks)
    return blobs.path(str(found)).read_bytes()


def signal_pixels(png: bytes, *, red: bool) -> int:
    """How many pixels have the colour of errors, or else that of warnings."""
    with Image.open(BytesIO(png)) as picture:
        pixels = picture.convert("RGB").get_flattened_data()
    return sum(1 for r, g, b in pixels if r > 170 and ((g < 90) if red else (g > 130 and b < 90)))
