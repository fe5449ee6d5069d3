"""Fair share: how much each member used of late, and the priority that follows; pure arithmetic.

The factors are those of Slurm's multifactor priority plugin: usage that decays with a half-life,
age, length, due date, class. https://slurm.schedmd.com/priority_multifactor.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fabcoord.queue.policy import Weights

CLASSES = {"urgent": 1.0, "normal": 0.0, "background": -1.0}


class Usage:
    """Machine time of each member, where what is older counts less.

    Kept as if it had all been used at one moment, so that nothing has to be aged: a use ``t``
    seconds after that moment counts ``2 ** (t / half_life_s)``.
    """

    def __init__(self, half_life_s: float, epoch_s: float) -> None:
        self._half_life_s, self._epoch_s = half_life_s, epoch_s
        self._used: dict[str, float] = {}
        self._sum = 0.0

    def add(self, member: str, machine_s: float, at_s: float) -> None:
        """Book machine time (or take it back, when negative) as used at ``at_s``."""
        worth = machine_s * math.exp2((at_s - self._epoch_s) / self._half_life_s)
        before = self._used.get(member, 0.0)
        self._used[member] = max(before + worth, 0.0)
        self._sum += self._used[member] - before

    def of(self, member: str, at_s: float) -> float:
        """What a member's past machine time amounts to at ``at_s``, in seconds."""
        decay = math.exp2((self._epoch_s - at_s) / self._half_life_s)
        return self._used.get(member, 0.0) * decay

    def copy(self) -> Usage:
        """The same, to be changed apart."""
        other = Usage(self._half_life_s, self._epoch_s)
        other._used, other._sum = dict(self._used), self._sum
        return other

    def total(self, at_s: float) -> float:
        """The sum of `of` over all members."""
        return self._sum * math.exp2((self._epoch_s - at_s) / self._half_life_s)


def share_factor(used_s: float, shares: float, fair_s: float) -> float:
    """1 for who used nothing, 1/2 for who used just a fair part, towards 0 beyond that.

    Args:
        used_s: decayed machine time of the member.
        shares: what the member is entitled to, 1 being usual; 0 always comes last.
        fair_s: decayed machine time that one share stands for.
    """
    if shares <= 0:
        return 0.0
    if fair_s <= 0:
        return 1.0
    return math.exp2(-min(used_s / (shares * fair_s), 1000.0))


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What of a job counts for its priority. Times are seconds since the epoch."""

    queued_s: float
    copy_s: float  # estimated machine time of one copy
    due_s: float | None = None
    job_class: str = "normal"


def job_priority(weights: Weights, job: JobFacts, now_s: float) -> float:
    """The part of a job's priority that is not its member's share.

    Age grows without end, unlike Slurm's, so that nobody waits for ever; and as it grows alike for
    all jobs, their order only changes by due dates.
    """
    age = (now_s - job.queued_s) / (weights.age_full_h * 3600.0)
    short = 1.0 / (1.0 + job.copy_s / 3600.0)
    due = 0.0
    if job.due_s is not None:
        spare_s = job.due_s - now_s - job.copy_s
        due = 1.0 - min(max(spare_s / (weights.due_horizon_h * 3600.0), 0.0), 1.0)
    return (
        weights.age * age
        + weights.short * short
        + weights.due * due
        + weights.job_class * CLASSES.get(job.job_class, 0.0)
    )


def jain(values: list[float]) -> float:
    """Jain's index of fairness: 1 when all are equal, 1/n when one has everything.

    R. Jain, D. Chiu, W. Hawe: A Quantitative Measure of Fairness (1984).
    """
    squares = math.fsum(value * value for value in values)
    return 1.0 if squares == 0 else math.fsum(values) ** 2 / (len(values) * squares)
