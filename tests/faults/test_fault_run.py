"""Everything fails, again and again: each print is made once, or a person knows why not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.plant import Site
from tests.faults.storm import Record, build, judge, plan, read_records, storm

pytestmark = pytest.mark.faults


def test_every_job_of_a_storm_is_printed_once_or_stops_for_a_person(tmp_path: Path) -> None:
    outcome = storm(
        tmp_path / "site", build(tmp_path),
        seed=1, jobs=12, printers=4, agents=2, faults=10, every_s=0.8, within_s=120,
    )  # fmt: skip
    assert not outcome.problems
    assert outcome.jobs.total() == 12
    assert outcome.printed <= 12 <= outcome.begun
    assert outcome.faults.total() >= 8


def test_a_plan_follows_from_its_seed() -> None:
    assert plan(3, 50, 3, 1.0) == plan(3, 50, 3, 1.0) != plan(4, 50, 3, 1.0)
    assert {one.kind for one in plan(3, 50, 3, 1.0)} >= {"kill", "disk full", "cut", "echo"}


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ("M117 begin 1\nM117 end 1\nM117 begin 2\nM117 end 2\n", "2 began on top of 1"),
        ("M117 begin 1\ntaken off\nM117 end 1\nM117 end 1\n", "1 ended, '' had begun"),
    ],
)
def test_what_printers_wrote_down_is_judged(tmp_path: Path, record: str, problem: str) -> None:
    site = Site(tmp_path)
    site.machines.mkdir()
    (site.machines / "p.txt").write_text(record)
    assert [said for said in read_records(site).problems if problem in said]


def test_a_print_made_twice_and_a_job_without_a_reason_are_found() -> None:
    record = Record(Counter({"0": 2, "1": 1}), Counter({"0": 2, "1": 0}))
    jobs = [
        {"id": "a", "number": "0", "state": "awaiting_pickup", "reason": "Printed."},
        {"id": "b", "number": "1", "state": "printing", "reason": "Is with Left."},
        {"id": "c", "number": "2", "state": "awaiting_pickup", "reason": "Printed."},
    ]
    tried = [{"job_id": "a", "was_taken": 1}] * 2 + [{"job_id": "b", "was_taken": 1}]
    found = judge(4, {"0": "a", "1": "b", "2": "c"}, jobs, tried, Counter(), record)
    assert found == [
        "1 jobs were not taken in the time",
        "print 0 was printed 2 times",
        "print 0 is awaiting_pickup, but was printed 2 times",
        "print 0: 2 attempts, asked again 0 times",
        "print 1 is printing (Is with Left.)",
        "print 2 is awaiting_pickup, but was printed 0 times",
    ]
