"""Draws the benchmark's rates as bars, in plain SVG."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Protocol

WIDTH, LEFT, BAR, GAP = 760, 210, 18, 6
COLOURS = ("#8a8f98", "#b7bcc4", "#1f5fbf", "#2f7de1", "#5aa2f5", "#d08a2e", "#b5533c")


class Rate(Protocol):
    rate: float


def as_svg(results: Mapping[str, Mapping[int, Rate]], limits: Mapping[int, float]) -> str:
    """One group of bars for each baud rate that has a limit, with the limit as a line."""
    parts: list[str] = []
    y = 10
    for baud, most in limits.items():
        if not most:
            continue
        rates = {name: by_baud[baud].rate for name, by_baud in results.items() if baud in by_baud}
        scale = (WIDTH - LEFT - 70) / max(rates.values())
        parts.append(text(10, y + 14, f"{baud} baud, lines per second", "bold"))
        y += 26
        top = y
        for (name, rate), colour in zip(rates.items(), COLOURS, strict=True):
            parts.append(text(10, y + 13, name))
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{rate * scale:.1f}" height="{BAR}" '
                f'fill="{colour}"/>'
            )
            parts.append(text(LEFT + rate * scale + 6, y + 13, f"{rate:.0f}"))
            y += BAR + GAP
        x = LEFT + most * scale
        parts.append(
            f'<line x1="{x:.1f}" y1="{top - 4}" x2="{x:.1f}" y2="{y}" stroke="#333" '
            'stroke-dasharray="4 3"/>'
        )
        y += 16
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img" '
        'font-family="sans-serif" font-size="13">\n'
        "<title>Lines per second of each host; the dashed line is what the wire carries</title>\n"
        f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def text(x: float, y: float, words: str, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}">{escape(words)}</text>'
