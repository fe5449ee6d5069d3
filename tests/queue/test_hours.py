"""When the lab is open, by the clock on its wall."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from fabcoord.queue.hours import opens_at, window
from fabcoord.queue.policy import Hours

WEEK = {day: [["09:00", "18:00"]] for day in ("monday", "tuesday", "friday")}
BERLIN = Hours(timezone="Europe/Berlin", open=WEEK)


def berlin(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of the week that begins on Monday, 2 March 2026, in winter time."""
    return datetime(2026, 3, 1 + day, hour - 1, minute, tzinfo=UTC)


def test_a_lab_without_hours_never_closes() -> None:
    assert window(Hours(), berlin(1, 3)).left_s == math.inf
    assert opens_at(Hours(), berlin(1, 3)) == berlin(1, 3)


def test_a_print_has_until_the_lab_closes() -> None:
    assert window(BERLIN, berlin(1, 17)).left_s == 3600.0
    assert window(BERLIN, berlin(1, 18)).left_s == 0.0
    assert window(BERLIN, berlin(3, 12)).left_s == 0.0, "Wednesday"


def test_the_next_opening_is_found_across_days() -> None:
    assert opens_at(BERLIN, berlin(1, 18)) == berlin(2, 9)
    assert opens_at(BERLIN, berlin(2, 18)) == berlin(5, 9)
    assert opens_at(BERLIN, berlin(5, 18)) == berlin(8, 9)
    assert opens_at(Hours(open={"monday": []}), berlin(1, 9)) is None


def test_spans_that_meet_at_midnight_are_one() -> None:
    late = Hours(open={"monday": [["20:00", "24:00"]], "tuesday": [["00:00", "02:00"]]})
    assert window(late, datetime(2026, 3, 2, 23, 0, tzinfo=UTC)).left_s == 3 * 3600.0


def test_the_day_the_clocks_change_is_as_long_as_it_is() -> None:
    day = Hours(timezone="Europe/Berlin", open={"sunday": [["00:00", "24:00"]]})
    left_s = window(day, datetime(2026, 3, 28, 23, 0, tzinfo=UTC)).left_s
    assert left_s in (23 * 3600.0, 24 * 3600.0)  # midnight to midnight by the wall


def test_nothing_starts_in_quiet_hours_also_across_midnight() -> None:
    quiet = Hours(timezone="Europe/Berlin", quiet=[["22:00", "07:00"]])
    assert window(quiet, berlin(1, 23)).quiet_until == berlin(2, 7)
    assert window(quiet, berlin(2, 6)).quiet_until == berlin(2, 7)
    assert window(quiet, berlin(2, 7)).quiet_until is None


@pytest.mark.parametrize(
    ("overnight", "all_may", "marked_may"),
    [("always", True, True), ("asked", False, True), ("never", False, False)],
)
def test_who_may_print_overnight_is_policy(overnight: str, all_may: bool, marked_may: bool) -> None:
    found = window(Hours(open=WEEK, overnight=overnight), berlin(1, 12))
    assert (found.night, found.marked) == (all_may, marked_may)
