"""The menu: each role finds what it may see, and every entry leads to a page."""

from __future__ import annotations

import pytest

from fabcoord.members.roles import Member, Role
from fabcoord.web.menu import PLACES, places


@pytest.mark.parametrize("role", list(Role))
def test_a_member_finds_only_what_is_open_to_them(role: Role) -> None:
    member = Member("m", "Somebody", role)
    bar, more = places(member)
    assert [*bar, *more] == sorted(
        (place for place in PLACES if member.may(place.needed)), key=lambda one: not one.in_bar
    )
    assert len(bar) <= 4, "the bar has to fit a phone"


def test_who_is_not_signed_in_finds_nothing() -> None:
    assert places(None) == ([], [])


def test_a_place_is_open_at_what_lies_below_it_and_nowhere_else() -> None:
    designs = next(place for place in PLACES if place.address == "/designs")
    assert designs.is_open_at("/designs/abc")
    assert not designs.is_open_at("/designs-of-others")
