"""Marks say where a finding is, and stay out of the report that every list carries."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fabcoord.designs.meshcheck.marks import marks_at
from fabcoord.designs.meshcheck.report import (
    MAX_MARKS,
    CheckReport,
    CheckState,
    Finding,
    Severity,
    marks_to_json,
)


def test_points_segments_and_triangles_become_flat_numbers() -> None:
    assert marks_at([[1, 2, 3.00004]]) == ((1.0, 2.0, 3.0),)
    assert marks_at(np.ones((2, 2, 3))) == ((1.0,) * 6,) * 2
    assert marks_at(np.zeros((1, 3, 3))) == ((0.0,) * 9,)
    assert marks_at(np.zeros((0, 3))) == ()
    with pytest.raises(ValueError, match="3, 6 or 9"):
        marks_at([[1.0, 2.0]])


def test_of_too_many_places_some_of_the_whole_list_are_kept() -> None:
    marks = marks_at(np.arange(30_000.0).reshape(-1, 3))
    assert len(marks) == MAX_MARKS
    assert marks[0][0] == 0.0
    assert marks[-1][-1] == 29_999.0


def test_marks_are_written_beside_the_report_and_not_into_it() -> None:
    finding = Finding("open_edges", Severity.ERROR, "A hole.", 1, marks=((0.0,) * 6,))
    report = CheckReport(CheckState.DONE, None, (finding,))
    assert "marks" not in report.to_json()
    assert CheckReport.from_json(report.to_json()).findings[0].code == "open_edges"
    (item,) = json.loads(marks_to_json(report.findings))["items"]
    assert item == {
        "code": "open_edges", "severity": "error", "message": "A hole.", "marks": [[0.0] * 6],
    }  # fmt: skip
