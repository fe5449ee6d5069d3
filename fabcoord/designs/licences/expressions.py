"""SPDX licence expressions: checked, brought into their usual spelling, and taken apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from fabcoord.errors import BadInput

_LONGEST = 500  # parsing takes longer than the expression grows
_MOST_LICENCES = 16
_OWN_TEXT = "LicenseRef-"


@dataclass(frozen=True, slots=True)
class Atom:
    """One licence, with its exception where it has one: ``Apache-2.0 WITH SHL-2.1``."""

    name: str

    @property
    def base(self) -> str:
        """The licence without its exception."""
        return self.name.partition(" WITH ")[0]


@dataclass(frozen=True, slots=True)
class Either:
    """Whoever takes the work chooses one of these (``OR``)."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Both:
    """All of these count at once (``AND``)."""

    parts: tuple[Expression, ...]


Expression = Atom | Either | Both


def normalise(text: str) -> str:
    """The licence as an SPDX expression in its usual spelling.

    Raises BadInput when it is empty, not an expression, or names a licence that SPDX does not
    list; ``LicenseRef-…`` stands for a text of one's own (SPDX 2.3, annex D).
    """
    text = text.strip()
    if not text:
        raise BadInput(
            "The design names no licence.",
            hint="Give an SPDX expression, for example CC-BY-SA-4.0 or CERN-OHL-S-2.0.",
            fields={"licence": "missing"},
        )
    return str(_parsed(text))


@lru_cache(maxsize=512)
def parse(text: str) -> Expression:
    """The parts of an expression. Raises BadInput like `normalise`."""
    return _taken_apart(_parsed(text.strip()))


def atoms(expression: Expression) -> Iterator[Atom]:
    """Every licence that an expression names, in order."""
    if isinstance(expression, Atom):
        yield expression
    else:
        for part in expression.parts:
            yield from atoms(part)


def known_ids() -> frozenset[str]:
    """The identifiers of all licences that SPDX lists, without exceptions."""
    symbols = _licensing().known_symbols
    return frozenset(key for key, symbol in symbols.items() if not symbol.is_exception)


def _parsed(text: str) -> Any:
    if len(text) > _LONGEST:
        raise _not_an_expression(text)
    from license_expression import ExpressionError

    try:
        # Strict: an exception such as SHL-2.1 is no licence by itself.
        parsed = _licensing().parse(text, strict=True)
        symbols = _licensing().license_symbols(parsed, decompose=True)
    except (ExpressionError, ValueError, RecursionError) as error:
        raise _not_an_expression(text) from error
    if parsed is None or len(parsed.symbols) > _MOST_LICENCES:
        raise _not_an_expression(text)
    known = _licensing().known_symbols
    for symbol in symbols:
        if symbol.key.lower().startswith(_OWN_TEXT.lower()):
            symbol.key = _OWN_TEXT + symbol.key[len(_OWN_TEXT) :]
        elif symbol.key not in known:
            raise _not_an_expression(symbol.key)
    return parsed


def _taken_apart(parsed: Any) -> Expression:
    if parsed.isliteral:
        return Atom(str(parsed))
    parts = tuple(_taken_apart(part) for part in parsed.args)
    return Either(parts) if parsed.operator.strip() == "OR" else Both(parts)


def _not_an_expression(text: str) -> BadInput:
    return BadInput(
        f"{text[:80]!r} is not a licence that SPDX lists.",
        hint="Use an SPDX expression such as CC-BY-SA-4.0, CERN-OHL-S-2.0 or CC0-1.0"
        " (spdx.org/licenses), or LicenseRef-<name> for a text of your own.",
        fields={"licence": "not an SPDX expression"},
    )


@cache
def _licensing() -> Any:
    # Loads an index of 2,000 licences: only the process that needs it pays, once.
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()
