"""The queue in memory says the same as sorting everything would, whatever happened before."""

from __future__ import annotations

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fabcoord.queue.fairshare import JobFacts, Usage, jain, job_priority, share_factor
from fabcoord.queue.match import Offering, Wish, why_not
from fabcoord.queue.policy import Weights
from fabcoord.queue.schedule import Schedule, Waiting

NOW = 1_750_000_000.0
PLA = Offering("p1", "Left", "prusa_mk3s", "PLA", None)
PETG = Offering("p2", "Right", "voron", "PETG", "red", frozenset({"enclosed"}))
WISHES = [
    Wish(None, None, None, None),
    Wish(None, "PLA", None, None),
    Wish("voron", None, "red", None),
    Wish(None, None, None, "p1"),
    Wish(None, None, None, None, frozenset({"voron"})),
    Wish(None, None, None, None, None, frozenset({"enclosed"})),
]
MEMBERS = st.sampled_from("abcd")
JOBS = st.sampled_from([str(number) for number in range(12)])


class AgainstSorting(RuleBasedStateMachine):
    """A plain dict and a sort are the model; shares and ages are those of the last rating."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = Weights(age_full_h=10.0)
        self.schedule = Schedule(self.weights, NOW)
        self.jobs: dict[str, Waiting] = {}
        self.blocked: set[str] = set()
        self.now_s = NOW

    @rule(
        name=JOBS,
        member=MEMBERS,
        wish=st.sampled_from(WISHES),
        copy_s=st.sampled_from([60.0, 900.0, 901.0, 5000.0, 90_000.0]),
        asked_ago_s=st.integers(0, 50_000),
        copies=st.integers(1, 3),
        overnight=st.booleans(),
        job_class=st.sampled_from(["urgent", "normal", "background"]),
    )
    def ask(self, name: str, member: str, wish: Wish, copy_s: float, asked_ago_s: int,
            copies: int, overnight: bool, job_class: str) -> None:  # fmt: skip
        facts = JobFacts(NOW - asked_ago_s, copy_s, None, job_class)
        self.jobs[name] = Waiting(name, member, wish, facts, copies, overnight)
        self.schedule.put(self.jobs[name])

    @rule(name=JOBS)
    def withdraw(self, name: str) -> None:
        self.schedule.remove(name)
        self.jobs.pop(name, None)

    @rule(name=JOBS)
    def give(self, name: str) -> None:
        if name in self.jobs:
            job = self.jobs.pop(name)
            if job.copies > 1:
                left = Waiting(name, job.member, job.wish, job.facts, job.copies - 1, job.overnight)
                self.jobs[name] = left
            self.schedule.take(name)

    @rule(member=MEMBERS, machine_s=st.floats(0, 1e6))
    def use(self, member: str, machine_s: float) -> None:
        self.schedule.charge(member, machine_s, self.now_s)

    @rule(member=MEMBERS, shares=st.sampled_from([0.0, 0.5, 1.0, 3.0]))
    def entitle(self, member: str, shares: float) -> None:
        self.schedule.entitle(member, shares)

    @rule(member=MEMBERS, blocked=st.booleans())
    def limit(self, member: str, blocked: bool) -> None:
        self.schedule.block(member, blocked)
        (self.blocked.add if blocked else self.blocked.discard)(member)

    @rule(later_s=st.floats(1, 20_000))
    def time_passes(self, later_s: float) -> None:
        self.now_s += later_s
        self.schedule.rate(self.now_s)

    @rule()
    def is_copied(self) -> None:
        self.schedule = self.schedule.copy()

    @invariant()
    def holds_what_was_put(self) -> None:
        assert {job.id: job for job in self.schedule} == self.jobs

    @invariant()
    def finds_the_best_for_each_printer(self) -> None:
        for offering in (PLA, PETG):
            for window_s, night, marked in (
                (math.inf, False, True), (1000.0, False, True), (1000.0, False, False),
                (0.0, True, True),
            ):  # fmt: skip
                found = self.schedule.best(offering, window_s=window_s, night=night, marked=marked)
                able = [
                    job
                    for job in self.jobs.values()
                    if why_not(job.wish, offering) is None
                    and job.member not in self.blocked
                    and (job.facts.copy_s <= window_s or night or (marked and job.overnight))
                ]
                highest = max((self.schedule.priority(job.id) for job in able), default=None)
                assert (found is None) == (highest is None)
                if found is not None:
                    assert found in able
                    assert self.schedule.priority(found.id) == pytest.approx(highest)

    @invariant()
    def asks_on_when_the_best_is_refused(self) -> None:
        ranked = []
        refused: set[str] = set()
        while (job := self.schedule.best(PLA, refuses=lambda one: one.id in refused)) is not None:
            ranked.append(self.schedule.priority(job.id))
            refused.add(job.id)
        able = [one for one in self.jobs.values() if why_not(one.wish, PLA) is None]
        assert len(ranked) == sum(one.member not in self.blocked for one in able)
        assert ranked == sorted(ranked, reverse=True)


AgainstSorting.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAgainstSorting = AgainstSorting.TestCase


def test_who_printed_less_of_late_comes_first() -> None:
    schedule = Schedule(Weights(), NOW)
    for member in ("heavy", "light"):
        facts = JobFacts(NOW - (7200.0 if member == "heavy" else 60.0), 3600.0)
        schedule.put(Waiting(member, member, WISHES[0], facts))
    schedule.charge("heavy", 100 * 3600.0, NOW - 86_400.0)
    schedule.charge("light", 3600.0, NOW - 86_400.0)
    schedule.rate(NOW)
    best = schedule.best(PLA)
    assert best is not None
    assert best.id == "light"


def test_a_short_job_is_filled_in_where_the_best_would_take_too_long() -> None:
    schedule = Schedule(Weights(age=500.0), NOW)
    long_job = JobFacts(NOW - 500_000.0, 10 * 3600.0)
    schedule.put(Waiting("long", "a", WISHES[0], long_job))
    schedule.put(Waiting("short", "b", WISHES[0], JobFacts(NOW, 3000.0)))
    first, filled_in = schedule.best(PLA), schedule.best(PLA, window_s=3600.0)
    assert first is not None
    assert first.id == "long"
    assert filled_in is not None
    assert filled_in.id == "short"


def test_what_was_used_counts_half_after_a_half_life() -> None:
    usage = Usage(half_life_s=1000.0, epoch_s=NOW)
    usage.add("a", 80.0, NOW)
    assert usage.of("a", NOW) == 80.0
    assert usage.of("a", NOW + 1000.0) == pytest.approx(40.0)
    assert usage.of("a", NOW + 3000.0) == pytest.approx(10.0)
    usage.add("a", -80.0, NOW)
    assert usage.of("a", NOW + 5.0) == pytest.approx(0.0, abs=1e-9)


def test_a_fair_part_is_worth_a_half_and_shares_count() -> None:
    assert share_factor(0.0, 1.0, 100.0) == 1.0
    assert share_factor(100.0, 1.0, 100.0) == pytest.approx(0.5)
    assert share_factor(200.0, 2.0, 100.0) == pytest.approx(0.5)
    assert share_factor(10.0, 0.0, 100.0) == 0.0
    assert share_factor(1e300, 1.0, 1e-300) >= 0.0


def test_a_due_date_pulls_a_job_forward_as_it_comes_near() -> None:
    weights = Weights()
    due = JobFacts(NOW, 3600.0, due_s=NOW + 4 * 86_400.0)
    plain = JobFacts(NOW, 3600.0)
    assert job_priority(weights, due, NOW) == job_priority(weights, plain, NOW)
    near = NOW + 3 * 86_400.0
    assert job_priority(weights, due, near) > job_priority(weights, plain, near)


def test_jains_index_is_one_when_all_have_the_same() -> None:
    assert jain([3.0, 3.0, 3.0]) == 1.0
    assert jain([1.0, 0.0, 0.0, 0.0]) == 0.25
    assert jain([]) == 1.0
