"""Licence texts: SPDX expressions, whatever their spelling, and nothing else."""

from __future__ import annotations

import pytest

from fabcoord.designs.licences import normalise
from fabcoord.errors import BadInput


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("CC0-1.0", "CC0-1.0"),
        (" cc-by-sa-4.0 ", "CC-BY-SA-4.0"),
        ("cern-ohl-s-2.0", "CERN-OHL-S-2.0"),
        ("mit OR apache-2.0", "MIT OR Apache-2.0"),
        ("(MIT AND CC-BY-4.0) OR CC0-1.0", "(MIT AND CC-BY-4.0) OR CC0-1.0"),
        ("GPL-2.0-or-later WITH Classpath-exception-2.0",
         "GPL-2.0-or-later WITH Classpath-exception-2.0"),
        ("LicenseRef-our-club", "LicenseRef-our-club"),
    ],
)  # fmt: skip
def test_an_expression_comes_back_in_its_usual_spelling(text: str, usual: str) -> None:
    assert normalise(text) == usual
    assert normalise(usual) == usual


@pytest.mark.parametrize(
    "text",
    [
        *("", "   ", "free for all", "MIT OR", "((MIT", "MIT AND AND CC0-1.0", "CC-BY-9.0"),
        *("<img src=x>", "MIT\x00", "../../etc/passwd", "(" * 2000, "MIT OR " * 500),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_what_spdx_does_not_list_is_refused_with_what_to_give(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        normalise(text)
    assert "licence" in caught.value.fields
    assert "CC-BY-SA-4.0" in caught.value.hint
    assert len(caught.value.detail) < 200
