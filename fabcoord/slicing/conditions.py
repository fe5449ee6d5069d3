"""Reads the conditions by which a bundle says which presets belong to which printer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from fabcoord.errors import SlicingFailed

Value = str | float | bool

_TOKEN = re.compile(
    r"""\s*(?: (?P<op>=~|!~|==|!=|<=|>=|<|>|!|\(|\)|\bnot\b|\band\b|\bor\b|&&|\|\|)
           | (?P<regex>/(?:\\.|[^/\\])*/)
           | (?P<text>"(?:\\.|[^"\\])*")
           | (?P<number>\d+(?:\.\d+)?)
           | (?P<name>[A-Za-z_]\w*)(?:\[(?P<index>\d+)\])? )""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def holds(condition: str, settings: Mapping[str, str]) -> bool:
    """Whether a ``compatible_printers_condition`` or ``compatible_prints_condition`` is true.

    Args:
        condition: for example ``printer_notes=~/.*MK3.*/ and nozzle_diameter[0]==0.4``; the
            empty condition is true.
        settings: the printer's, or the print's, as they stand in the bundle.

    Raises SlicingFailed when the condition cannot be read. The language is that of
    PrusaSlicer's placeholder parser, as far as the bundles use it in conditions; a pattern must
    match the whole text, and its dot matches line ends.
    """
    return not condition.strip() or _Reader(condition, settings).read()


class _Reader:
    def __init__(self, condition: str, settings: Mapping[str, str]) -> None:
        self._condition, self._settings = condition, settings
        self._tokens: list[re.Match[str]] = []
        at, end = 0, len(condition.rstrip())
        while at < end:
            token = _TOKEN.match(condition, at)
            if token is None:
                raise self._unreadable(condition[at : at + 20])
            self._tokens.append(token)
            at = token.end()
        self._tokens.reverse()

    def read(self) -> bool:
        result = self._either()
        if self._tokens:
            raise self._unreadable(self._tokens[-1].group().strip())
        return bool(result)

    def _either(self) -> Value:
        left = self._both()
        while self._next_is("or", "||"):
            right = self._both()
            left = bool(left) or bool(right)
        return left

    def _both(self) -> Value:
        left = self._negation()
        while self._next_is("and", "&&"):
            right = self._negation()
            left = bool(left) and bool(right)
        return left

    def _negation(self) -> Value:
        return not self._negation() if self._next_is("!", "not") else self._comparison()

    def _comparison(self) -> Value:
        left = self._operand()
        operator = self._next_is("=~", "!~", "==", "!=", "<=", ">=", "<", ">")
        if operator is None:
            return left
        if operator in ("=~", "!~"):
            pattern = self._take().group("regex")
            if pattern is None:
                raise self._unreadable(operator)
            found = re.fullmatch(pattern[1:-1], str(left), re.DOTALL) is not None
            return found is (operator == "=~")
        right = self._operand()
        if operator in ("==", "!="):
            return (left == right) is (operator == "==")
        if isinstance(left, str) or isinstance(right, str):
            raise self._unreadable(operator)
        return _COMPARE[operator](left, right)

    def _operand(self) -> Value:
        if self._next_is("("):
            inner = self._either()
            if self._next_is(")") is None:
                raise self._unreadable("(")
            return inner
        token = self._take()
        if (text := token.group("text")) is not None:
            return text[1:-1]
        if (number := token.group("number")) is not None:
            return float(number)
        if (name := token.group("name")) is not None:
            return self._variable(name, int(token.group("index") or 0))
        raise self._unreadable(token.group().strip())

    def _variable(self, name: str, index: int) -> Value:
        if name == "num_extruders":
            return float(len(self._settings.get("nozzle_diameter", "0").split(",")))
        value = self._settings.get(name, "")
        parts = [part.strip() for part in value.split(",")]
        try:
            return float(parts[min(index, len(parts) - 1)])
        except ValueError:
            return value.replace("\\n", "\n")

    def _next_is(self, *operators: str) -> str | None:
        if self._tokens and self._tokens[-1].group("op") in operators:
            return self._tokens.pop().group("op")
        return None

    def _take(self) -> re.Match[str]:
        if not self._tokens:
            raise self._unreadable("its end")
        return self._tokens.pop()

    def _unreadable(self, near: str) -> SlicingFailed:
        return SlicingFailed(f"The condition {self._condition!r} cannot be read near {near!r}.")
