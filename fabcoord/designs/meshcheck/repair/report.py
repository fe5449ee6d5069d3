"""What a repair is asked to do and what it says it did. Needs no numpy: the server reads it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

REPAIR_VERSION = 1  # raise it when the same file may be repaired otherwise
REPAIRED_NAME = "repaired.stl"
RESULT_NAME = "repair.json"
MOST_CHANGE = 0.02  # of the volume; past it a person has to look


class Outcome(StrEnum):
    """How a repair ended."""

    MENDED = "mended"  # better than before, and nothing of it lost
    DOUBTFUL = "doubtful"  # better, but changed so much that a person has to look first
    NO_BETTER = "no_better"  # it would be no better than the original
    IMPOSSIBLE = "impossible"  # there is no solid in it, whatever one does


@dataclass(frozen=True, slots=True)
class Options:
    """What to do beside mending.

    Attributes:
        scale: multiplies all lengths: 1000 for a model in metres, 25.4 for one in inches.
        union: make one body of those that overlap.
        decimate: the number of triangles to get by with; None leaves them.
    """

    scale: float = 1.0
    union: bool = False
    decimate: int | None = None

    def canonical(self) -> str:
        """The options as text, alike for options that do the same."""
        return json.dumps(asdict(self) | {"scale": float(self.scale)}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Shape:
    """The figures of a mesh for the table of before and after; lengths in mm."""

    triangles: int
    bodies: int
    volume_mm3: float
    area_mm2: float
    size_mm: tuple[float, float, float]
    closed: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What a repair did, for the person who has to believe it."""

    outcome: Outcome
    message: str
    steps: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()  # why a person has to look first
    before: Shape | None = None
    after: Shape | None = None
    volume_change: float | None = None  # 0.02 is two per cent, what scaling does left out
    duration_s: float = 0.0

    def to_json(self) -> str:
        """As JSON text; raises ValueError rather than writing NaN."""
        return json.dumps(asdict(self), allow_nan=False)


def read_result(text: str) -> dict[str, Any]:
    """What the repairing process wrote; raises ValueError, KeyError, TypeError for else."""
    raw = json.loads(text)
    raw["outcome"] = Outcome(raw["outcome"])
    for name in ("before", "after"):
        raw[name] = None if raw[name] is None else Shape(**raw[name])
    return asdict(Result(**raw))
