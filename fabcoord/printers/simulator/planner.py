"""Motion: where the head is, and how long the planned moves take."""

from __future__ import annotations

import math
from collections import deque

BLOCKS = 16  # Marlin's BLOCK_BUFFER_SIZE
_AXES = "XYZE"
_MAX_FEED_MM_S = {"X": 300.0, "Y": 300.0, "Z": 12.0, "E": 120.0}


class Planner:
    """Moves at the asked feed rate, capped per axis, without acceleration."""

    def __init__(self) -> None:
        self.position = dict.fromkeys(_AXES, 0.0)
        self.homed = False
        self._feed_mm_s = 25.0
        self._relative = dict.fromkeys(_AXES, False)
        self._ends: deque[float] = deque()  # when each planned block is done

    def advance(self, now: float) -> None:
        """Forget the blocks that are done."""
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()

    @property
    def full(self) -> bool:
        return len(self._ends) >= BLOCKS

    @property
    def free(self) -> int:
        """How many more moves can be planned."""
        return BLOCKS - len(self._ends)

    def room_at(self) -> float:
        """When the oldest block will be done; only while there is one."""
        return self._ends[0]

    def empty_at(self) -> float | None:
        """When all moves will be done; None when they are."""
        return self._ends[-1] if self._ends else None

    def move(self, words: dict[str, float], now: float, *, may_extrude: bool) -> None:
        """Plan one linear move; the caller has made sure there is room."""
        feed = words.get("F")
        if feed:
            self._feed_mm_s = feed / 60.0
        duration_s, squares = 0.0, 0.0
        for axis in _AXES:
            value = words.get(axis)
            if value is None:
                continue
            target = self.position[axis] + value if self._relative[axis] else value
            distance = abs(target - self.position[axis])
            self.position[axis] = target
            if axis == "E" and not may_extrude:
                continue
            duration_s = max(duration_s, distance / _MAX_FEED_MM_S[axis])
            if axis != "E":
                squares += distance * distance
            elif not squares:
                squares = distance * distance
        self.occupy(max(duration_s, math.sqrt(squares) / self._feed_mm_s), now)

    def occupy(self, duration_s: float, now: float) -> None:
        """Keep the axes busy for a while after what is planned already."""
        start = self._ends[-1] if self._ends else now
        self._ends.append(max(start, now) + duration_s)

    def quick_stop(self) -> None:
        self._ends.clear()

    def set_position(self, words: dict[str, float]) -> None:
        self.position.update({axis: words[axis] for axis in _AXES if axis in words})

    def set_relative(self, relative: bool, axes: str = _AXES) -> None:
        """G90 and G91 set all axes, the extruder's included; M82 and M83 the extruder's only."""
        self._relative.update(dict.fromkeys(axes, relative))
