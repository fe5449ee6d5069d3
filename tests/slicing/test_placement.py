"""Placement, bed fit and slice keys: pure decisions."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fabcoord.errors import Unprocessable
from fabcoord.printers.machines import machine
from fabcoord.slicing.keys import slice_key
from fabcoord.slicing.placement import Placement, fits

scales = st.floats(0.001, 1000)
angles = st.tuples(*[st.integers(-720, 720).map(float)] * 3)
quarters = st.tuples(*[st.integers(-8, 8).map(lambda n: 90.0 * n)] * 3)
sizes = st.tuples(*[st.floats(0.1, 500)] * 3)


def key(placement: Placement) -> str:
    return slice_key("mesh", placement, "preset", "prusaslicer", "2.5.0")


@given(scales, angles)
def test_whole_turns_change_nothing(scale: float, rotation: tuple[float, float, float]) -> None:
    x, y, z = rotation
    assert key(Placement(scale, (x + 360, y - 720, z))) == key(Placement(scale, rotation))


@given(angles, angles)
def test_other_angles_are_another_slice(
    one: tuple[float, float, float], other: tuple[float, float, float]
) -> None:
    assume([angle % 360 for angle in one] != [angle % 360 for angle in other])
    assert key(Placement(1, one)) != key(Placement(1, other))


@given(*[st.tuples(*[st.text(max_size=5)] * 4)] * 2)
def test_different_parts_never_make_the_same_key(
    one: tuple[str, str, str, str], other: tuple[str, str, str, str]
) -> None:
    def of(parts: tuple[str, str, str, str]) -> str:
        return slice_key(parts[0], Placement(), *parts[1:])

    assert (of(one) == of(other)) is (one == other)


@given(sizes, st.floats(0.5, 2), quarters)
def test_quarter_turns_keep_the_sides_and_change_their_order(
    size: tuple[float, float, float], scale: float, rotation: tuple[float, float, float]
) -> None:
    placed = Placement(scale, rotation).placed_size(size)
    assert placed is not None
    assert sorted(placed) == pytest.approx(sorted(side * scale for side in size))


@pytest.mark.parametrize("scale", [0, -1, math.nan, math.inf, 1e9])
def test_a_senseless_scale_is_refused(scale: float) -> None:
    with pytest.raises(Unprocessable, match="scale"):
        Placement(scale)


@pytest.mark.parametrize("rotation", [(math.nan, 0, 0), (0, math.inf, 0), (0, 0)])
def test_a_senseless_rotation_is_refused(rotation: tuple[float, ...]) -> None:
    with pytest.raises(Unprocessable, match="rotation"):
        Placement(1, rotation)  # type: ignore[arg-type]


def test_a_part_that_fits() -> None:
    assert fits((200, 200, 180), Placement(), machine("demo")) is None


def test_a_part_that_is_too_large_is_told_with_both_sizes() -> None:
    reason = fits((250.04, 20, 30), Placement(), machine("demo"))
    assert reason == "The part is 250 × 20 × 30 mm, Demo printer prints up to 200 × 200 × 180 mm."


def test_the_skirt_needs_room_too() -> None:
    reason = fits((198, 198, 100), Placement(), machine("demo"), margin_mm=3.6)
    assert reason is not None
    assert "192.8 × 192.8 × 180 mm" in reason
    assert "skirt" in reason


def test_turning_a_part_may_make_it_fit() -> None:
    tall = (50, 50, 195)
    assert fits(tall, Placement(), machine("demo")) is not None
    assert fits(tall, Placement(1, (0, 90, 0)), machine("demo")) is None
    assert fits(tall, Placement(0.9), machine("demo")) is None


def test_after_an_odd_turn_only_the_slicer_can_tell() -> None:
    assert fits((190, 190, 10), Placement(1, (0, 0, 45)), machine("demo")) is None


@pytest.mark.parametrize("size", [(math.nan, 1, 1), (0, 1, 1), (1, math.inf, 1)])
def test_a_part_without_a_size_fits_nowhere(size: tuple[float, float, float]) -> None:
    assert "no size" in (fits(size, Placement(), machine("demo")) or "")
