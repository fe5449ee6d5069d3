"""How many lines may be on their way: what the firmware bears, and what the lab wants."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fabcoord.printers import profiles
from fabcoord.printers.serial.options import FlowMode, WireOptions

BEARS_IT = replace(profiles.default(), window=True, receive_buffer_bytes=128)
BEARS_IT_NOT = replace(BEARS_IT, window=False)


@pytest.mark.parametrize(
    ("flow", "bears_it", "motion_modes", "expected"),
    [
        (FlowMode.AUTO, True, False, 128),
        (FlowMode.AUTO, True, True, 0),
        (FlowMode.AUTO, False, False, 0),
        (FlowMode.WINDOW, True, True, 128),
        (FlowMode.WINDOW, False, False, 128),
        (FlowMode.PING_PONG, True, False, 0),
    ],
)
def test_the_window(flow: FlowMode, bears_it: bool, motion_modes: bool, expected: int) -> None:
    profile = BEARS_IT if bears_it else BEARS_IT_NOT
    assert WireOptions(flow).window_bytes(profile, motion_modes=motion_modes) == expected


def test_the_lab_knows_its_board_better_than_the_profile() -> None:
    options = WireOptions(receive_buffer_bytes=64)
    assert options.window_bytes(BEARS_IT, motion_modes=False) == 64
    assert options.window_bytes(BEARS_IT_NOT, motion_modes=False) == 0
