"""The policy table: what may be made of what, what a print asks for, what prose may mean."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabcoord.designs.licences import (
    PaidPrints,
    Parent,
    PrintRules,
    allows,
    duties,
    is_open,
    objection,
    only_private,
    plain_words,
    possible,
    require,
    suggest,
)
from fabcoord.designs.licences.__main__ import page
from fabcoord.designs.licences.expressions import known_ids, normalise
from fabcoord.designs.licences.terms import Remix, table
from fabcoord.errors import LicenceConflict

ROWS = sorted(table())
licences = st.sampled_from(ROWS)


@st.composite
def expressions(draw: st.DrawFn) -> str:
    parts = draw(st.lists(licences, min_size=1, max_size=3))
    joiner = draw(st.sampled_from([" OR ", " AND "]))
    return normalise(joiner.join(parts))


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_a_licence_that_spdx_lists_and_says_where_to_read_it(name: str) -> None:
    terms = table()[name]
    assert normalise(name) == name
    assert terms.source.startswith("https://")
    assert terms.plain.endswith(".")
    assert {normalise(one) for one in terms.also} == terms.also
    assert terms.keeps <= {"credit", "noncommercial"}


def test_every_creative_commons_licence_that_spdx_lists_has_a_row() -> None:
    listed = {one for one in known_ids() if one.startswith(("CC-", "CC0-", "CERN-OHL-", "TAPR"))}
    assert listed <= set(table())


def test_the_reference_page_is_made_from_the_table() -> None:
    written = Path(__file__).parents[3] / "docs/reference/licences.md"
    assert written.read_text() == page(), "run: python -m fabcoord.designs.licences > that file"


@pytest.mark.parametrize("name", ROWS)
def test_a_licence_goes_with_itself_unless_it_forbids_derivatives(name: str) -> None:
    assert allows(name, name) == (table()[name].remix is not Remix.NONE)
    assert ("-ND" in name) == (table()[name].remix is Remix.NONE)


@pytest.mark.parametrize(
    ("parent", "child", "may"),
    [
        ("CC0-1.0", "LicenseRef-our-club", True),
        ("MIT", "CC-BY-NC-4.0", True),
        ("MIT", "CC0-1.0", False),  # the notice would be lost
        ("CC-BY-4.0", "CC-BY-NC-SA-4.0", True),
        ("CC-BY-SA-2.0", "CC-BY-SA-4.0", True),
        ("CC-BY-SA-3.0", "CC-BY-SA-3.0-DE", True),
        ("CC-BY-SA-4.0", "CC-BY-SA-3.0", False),
        ("CC-BY-SA-1.0", "CC-BY-SA-4.0", False),
        ("CC-BY-SA-4.0", "GPL-3.0-only", True),
        ("CC-BY-SA-3.0", "GPL-3.0-only", False),
        ("GPL-3.0-only", "CC-BY-SA-4.0", False),  # one way
        ("GPL-3.0-only", "GPL-3.0-or-later", False),
        ("GPL-3.0-or-later", "GPL-3.0-only", True),
        ("GPL-2.0-only", "GPL-3.0-only", False),
        ("GPL-2.0-or-later", "AGPL-3.0-or-later", True),
        ("CC-BY-NC-4.0", "CC-BY-4.0", False),
        ("CC-BY-NC-4.0", "CC-BY-NC-ND-4.0", True),
        ("CC-BY-NC-SA-4.0", "CC-BY-SA-4.0", False),
        ("CC-BY-NC-SA-3.0", "PPL", False),
        ("PPL", "PPL", True),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", False),
        ("CERN-OHL-W-2.0", "CERN-OHL-S-2.0", True),
        ("CERN-OHL-S-2.0", "CERN-OHL-W-2.0", False),
        ("Apache-2.0 WITH SHL-2.1", "Apache-2.0", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only", True),
        ("GPL-2.0-only", "GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("EUPL-1.2", "EUPL-1.2", False),  # no row: nothing is given
        ("LicenseRef-our-club", "LicenseRef-our-club", False),
        ("CC-BY-SA-4.0 OR GPL-2.0-only", "GPL-2.0-only", True),
        ("CC-BY-SA-4.0 AND GPL-3.0-or-later", "GPL-3.0-only", True),
        ("CC-BY-SA-4.0 AND GPL-2.0-only", "GPL-2.0-only", False),
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0 OR MIT", False),  # whoever takes it could choose MIT
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0 AND MIT", True),
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0 AND CC-BY-NC-4.0", False),  # asks for more
    ],
)
def test_what_a_remix_may_carry(parent: str, child: str, may: bool) -> None:
    assert allows(parent, child) is may


@pytest.mark.parametrize(
    ("parents", "left"),
    [
        (("CC-BY-SA-4.0", "GPL-3.0-only"), ["GPL-3.0-only"]),
        (("CC-BY-SA-4.0", "CC-BY-NC-SA-4.0"), []),
        (("CC-BY-SA-4.0", "CERN-OHL-S-2.0"), []),
        (("CERN-OHL-P-2.0", "CERN-OHL-S-2.0"), ["CERN-OHL-S-2.0"]),
        (("CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0"), ["CC-BY-SA-4.0"]),
    ],
)
def test_several_parents_leave_what_all_of_them_allow(
    parents: tuple[str, ...], left: list[str]
) -> None:
    assert list(possible(parents)) == left


@settings(max_examples=60, deadline=None)
@given(st.lists(expressions(), min_size=1, max_size=3))
def test_the_order_of_parents_decides_nothing(parents: list[str]) -> None:
    found = {frozenset(possible(order)) for order in permutations(parents)}
    assert len(found) == 1


@settings(max_examples=60, deadline=None)
@given(expressions(), expressions())
def test_a_further_parent_never_adds_a_choice(one: str, other: str) -> None:
    both = set(possible([one, other]))
    assert both - {one, other} <= set(possible([one]))
    assert both == {each for each in both if allows(one, each) and allows(other, each)}


@settings(max_examples=100, deadline=None)
@given(licences, licences, licences)
def test_either_is_never_narrower_and_both_never_wider(one: str, other: str, child: str) -> None:
    single = (allows(one, child), allows(other, child))
    assert allows(f"{one} OR {other}", child) == any(single)
    assert allows(f"{one} AND {other}", child) == all(single)


def test_a_conflict_names_who_refuses_what_and_what_is_possible() -> None:
    with pytest.raises(LicenceConflict) as caught:
        require([Parent("Gear", "CC-BY-SA-4.0")], "MIT")
    document = caught.value.problem()
    assert document["status"] == 422
    assert "'Gear' (CC-BY-SA-4.0)" in str(document["detail"])
    assert document["possible"] == ["CC-BY-SA-4.0", "GPL-3.0-only", "LAL-1.3"]
    assert document["conflicts"] == [
        {"title": "Gear", "licence": "CC-BY-SA-4.0", "why": (
            "what is made from CC-BY-SA-4.0 stays under CC-BY-SA-4.0, GPL-3.0-only, LAL-1.3.")}
    ]  # fmt: skip


def test_two_parents_that_no_licence_joins_are_both_named() -> None:
    parents = [Parent("A", "CC-BY-4.0"), Parent("B", "CC-BY-SA-4.0"), Parent("C", "CERN-OHL-S-2.0")]
    with pytest.raises(LicenceConflict, match=r"'B' .* and 'C' .* cannot be joined") as caught:
        require(parents, "CC-BY-SA-4.0")
    assert caught.value.extra["possible"] == []


def test_no_derivatives_may_be_changed_for_oneself_alone() -> None:
    parents = [Parent("Vase", "CC-BY-ND-4.0")]
    with pytest.raises(LicenceConflict, match="make the design private"):
        require(parents, "CC-BY-ND-4.0")
    require(parents, "CC-BY-ND-4.0", shared=False)
    assert not only_private("CC-BY-ND-3.0")
    with pytest.raises(LicenceConflict):
        require([Parent("Vase", "CC-BY-ND-3.0")], "CC-BY-ND-3.0", shared=False)


@pytest.mark.parametrize(
    ("licence", "paid", "business", "own", "rules", "outcome"),
    [
        ("CC-BY-4.0", True, True, False, PrintRules(), None),
        ("CC-BY-NC-4.0", False, False, False, PrintRules(), None),
        ("CC-BY-NC-4.0", True, False, False, PrintRules(), "held"),
        ("CC-BY-NC-4.0", True, False, True, PrintRules(), None),
        ("CC-BY-NC-4.0", True, False, False, PrintRules(PaidPrints.ALLOW), None),
        ("CC-BY-NC-4.0", False, True, False, PrintRules(PaidPrints.ALLOW), "held"),
        ("CC-BY-NC-4.0", True, False, False, PrintRules(PaidPrints.REFUSE), "refused"),
        ("CC-BY-NC-4.0 OR CERN-OHL-P-2.0", True, True, False, PrintRules(), None),
        ("CC-BY-NC-4.0 AND MIT", True, False, False, PrintRules(), "held"),
        ("CC-BY-ND-4.0", True, True, False, PrintRules(), None),
        ("PPL", True, False, False, PrintRules(), "held"),
        ("PPL", True, True, False, PrintRules(is_cooperative=True), None),
        ("LicenseRef-x", False, False, False, PrintRules(), "held"),
        ("LicenseRef-x", False, False, True, PrintRules(), None),
    ],
)
def test_who_pays_for_what_may_not_be_earned_with(
    licence: str, paid: bool, business: bool, own: bool, rules: PrintRules, outcome: str | None
) -> None:
    found = objection(licence, is_paid=paid, is_commercial=business, is_own=own, rules=rules)
    assert outcome == (None if found is None else "refused" if found.is_final else "held")


def test_duties_and_plain_words_follow_the_chosen_branch() -> None:
    assert any("where they are" in one for one in duties("CERN-OHL-S-2.0"))
    assert duties("CC0-1.0 OR CERN-OHL-S-2.0") == []
    assert "name the author" in plain_words("CC-BY-4.0")
    assert "reserved" in plain_words("LicenseRef-x")
    assert is_open("CERN-OHL-S-2.0")
    assert not is_open("CC-BY-NC-4.0")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("Creative Commons - Attribution - Share Alike", "CC-BY-SA-4.0"),
        ("Attribution-NonCommercial-NoDerivs 3.0", "CC-BY-NC-ND-3.0"),
        ("CERN OHL v1.2", "CERN-OHL-1.2"),
        ("cern-ohl-s", "CERN-OHL-S-2.0"),
        ("GPLv3", "GPL-3.0-or-later"),
        ("GNU General Public License v2.0 or later", "GPL-2.0-or-later"),
        ("LGPL 2.1 only", "LGPL-2.1-or-later"),
        ("Creative Commons Zero", "CC0-1.0"),
        ("solderpad 2.1", "Apache-2.0 WITH SHL-2.1"),
        ("TAPR Open Hardware License (OHL)", "TAPR-OHL-1.0"),
        ("Peer Production License", "PPL"),
        ("mit", "MIT"),
    ],
)
def test_prose_brings_a_suggestion(text: str, first: str) -> None:
    assert suggest(text)[0].licence == first


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_whatever_is_written_suggestions_are_licences(text: str) -> None:
    for one in suggest(text):
        assert normalise(one.licence) == one.licence


def test_what_nobody_could_tell_brings_none() -> None:
    assert suggest("free for all my friends") == []
