"""What the second look says: findings, and the measures behind them. Needs no numpy."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from fabcoord.designs.meshcheck.report import Finding, Severity

DEEP_NAME = "deep.json"
DEEP_MARKS_NAME = "deep-marks.json"

Rotation = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Measures:
    """The numbers behind the deep findings; None where a thing could not be measured."""

    triangles_examined: int = 0
    crossings: int | None = None  # pairs of triangles that pass through each other
    thinnest_wall_mm: float | None = None  # None also where all walls are thicker than two lines
    thin_share: float | None = None  # 0 to 1, of the surface: over walls thinner than the line
    narrow_share: float | None = None  # 0 to 1, of the cross sections: narrower than the line
    overhang_share: float | None = None  # 0 to 1, of the surface: steeper than 45 degrees
    support_mm3: float | None = None  # room below overhangs, as the part lies in the file
    contact_mm2: float | None = None  # what of the first layer touches the bed
    best_rotation: Rotation | None = None  # degrees about X, Y, Z; None where it lies well
    best_support_mm3: float | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """The outcome of the second look at one mesh."""

    findings: tuple[Finding, ...]
    measures: Measures

    def as_dict(self) -> dict[str, Any]:
        """Plain dicts and lists, ready for JSON; without the marks."""
        findings = []
        for one in self.findings:
            said = asdict(one)
            del said["marks"]
            findings.append(said)
        return {"findings": findings, "measures": asdict(self.measures)}


def read_examined(text: str) -> dict[str, Any]:
    """What the examining process wrote, looked through before it is kept.

    Raises ValueError, KeyError or TypeError for anything else.
    """
    raw = json.loads(text)
    findings = [
        asdict(Finding(**item | {"severity": Severity(item["severity"])}))
        for item in raw["findings"]
    ]
    for one in findings:
        del one["marks"]
    measures = asdict(Measures(**raw["measures"]))
    return {
        "findings": findings,
        "measures": measures,
        "duration_s": round(float(raw["duration_s"]), 3),
    }
