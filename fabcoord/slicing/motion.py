"""Follows where a nozzle goes, as far as a file tells, and how far arcs reach."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

AXES = "XYZ"
Words = dict[str, float]  # the letters of one command with their numbers


@dataclass(slots=True)
class Position:
    """Position and coordinate mode while a file is read.

    An axis is None while it cannot be known: before its first absolute move, and after commands
    that move the nozzle by the printer's own rules (homing, probing, changing filament).
    """

    absolute: bool = True
    at: list[float | None] = field(default_factory=lambda: [None, None, None])
    # What G92 did: machine coordinate less the file's coordinate.
    offset: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    @property
    def plain(self) -> bool:
        """Whether a coordinate in the file is at once one of the machine."""
        return self.absolute and not any(self.offset)

    def forget(self, axes: str = AXES) -> None:
        for axis in axes:
            self.at[AXES.index(axis)] = None

    def home(self, axes: str) -> None:
        """Homing clears what G92 did, and ends where the printer wants."""
        self.forget(axes)
        for axis in axes:
            self.offset[AXES.index(axis)] = 0.0

    def target(self, words: Words) -> list[float | None]:
        """Where a move with these words ends, in machine coordinates."""
        ends = list(self.at)
        for index, axis in enumerate(AXES):
            if axis in words:
                base = self.offset[index] if self.absolute else self.at[index]
                ends[index] = None if base is None else base + words[axis]
        return ends

    def declare(self, words: Words) -> bool:
        """G92: call the present position by these numbers; False when it is not known."""
        for index, axis in enumerate(AXES):
            if axis not in words:
                continue
            here = self.at[index]
            if here is None:
                return False
            self.offset[index] = here - words[axis]
        return True


def arc_reach(
    start: tuple[float, float],
    end: tuple[float, float],
    centre: tuple[float, float],
    clockwise: bool,
) -> list[tuple[float, float]]:
    """The points of an arc that lie farthest out, besides its ends: where it crosses the axes
    through its centre. All in mm."""
    radius = math.dist(start, centre)
    if clockwise:
        start, end = end, start
    begin = math.atan2(start[1] - centre[1], start[0] - centre[0])
    sweep = (math.atan2(end[1] - centre[1], end[0] - centre[0]) - begin) % math.tau or math.tau
    return [
        (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))
        for angle in (0.0, math.pi / 2, math.pi, 3 * math.pi / 2)
        if (angle - begin) % math.tau <= sweep
    ]
