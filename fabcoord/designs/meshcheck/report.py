"""What a mesh check says: the values that the checking process writes and the server reads.

Where a finding is, its `Finding.marks` say: points, segments or triangles on the print mesh, made
with `fabcoord.designs.meshcheck.marks`. They are left out of the report, which travels with every
list of designs, and written beside it (``marks.json``), for the pictures and the viewer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

CHECK_VERSION = 3  # raise it when the same file may get another report, so that old ones are redone

REPORT_NAME = "report.json"
MARKS_NAME = "marks.json"
MESH_NAME = "mesh.stl"
DERIVED_NAME = "derived.stl"  # what was made of a source on request
LIGHT_NAME = "light.stl"
VIEWER_NAME = "light.bin"
PREVIEW_NAME = "preview.png"
MARKED = "marked"  # the picture with the places of all findings; with ``-CODE``, those of one


class Angle(StrEnum):
    """From where a picture shows a mesh."""

    ISO = "iso"  # from the front right, looking down: the picture that stands for the file
    FRONT = "front"
    SIDE = "side"  # from the right
    BACK = "back"  # from the rear left, looking down
    TOP = "top"
    BOTTOM = "bottom"


class Theme(StrEnum):
    """The ground of a picture."""

    LIGHT = "light"
    DARK = "dark"


def picture_name(what: str, theme: Theme) -> str:
    """The file that a picture is written to: ``preview.png`` for the one that stands for all."""
    if (what, theme) == (Angle.ISO.value, Theme.LIGHT):
        return PREVIEW_NAME
    return f"{what}-{theme.value}.png"


class CheckState(StrEnum):
    """How far a check came."""

    DONE = "done"  # the mesh was read and judged
    FAILED = "failed"  # the file could not be read, so there is no verdict


class Verdict(StrEnum):
    """Whether a mesh can be printed."""

    PRINTABLE = "printable"  # closed and consistent: slice it
    REPAIRABLE = "repairable"  # holes or faces the wrong way round, which repair may mend
    UNPRINTABLE = "unprintable"  # nothing in it can be printed and repair cannot help


class Severity(StrEnum):
    """How much a finding matters for the print."""

    INFO = "info"  # good to know
    WARNING = "warning"  # prints, but perhaps not as meant
    ERROR = "error"  # does not print as it is


MAX_MARKS = 2000  # of one finding
Mark = tuple[float, ...]  # 3, 6 or 9 numbers in mm: a point, a segment, a triangle


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the check noticed, in words for the person who wants to print it.

    ``code`` is stable and for programs. ``count`` is how many times it occurs, ``value`` the
    measure that matters (its unit is in the message); None where there is none. ``marks`` is where
    it occurs, at most MAX_MARKS places, in mm and in the axes of the print mesh.
    ``suggested_scale`` is the factor that mends a wrong unit, as a job takes it;
    ``suggested_rotation`` the degrees about X, Y and Z, as a job takes them, that need
    less support.
    """

    code: str
    severity: Severity
    message: str
    count: int | None = None
    value: float | None = None
    repairable: bool = False
    marks: tuple[Mark, ...] = ()
    suggested_scale: float | None = None
    suggested_rotation: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Plate:
    """One plate of a slicer's project: its number from 1, how many items it has, their size."""

    number: int
    items: int
    size_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The outcome of one mesh check.

    Lengths are in mm, after conversion of the file's own unit. The numbers are None when the file
    could not be read (``state`` is failed) or holds nothing that could be measured.
    """

    state: CheckState
    verdict: Verdict | None
    findings: tuple[Finding, ...]
    triangles: int | None = None
    bodies: int | None = None
    volume_mm3: float | None = None
    area_mm2: float | None = None
    size_mm: tuple[float, float, float] | None = None
    min_mm: tuple[float, float, float] | None = None
    watertight: bool | None = None
    plates: tuple[Plate, ...] = ()
    duration_s: float = 0.0
    check_version: int = CHECK_VERSION

    @classmethod
    def failed(cls, message: str, *, code: str = "unreadable") -> CheckReport:
        """The report of a file that could not be read, with the reason in plain words."""
        finding = Finding(code, Severity.ERROR, message)
        return cls(state=CheckState.FAILED, verdict=None, findings=(finding,))

    def as_dict(self) -> dict[str, Any]:
        """The report as plain dicts and lists, ready for JSON; without the marks."""
        bare = replace(self, findings=tuple(replace(one, marks=()) for one in self.findings))
        said = asdict(bare)
        for finding in said["findings"]:
            del finding["marks"]
        return said

    def to_json(self) -> str:
        """The report as JSON text; raises ValueError rather than writing NaN."""
        return json.dumps(self.as_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> CheckReport:
        """Read what `to_json` wrote; raises ValueError, KeyError or TypeError on anything else."""
        raw = json.loads(text)
        raw["state"] = CheckState(raw["state"])
        raw["verdict"] = None if raw["verdict"] is None else Verdict(raw["verdict"])
        raw["findings"] = tuple(
            Finding(**item | {"severity": Severity(item["severity"])}) for item in raw["findings"]
        )
        raw["plates"] = tuple(
            Plate(one["number"], one["items"], tuple(one["size_mm"]))
            for one in raw.get("plates", ())
        )
        for name in ("size_mm", "min_mm"):
            if raw[name] is not None:
                x, y, z = raw[name]
                raw[name] = (float(x), float(y), float(z))
        return cls(**raw)


def marks_to_json(findings: Iterable[Finding]) -> str:
    """The findings that have marks, with them: what ``marks.json`` holds.

    ``{"items": [{"code", "severity", "message", "marks": [[x, y, z, …], …]}]}``, in mm.
    """
    items = [
        {
            "code": one.code,
            "severity": one.severity.value,
            "message": one.message,
            "marks": one.marks[:MAX_MARKS],
        }
        for one in findings
        if one.marks
    ]
    return json.dumps({"items": items}, allow_nan=False, separators=(",", ":"))
