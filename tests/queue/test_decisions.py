"""Who may take what, and when it should begin: the pure parts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fabcoord.queue.fairshare import JobFacts
from fabcoord.queue.forecast import forecast
from fabcoord.queue.learning import CLEARING_S
from fabcoord.queue.match import Offering, Wish, why_not
from fabcoord.queue.policy import Hours, Weights
from fabcoord.queue.schedule import Schedule, Waiting

ANY = Wish(None, None, None, None)
LEFT = Offering("p1", "Left", "demo", "PLA", "red")
RIGHT = Offering("p2", "Right", "demo", "PETG", None)


def test_who_wishes_for_nothing_takes_anything() -> None:
    assert why_not(ANY, LEFT) is None
    assert why_not(ANY, RIGHT) is None


def test_each_wish_is_refused_in_words_that_name_the_printer() -> None:
    refusals = {
        Wish("prusa_mini", None, None, None): "Left is another machine model.",
        Wish(None, "PETG", None, None): "Left has PLA loaded, not PETG.",
        Wish(None, None, "blue", None): "Left has red loaded, not blue.",
        Wish(None, None, None, "p2"): "Left is not the printer that was asked for.",
    }
    for wish, words in refusals.items():
        assert why_not(wish, LEFT) == words


def test_capitals_do_not_matter_and_what_nobody_stated_may_fit() -> None:
    assert why_not(Wish("demo", "pla", "RED", "p1"), LEFT) is None
    assert why_not(Wish(None, None, "blue", None), RIGHT) is None


AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)  # a Monday


def queue_of(*asked: tuple[str, int, float, Wish]) -> Schedule:
    """Jobs of one member each, in the order in which they were asked for."""
    schedule = Schedule(Weights(short=0.0), AT.timestamp())
    for number, (name, copies, copy_s, wish) in enumerate(asked):
        facts = JobFacts(AT.timestamp() - 1000.0 + number, copy_s)
        schedule.put(Waiting(name, name, wish, facts, copies))
    return schedule


def job(name: str, copies: int = 1, copy_s: float = 100.0, wish: Wish = ANY) -> Any:
    return (name, copies, copy_s, wish)


def test_among_equals_who_came_first_begins_first_on_whichever_printer_is_free() -> None:
    queue = queue_of(job("a"), job("b"), job("c"))
    found = forecast(queue, [LEFT, RIGHT], {"p1": 0.0, "p2": 50.0}, AT)
    assert [found[name].start_s for name in "abc"] == [0.0, 50.0, 100.0 + CLEARING_S]
    assert found["b"].end_s == 150.0


def test_copies_spread_and_the_last_decides_when_it_is_done() -> None:
    found = forecast(queue_of(job("a", copies=3)), [LEFT, RIGHT], {"p1": 0.0, "p2": 0.0}, AT)
    assert found["a"].start_s == 0.0
    assert found["a"].end_s == 100.0 + CLEARING_S + 100.0


def test_who_fits_nowhere_in_reach_gets_no_promise() -> None:
    blue = Wish(None, None, "blue", "p1")
    queue = queue_of(job("a", wish=blue), job("b"))
    assert set(forecast(queue, [LEFT, RIGHT], {"p1": 0.0}, AT)) == {"b"}
    assert forecast(queue_of(job("a")), [LEFT, RIGHT], {}, AT) == {}


def test_a_print_that_is_too_long_for_today_is_expected_when_the_lab_opens() -> None:
    opening = Hours(open={"monday": [["09:00", "12:00"]], "tuesday": [["09:00", "20:00"]]})
    found = forecast(queue_of(job("a", copy_s=8 * 3600.0)), [LEFT], {"p1": 0.0}, AT, opening)
    assert found["a"].start_s == 23 * 3600.0


@given(
    jobs=st.lists(st.tuples(st.integers(1, 5), st.floats(1, 1e5)), max_size=8),
    free=st.dictionaries(st.sampled_from(["p1", "p2"]), st.floats(0, 1e5)),
)
def test_nothing_is_promised_before_a_printer_is_free(
    jobs: list[tuple[int, float]], free: dict[str, float]
) -> None:
    queue = [job(str(number), copies, copy_s) for number, (copies, copy_s) in enumerate(jobs)]
    found = forecast(queue_of(*queue), [LEFT, RIGHT], free, AT)
    assert len(found) == (len(queue) if free else 0)
    for name, _, copy_s, _ in queue:
        if name in found:
            assert found[name].start_s >= min(free.values())
            assert found[name].end_s >= found[name].start_s + copy_s
    starts = [found[name].start_s for name, *_ in queue if name in found]
    assert starts == sorted(starts), "who came first begins first where all fit everywhere"
