"""Agents come by more seldom when there are many of them."""

from __future__ import annotations

import pytest

from fabcoord.queue.pace import Pace


class Clock:
    """Seconds that pass when they are told to."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_few_agents_are_not_held_back_and_many_are_up_to_a_bound() -> None:
    pace = Pace(Clock())
    for _ in range(200):
        pace.note("one", 0.01)
    assert pace.least_s() < 0.1
    for _ in range(20):
        for number in range(50):
            pace.note(str(number), 0.01)
    assert pace.least_s() == pytest.approx(51 * 0.01 / 0.15, rel=0.1)
    for number in range(500):
        pace.note(str(number), 5.0)
    assert pace.least_s() == 4.0


def test_agents_that_are_gone_are_forgotten() -> None:
    clock = Clock()
    pace = Pace(clock)
    for number in range(400):
        pace.note(str(number), 0.01)
    clock.now_s = 100.0
    assert pace.least_s() == 0.0
