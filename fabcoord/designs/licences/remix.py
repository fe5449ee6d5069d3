"""Decides which licences a remix may carry, from the licences of all that it is made from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from fabcoord.designs.licences.expressions import Atom, Both, Either, Expression, atoms, parse
from fabcoord.designs.licences.terms import Commercial, Remix, Terms, of, table
from fabcoord.errors import LicenceConflict

_VERSIONED = re.compile(r"(CC(?:-BY)?(?:-NC)?(?:-SA)?)-(\d\.\d)(?:-[A-Z]+)?")

# What is named first when something is proposed: the licences that people know.
_COMMON = (
    *("CC-BY-SA-4.0", "CERN-OHL-S-2.0", "CC-BY-4.0", "CERN-OHL-P-2.0", "CERN-OHL-W-2.0"),
    *("GPL-3.0-or-later", "GPL-3.0-only", "AGPL-3.0-or-later", "CC-BY-NC-SA-4.0", "CC-BY-NC-4.0"),
    *("MIT", "Apache-2.0", "CC0-1.0", "PPL"),
)
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Parent:
    """Something that a design was made from."""

    title: str
    licence: str


def allows(parent: str, child: str) -> bool:
    """Whether a shared remix of what is licensed as ``parent`` may be licensed as ``child``."""
    given, wanted = parse(parent), parse(child)
    if given == wanted:
        # Every promise is kept by who keeps all terms as they are, if they let remixes be at all.
        return _has_shareable_branch(given)
    return _allows(given, wanted)


def possible(parents: Iterable[str]) -> tuple[str, ...]:
    """The licences of our table (and the parents' own) that all these parents allow."""
    asked = list(dict.fromkeys(parents))
    candidates = dict.fromkeys((*_COMMON, *table(), *asked))
    return tuple(one for one in candidates if all(allows(parent, one) for parent in asked))


def only_private(licence: str) -> bool:
    """Whether a changed version may be made for oneself although it may not be shared."""
    terms = [of(atom) for atom in atoms(parse(licence))]
    return all(one.private or one.remix is not Remix.NONE for one in terms)


def require(parents: Sequence[Parent], licence: str, *, shared: bool = True) -> None:
    """Raise LicenceConflict, naming who refuses what and what is possible instead.

    Args:
        parents: all that the design is made from by others.
        licence: what the design is to be licensed as.
        shared: False for a private design: what may be changed for oneself alone passes.
    """
    if not shared:
        parents = [one for one in parents if not only_private(one.licence)]
    refusing = [one for one in parents if not allows(one.licence, licence)]
    if not refusing:
        return
    options = possible(one.licence for one in parents)
    conflicts = [
        {"title": one.title, "licence": one.licence, "why": _why(one.licence, licence)}
        for one in refusing
    ]
    raise LicenceConflict(
        f"{_named(refusing[0])} cannot become part of a design under {licence}:"
        f" {conflicts[0]['why']}",
        hint=_way_out(parents, options, shared=shared),
        fields={"licence": "not allowed by what it is made from"},
        extra={"conflicts": conflicts, "possible": list(options)},
    )


def _allows(given: Expression, wanted: Expression) -> bool:
    match given:
        case Either(parts):
            return any(_allows(part, wanted) for part in parts)
        case Both(parts):
            return all(_allows(part, wanted) for part in parts)
    match wanted:
        case Either(parts):  # whoever takes the remix may choose any of these
            return all(_allows(given, part) for part in parts)
        case Both(parts):
            return any(_covers(given, part, parts) for part in parts)
    return _atom_allows(given, wanted)


def _covers(given: Expression, one: Expression, all_parts: tuple[Expression, ...]) -> bool:
    """Whether ``one`` is allowed and the others beside it ask for no more than it does."""
    others = [part for part in all_parts if part is not one]
    return _allows(given, one) and all(part == one or _allows(part, one) for part in others)


def _atom_allows(parent: Atom, child: Atom) -> bool:
    terms = of(parent)
    if terms.remix is Remix.NONE:
        return False
    if terms.remix is Remix.ANY:
        return terms.keeps <= _keeps(of(child))
    if parent == child:
        return True
    if child.name != child.base:
        # An exception gives more rights than the parent does, unless it is the parent's own.
        same_exception = child.name.removeprefix(child.base) == parent.name.removeprefix(
            parent.base
        )
        return same_exception and _atom_allows(Atom(parent.base), Atom(child.base))
    if child.name in terms.also or child.name == parent.base:
        return True
    return terms.remix is Remix.LATER and _is_later(parent.base, child.name)


def _keeps(terms: Terms) -> frozenset[str]:
    kept = {"credit"} if terms.credit else set()
    if terms.commercial in (Commercial.NO, Commercial.ASK):
        kept.add("noncommercial")
    return frozenset(kept)


def _is_later(parent: str, child: str) -> bool:
    """The same Creative Commons elements in the same version (any country) or a later one."""
    old, new = _VERSIONED.fullmatch(parent), _VERSIONED.fullmatch(child)
    return bool(old and new and old[1] == new[1] and old[2] <= new[2])


def _has_shareable_branch(expression: Expression) -> bool:
    match expression:
        case Atom():
            return of(expression).remix is not Remix.NONE
        case Either(parts):
            return any(_has_shareable_branch(part) for part in parts)
        case Both(parts):
            return all(_has_shareable_branch(part) for part in parts)


def _why(parent: str, child: str) -> str:
    terms = [of(atom) for atom in atoms(parse(parent))]
    if unknown := [one.licence for one in terms if not one.is_known]:
        return f"what {unknown[0]} allows is not known here, so all rights count as reserved."
    if any(one.remix is Remix.NONE for one in terms):
        return f"{parent} does not let changed versions be shared."
    if all(one.remix is Remix.ANY for one in terms):
        kept = frozenset[str]().union(
            *(one.keeps - _keeps(of(atom)) for one in terms for atom in atoms(parse(child)))
        )
        missing = {
            "credit": "that its author is named",
            "noncommercial": "that no business is made of it",
        }
        wanted = " and ".join(words for duty, words in missing.items() if duty in kept)
        return f"{parent} asks {wanted or 'for more than that'}, and {child} does not."
    return f"what is made from {parent} stays under {_some(possible([parent]), 'that licence')}."


def _way_out(parents: Sequence[Parent], options: Sequence[str], *, shared: bool) -> str:
    if options:
        return f"Possible: {_some(options)}."
    for_oneself = shared and all(only_private(one.licence) for one in parents)
    for one, other in combinations(parents, 2):
        alone = possible([one.licence]) and possible([other.licence])
        if alone and not possible([one.licence, other.licence]):
            leave = "leave one of them out, or ask an author for another licence"
            return (
                f"{_named(one)} and {_named(other)} cannot be joined under any licence: {leave}"
                + ("; for yourself alone, make the design private." if for_oneself else ".")
            )
    if for_oneself:
        return "You may change it for yourself: make the design private, or ask the author."
    return "Print it as it is, or ask the author for another licence."


def _named(parent: Parent) -> str:
    return f"{parent.title!r} ({parent.licence})"


def _some(licences: Sequence[str], otherwise: str = "") -> str:
    if not licences:
        return otherwise
    named = ", ".join(licences[:_MOST_NAMED])
    return (
        named if len(licences) <= _MOST_NAMED else f"{named} and {len(licences) - _MOST_NAMED} more"
    )
