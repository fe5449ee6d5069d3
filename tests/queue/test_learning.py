"""What is measured is believed as it grows, and no single print can mislead."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.queue import learning
from fabcoord.queue.learning import CLEARING_S, KEPT, Learnt, Middle, believed, with_sample
from fabcoord.store.database import Store
from fabcoord.store.migrations import migrate

Ratio = st.floats(-2.0, 2.0)


def test_a_lab_that_measured_nothing_believes_the_slicer_and_the_usual_wait() -> None:
    assert Learnt().pace("mk3s", "p1") == 1.0
    assert Learnt().clearing_s("p1") == CLEARING_S


@given(value=Ratio, count=st.integers(0, 500), before=Ratio)
def test_belief_lies_between_what_was_believed_and_what_was_measured(
    value: float, count: int, before: float
) -> None:
    found = believed(Middle(value, count), before)
    assert min(value, before) - 1e-9 <= found <= max(value, before) + 1e-9


@given(value=Ratio, before=Ratio, count=st.integers(1, 300))
def test_every_further_measurement_draws_belief_nearer(
    value: float, before: float, count: int
) -> None:
    nearer = abs(believed(Middle(value, count + 1), before) - value)
    assert nearer <= abs(believed(Middle(value, count), before) - value) + 1e-12


@given(st.lists(st.floats(0.05, 0.15), min_size=3, max_size=60), st.floats(-2.3, 2.3))
def test_one_wild_print_moves_the_median_no_further_than_its_neighbours(
    usual: list[float], wild: float
) -> None:
    kept: list[float] = []
    middle = 0.0
    for one in [*usual, wild]:
        kept, middle = with_sample(kept, one)
    assert 0.05 <= middle <= 0.15
    assert len(kept) == min(len(usual) + 1, KEPT)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "lab.db")
    migrate(store)
    return store


def test_a_printer_is_told_apart_from_its_model_once_it_printed_enough(store: Store) -> None:
    with store.writing() as db:
        for _ in range(60):
            learning.learn_pace(db, "slow", "mk3s", 1000.0, 1500.0)
        for _ in range(60):
            learning.learn_pace(db, "fast", "mk3s", 1000.0, 1000.0)
        learnt = learning.read(db)
    assert learnt.pace("mk3s", "slow") == pytest.approx(1.45, abs=0.06)
    assert learnt.pace("mk3s", "fast") == pytest.approx(1.0, abs=0.03)
    assert learnt.pace("other") == 1.0
    assert learnt.paces["slow"].count == 60


def test_a_simulator_or_a_wrong_clock_teaches_nothing(store: Store) -> None:
    with store.writing() as db:
        learning.learn_pace(db, "p", "demo", 1000.0, 10.0)
        learning.learn_pace(db, "p", "demo", 0.0, 10.0)
        learning.learn_pace(db, "p", "demo", 1000.0, 1e6)
        assert learning.read(db) == Learnt()


def test_waits_for_clearing_are_learnt_per_printer_and_for_the_lab(store: Store) -> None:
    with store.writing() as db:
        for _ in range(30):
            learning.learn_clearing(db, "p", 60.0)
        learnt = learning.read(db)
    assert 60.0 < learnt.clearing_s("p") < learnt.clearing_s() < CLEARING_S
    assert math.isclose(learnt.clearing_s("unheard of"), learnt.clearing_s())
