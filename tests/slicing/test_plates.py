"""Plates of several parts, arranged by the real slicer and vetted by the gate."""

from __future__ import annotations

from pathlib import Path

import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.errors import SlicingFailed, Unprocessable
from fabcoord.printers.machines import machine
from fabcoord.slicing import plates
from fabcoord.slicing.engine import SliceRequest, SliceResult
from fabcoord.slicing.gate import vet
from fabcoord.slicing.keys import plate_key
from fabcoord.slicing.placement import Placement
from fabcoord.slicing.plates import Part
from fabcoord.slicing.presets import resolve
from fabcoord.slicing.prusaslicer import PrusaSlicer


@pytest.fixture
def slab(tmp_path: Path) -> Path:
    path = tmp_path / "slab"
    path.write_bytes(trimesh.creation.box((40, 10, 6)).export(file_type="stl"))
    return path


def sliced(tmp_path: Path, *parts: tuple[Path, Part]) -> SliceResult:
    demo = machine("demo")
    request = SliceRequest(parts[0][0], demo, resolve(demo, "draft", "PLA"), parts=parts)
    result = PrusaSlicer().slice(request, tmp_path / "run")
    vet(result.gcode, demo).require(demo)
    return result


@pytest.mark.slicer
def test_different_parts_share_a_plate_each_turned_by_itself(
    cube: Path, slab: Path, tmp_path: Path
) -> None:
    upright = Part("b" * 64, Placement(0.5, (0, 90, 0)))
    together = sliced(tmp_path, (cube, Part("a" * 64, Placement(), 2)), (slab, upright))
    alone = sliced(tmp_path / "alone", (cube, Part("a" * 64, Placement())))
    report = vet(together.gcode, machine("demo"))
    # Two cubes and the slab of half its size that stands on its end, 20 mm high like the cubes.
    assert report.layers == vet(alone.gcode, machine("demo")).layers
    assert together.info.length_mm
    assert alone.info.length_mm
    assert 1.9 < together.info.length_mm / alone.info.length_mm < 2.6
    assert report.bounds_mm
    widths = [high - low for low, high in report.bounds_mm[:2]]
    assert max(widths) > 40, "they lie beside each other"


@pytest.mark.slicer
def test_too_many_parts_for_one_plate_are_refused_in_words(cube: Path, tmp_path: Path) -> None:
    with pytest.raises(SlicingFailed, match="do not fit on one plate together"):
        sliced(tmp_path, (cube, Part("a" * 64, Placement(), 90)))


def test_a_plate_has_its_limits() -> None:
    with pytest.raises(Unprocessable):
        plates.gathered([Part("a", Placement(), 101)])
    with pytest.raises(Unprocessable):
        plates.gathered([])


_parts = st.lists(
    st.builds(
        Part,
        st.sampled_from(("a" * 64, "b" * 64)),
        st.sampled_from((Placement(), Placement(2.0), Placement(1.0, (90.0, 0.0, 0.0)))),
        st.integers(1, 5),
    ),
    min_size=1,
    max_size=8,
)


@given(_parts, st.randoms(use_true_random=False))
def test_the_order_of_its_parts_does_not_make_another_plate(
    parts: list[Part], chance: object
) -> None:
    shuffled = sorted(parts, key=lambda _: chance.random())  # type: ignore[attr-defined]
    first, second = plates.gathered(parts), plates.gathered(shuffled)
    assert plate_key(first, "p", "e", "1") == plate_key(second, "p", "e", "1")
    assert plates.from_json(plates.to_json(first)) == first
    more = plates.gathered([*parts, Part("c" * 64, Placement())])
    assert plate_key(more, "p", "e", "1") != plate_key(first, "p", "e", "1")
