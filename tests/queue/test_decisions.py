"""Who may take what, and when it should begin: the pure parts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fabcoord.queue.forecast import CLEARING_S, QueuedJob, forecast
from fabcoord.queue.match import Offering, Wish, why_not

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


def job(name: str, copies: int = 1, copy_s: float = 100.0, wish: Wish = ANY) -> QueuedJob:
    return QueuedJob(name, wish, copies, copy_s)


def test_first_come_first_served_on_whichever_printer_is_free_first() -> None:
    found = forecast([job("a"), job("b"), job("c")], [LEFT, RIGHT], {"p1": 0.0, "p2": 50.0})
    assert [(found[name].position, found[name].start_s) for name in "abc"] == [
        *((1, 0.0), (2, 50.0), (3, 100.0 + CLEARING_S)),
    ]
    assert found["b"].end_s == 150.0


def test_copies_spread_and_the_last_decides_when_it_is_done() -> None:
    found = forecast([job("a", copies=3)], [LEFT, RIGHT], {"p1": 0.0, "p2": 0.0})
    assert found["a"].start_s == 0.0
    assert found["a"].end_s == 100.0 + CLEARING_S + 100.0


def test_who_fits_nowhere_in_reach_gets_no_promise_and_keeps_its_place() -> None:
    blue = Wish(None, None, "blue", "p1")
    found = forecast([job("a", wish=blue), job("b")], [LEFT, RIGHT], {"p1": 0.0})
    assert "a" not in found
    assert found["b"].position == 2
    assert forecast([job("a")], [LEFT, RIGHT], {}) == {}


@given(
    jobs=st.lists(st.tuples(st.integers(1, 5), st.floats(1, 1e5)), max_size=8),
    free=st.dictionaries(st.sampled_from(["p1", "p2"]), st.floats(0, 1e5)),
)
def test_nothing_is_promised_before_a_printer_is_free(
    jobs: list[tuple[int, float]], free: dict[str, float]
) -> None:
    queue = [job(str(number), copies, copy_s) for number, (copies, copy_s) in enumerate(jobs)]
    found = forecast(queue, [LEFT, RIGHT], free)
    assert len(found) == (len(queue) if free else 0)
    for one in queue:
        if one.id in found:
            expected = found[one.id]
            assert expected.start_s >= min(free.values())
            assert expected.end_s >= expected.start_s + one.copy_s
    starts = [found[one.id].start_s for one in queue if one.id in found]
    assert starts == sorted(starts), "who came first begins first where all fit everywhere"
