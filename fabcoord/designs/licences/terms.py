"""What each licence allows: the policy table, read from policy.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from fabcoord.designs.licences.expressions import Atom, Both, Either, Expression, parse


class Remix(StrEnum):
    """Which licences a shared remix may carry."""

    NONE = "none"  # it may not be shared at all
    ANY = "any"  # any that keeps the duties
    SAME = "same"  # this very one
    LATER = "later"  # the same in this or a later version
    LISTED = "listed"  # those that the table names


class Commercial(StrEnum):
    """Who may earn with it."""

    YES = "yes"
    NO = "no"
    COOPERATIVES = "cooperatives"  # businesses that belong to their workers
    ASK = "ask"  # nobody without the author's word


@dataclass(frozen=True, slots=True)
class Terms:
    """One row of the table, as it stands for one licence.

    Attributes:
        also: licences that a remix may carry besides what ``remix`` says.
        keeps: duties that the licence of a remix must name too: ``credit``, ``noncommercial``.
        credit: the author is to be named.
        give_source: who gets a print gets the design files too, or is told where they are.
        private: a changed version may be made for oneself, though not shared.
        source: where to read that it is so.
        is_known: whether the table has this licence; if not, no right counts as given.
    """

    licence: str
    remix: Remix
    commercial: Commercial
    plain: str
    source: str = ""
    also: frozenset[str] = frozenset()
    keeps: frozenset[str] = frozenset()
    credit: bool = False
    give_source: bool = False
    open: bool = False
    private: bool = False
    is_known: bool = True


_UNKNOWN_WORDS = (
    "Its terms are not known here, so all rights count as reserved: ask the author before you"
    " print it for others, share it or change it."
)


@cache
def table() -> dict[str, Terms]:
    """Every licence that the table has, in its order."""
    text = resources.files("fabcoord.designs.licences").joinpath("policy.toml").read_text()
    found: dict[str, Terms] = {}
    for row in tomllib.loads(text)["row"]:
        for licence in row["ids"]:
            found[licence] = Terms(
                licence=licence,
                remix=Remix(row["remix"]),
                commercial=Commercial(row["commercial"]),
                plain=row["plain"],
                source=row["source"],
                also=frozenset(row.get("also", ())),
                keeps=frozenset(row.get("keeps", ())),
                credit=row.get("credit", False),
                give_source=row.get("give") == "source",
                open=row.get("open", False),
                private=row.get("private", False),
            )
    return found


def of(atom: Atom) -> Terms:
    """What one licence allows; all rights are reserved where the table does not know it."""
    known = table().get(atom.name) or table().get(atom.base)  # an exception only ever adds rights
    return known or Terms(
        licence=atom.name,
        remix=Remix.NONE,
        commercial=Commercial.ASK,
        plain=_UNKNOWN_WORDS,
        credit=True,
        is_known=False,
    )


_GIVING = (Commercial.ASK, Commercial.NO, Commercial.COOPERATIVES, Commercial.YES)


def of_print(licence: str) -> tuple[Terms, ...]:
    """The terms that count for who prints: all of ``AND``, the most giving branch of ``OR``."""
    return _chosen(parse(licence))


def _chosen(expression: Expression) -> tuple[Terms, ...]:
    match expression:
        case Atom():
            return (of(expression),)
        case Both(parts):
            return tuple(terms for part in parts for terms in _chosen(part))
        case Either(parts):
            return max((_chosen(part) for part in parts), key=_generosity)


def _generosity(terms: tuple[Terms, ...]) -> tuple[int, int]:
    duties = sum(one.credit + one.give_source for one in terms)
    return min(_GIVING.index(one.commercial) for one in terms), -duties


def is_open(licence: str) -> bool:
    """Whether what is licensed so is open hardware in the sense of the OSHWA definition."""
    return all(terms.open for terms in of_print(licence))


def plain_words(licence: str) -> str:
    """What a licence means, for who wants to print or change the design."""
    return " ".join(dict.fromkeys(terms.plain for terms in of_print(licence)))


def duties(licence: str) -> list[str]:
    """What whoever hands a print on has to do, one sentence each."""
    terms = of_print(licence)
    said = []
    if any(one.credit for one in terms):
        said.append("Name the title, the author and the licence to who gets the print.")
    if any(one.give_source for one in terms):
        said.append("Give the design files along, or tell where they are.")
    if any(one.commercial is Commercial.NO for one in terms):
        said.append("Make no business of it.")
    if any(one.commercial is Commercial.COOPERATIVES for one in terms):
        said.append("Only businesses that belong to their workers may earn with it.")
    if any(one.commercial is Commercial.ASK for one in terms):
        said.append("Ask the author first: no right is given here.")
    return said
