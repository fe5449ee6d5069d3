"""Prints docs/reference/licences.md, made from the policy table."""

from __future__ import annotations

from fabcoord.designs.licences.terms import Commercial, Remix, Terms, table

_HEAD = """\
# Licences

What fabcoord takes a licence to allow. The table is made from
`fabcoord/designs/licences/policy.toml` by `python -m fabcoord.designs.licences`; each row names
where it can be read. It is a reading by people who are no lawyers, and no legal advice.

- A licence is an SPDX expression: `CC-BY-SA-4.0`, `MIT OR CERN-OHL-P-2.0`,
  `Apache-2.0 WITH SHL-2.1`, or `LicenseRef-<name>` for a text of one's own.
- What is not in the table, and any `LicenseRef-` but `LicenseRef-PPL`, counts as *all rights
  reserved*. Where a file says something that is no SPDX expression, fabcoord proposes what may be
  meant; nothing counts until a person has chosen.
- A design made from several others may carry what all of them allow. `A OR B`: what one of the two
  allows. `A AND B`: what both allow. An exception (`WITH`) may be dropped, never added.
- Slicing, converting and printing change nothing in a design, so what may not be remixed may still
  be printed.
- Who prints a design that nobody may earn with, and has it paid (a charge code, or a business as
  the purpose), needs the lab's word: setting `paid_prints` of [Settings](settings.md).

*Credit*: the author is named where a print or a file is passed on. *Give the source*: who gets a
print gets the design files too, or is told where they are. *Open*: open hardware in the sense of
the OSHWA definition.

| licence | a remix may carry | earn with it | credit | give the source | open | read in |
|---|---|---|---|---|---|---|
"""

_REMIX = {
    Remix.NONE: "nothing: it may not be shared",
    Remix.ANY: "any licence",
    Remix.SAME: "the same",
    Remix.LATER: "the same, or a later version of it",
    Remix.LISTED: "",
}
_EARN = {
    Commercial.YES: "yes",
    Commercial.NO: "no",
    Commercial.COOPERATIVES: "worker-owned businesses",
    Commercial.ASK: "ask",
}
_KEEPS = {"credit": "names the author", "noncommercial": "is non-commercial"}


def page() -> str:
    """The reference page, as Markdown."""
    return _HEAD + "".join(_line(terms) for terms in table().values())


def _line(terms: Terms) -> str:
    cells = (
        f"`{terms.licence}`",
        _remix(terms),
        _EARN[terms.commercial],
        "yes" if terms.credit else "",
        "yes" if terms.give_source else "",
        "yes" if terms.open else "",
        f"<{terms.source}>",
    )
    return f"| {' | '.join(cells)} |\n"


def _remix(terms: Terms) -> str:
    words = _REMIX[terms.remix]
    if terms.keeps:
        words += " that " + " and ".join(_KEEPS[duty] for duty in sorted(terms.keeps))
    listed = ", ".join(f"`{one}`" for one in sorted(terms.also))
    words = ", ".join(part for part in (words, listed) if part)
    return words + ("; changed for oneself: yes" if terms.private else "")


if __name__ == "__main__":
    print(page(), end="")
