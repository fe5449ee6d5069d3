"""Charts as SVG inside a page: bars by day, and one bar divided into parts; colours are CSS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 720.0, 200.0, 44.0, 24.0, 10.0
_MOST_BARS = 62  # more days than that are drawn in groups


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what is written below it, and its parts from the ground up, as (look, value)."""

    label: str
    parts: Sequence[tuple[str, float]]


def bars(title: str, given: Sequence[Bar]) -> Markup:
    """Bars beside each other, with a scale; each tells its figures when pointed at."""
    shown = grouped(given)
    top = scale_end(max((sum(value for _, value in bar.parts) for bar in shown), default=0.0))
    ground, room = _HEIGHT - _BOTTOM, _HEIGHT - _BOTTOM - _TOP
    step = (_WIDTH - _LEFT) / max(len(shown), 1)
    drawn = []
    for share in (0.0, 0.5, 1.0):
        y, told = ground - share * room, f"{top * share:g}"
        drawn.append(f'<path class="grid" d="M{_LEFT:.1f} {y:.1f}H{_WIDTH:.1f}"/>')
        drawn.append(f'<text x="{_LEFT - 6:.1f}" y="{y + 4:.1f}" class="end">{told}</text>')
    every = max(1, -(-len(shown) // 8))
    for number, bar in enumerate(shown):
        x, y = _LEFT + number * step, ground
        pieces = []
        for look, value in bar.parts:
            height = room * value / top
            y -= height
            pieces.append(
                f'<rect class="{escape(look)}" x="{x + step * 0.12:.1f}" y="{y:.1f}"'
                f' width="{step * 0.76:.1f}" height="{height:.1f}"/>'
            )
        told = ", ".join(f"{value:g} {look}" for look, value in bar.parts if value)
        drawn.append(f"<g><title>{escape(bar.label)}: {escape(told or 'nothing')}</title>"
                     f"{''.join(pieces)}</g>")  # fmt: skip
        if number % every == 0:
            drawn.append(f'<text x="{x + step / 2:.1f}" y="{_HEIGHT - 6:.1f}" class="middle">'
                         f"{escape(bar.label)}</text>")  # fmt: skip
    return _svg("chart", title, _WIDTH, _HEIGHT, drawn)


def parts(title: str, given: Sequence[tuple[str, float]]) -> Markup:
    """One bar of full width, divided as (look, value) say; the whole is their sum."""
    whole = sum(value for _, value in given) or 1.0
    drawn, x = [], 0.0
    for look, value in given:
        width = 720.0 * value / whole
        drawn.append(
            f'<rect class="{escape(look)}" x="{x:.1f}" y="0" width="{width:.1f}" height="18">'
            f"<title>{escape(look.replace('_', ' '))}: {value / whole:.0%}</title></rect>"
        )
        x += width
    return _svg("strip", title, 720.0, 18.0, drawn)


def grouped(given: Sequence[Bar]) -> list[Bar]:
    """The bars themselves, or sums of neighbours where there are too many to be told apart."""
    size = -(-len(given) // _MOST_BARS)
    if size <= 1:
        return list(given)
    found = []
    for first in range(0, len(given), size):
        group = given[first : first + size]
        sums: dict[str, float] = {}
        for bar in group:
            for look, value in bar.parts:
                sums[look] = sums.get(look, 0.0) + value
        found.append(Bar(group[0].label, list(sums.items())))
    return found


def scale_end(most: float) -> float:
    """The round number at which a scale for values up to ``most`` ends: 2, 4, 10, 20, 40, …"""
    end = 2.0
    while end < most:
        end *= 2.5 if str(end).startswith("4") else 2.0
    return end


def _svg(kind: str, title: str, width: float, height: float, drawn: Sequence[str]) -> Markup:
    stretched = ' preserveAspectRatio="none"' if kind == "strip" else ""
    return Markup(  # noqa: S704  # every text in it was escaped above
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img"{stretched}'
        f' aria-label="{escape(title)}">{"".join(drawn)}</svg>'
    )
