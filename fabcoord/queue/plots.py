"""Plots as SVG: lines over two axes, without any library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _RIGHT = 760, 420, 70, 50, 40
_COLOURS = ("#0b6e4f", "#c8553d", "#3d5a80", "#9a6d00", "#6a4c93")


@dataclass(frozen=True, slots=True)
class Line:
    """One named line: (x, y) points in the order of x."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows; ``logarithmic`` needs values above zero."""

    title: str
    logarithmic: bool = False

    def place(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value


def plot(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> str:
    """An SVG document with these lines, a legend, and round numbers along the axes."""
    points = [(x.place(a), y.place(b)) for line in lines for a, b in line.points]
    top = 50 + 16 * len(lines)  # the legend stands above the lines
    low_x, high_x = _span([a for a, _ in points])
    low_y, high_y = _span([b for _, b in points] + ([] if y.logarithmic else [0.0]))

    def at(a: float, b: float) -> tuple[float, float]:
        across = (a - low_x) / (high_x - low_x) * (_WIDTH - _LEFT - _RIGHT)
        up = (b - low_y) / (high_y - low_y) * (_HEIGHT - _BOTTOM - top)
        return round(_LEFT + across, 1), round(_HEIGHT - _BOTTOM - up, 1)

    parts = [_text(_LEFT, 22, title, "start", 16)]
    for value in _round_numbers(x, low_x, high_x):
        across, _ = at(x.place(value), low_y)
        parts.append(f'<path d="M{across} {top}V{_HEIGHT - _BOTTOM}" stroke="#ddd"/>')
        parts.append(_text(across, _HEIGHT - _BOTTOM + 18, f"{value:,g}", "middle"))
    for value in _round_numbers(y, low_y, high_y):
        _, up = at(low_x, y.place(value))
        parts.append(f'<path d="M{_LEFT} {up}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 8, up + 4, f"{value:,g}", "end"))
    parts.append(_text(_WIDTH - _RIGHT, _HEIGHT - 10, x.title, "end"))
    parts.append(_text(_LEFT, top - 4, y.title, "start"))
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join("{},{}".format(*at(x.place(a), y.place(b))) for a, b in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(_LEFT, 42 + 16 * number, line.name, "start", 13, colour))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        f"{body}\n</svg>\n"
    )


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _round_numbers(axis: Axis, low: float, high: float) -> list[float]:
    """Some five round numbers between the ends; powers of ten on a logarithmic axis."""
    if axis.logarithmic:
        return [10.0**power for power in range(math.ceil(low), math.floor(high) + 1)]
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(each for each in (1, 2, 5, 10) if (high - low) / (step * each) <= 6)
    first = math.ceil(low / step)
    return [round(step * (first + n), 10) for n in range(int(high / step - first) + 1)]


def _text(x: float, y: float, text: str, anchor: str, size: int = 12, colour: str = "#333") -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">'
        f"{escape(text)}</text>"
    )
