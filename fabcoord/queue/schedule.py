"""Which job comes next: every waiting copy in memory, ordered by fair share; no I/O.

Jobs that ask the same of a printer and are about as long form a *line*. In each line every
member stands once, with the best of their jobs there. A printer that is free looks at the head of
each line that it could serve, so a decision takes as long as there are lines, whatever the number
of jobs. The same code decides in the lab, in the forecast, and in simulations.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from fabcoord.queue.fairshare import JobFacts, Usage, job_priority, share_factor
from fabcoord.queue.match import Offering, Wish, why_not
from fabcoord.queue.policy import Weights

_SHORTEST_S = 900.0  # lines for lengths up to 15 minutes, 30 minutes, 1 hour, 2 hours, …
_LOOK_AT_MOST = 500  # jobs of one line that are tried against what only the caller knows


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits for printers; ``copies`` are those that no attempt has yet."""

    id: str
    member: str
    wish: Wish
    facts: JobFacts
    copies: int = 1
    overnight: bool = False  # may go on when the lab is closed


@dataclass(slots=True)
class _Member:
    shares: float = 1.0
    factor: float = 1.0
    blocked: bool = False
    lines: set[_Key] = field(default_factory=set)  # where they stand, or stood


@dataclass(frozen=True, slots=True)
class _Key:
    """What the jobs of a line have in common."""

    wish: Wish
    length: int  # see _length_class
    overnight: bool


class _Line:
    """The jobs that the same printers can take and that are about equally long."""

    def __init__(self) -> None:
        self.jobs: dict[str, list[tuple[float, float, str]]] = {}  # member -> heap of theirs
        self.heads: list[tuple[float, float, str, str]] = []  # heap over members, some outdated


class Schedule:
    """All waiting jobs of a lab, or of a simulated one.

    Args:
        weights: what counts how much.
        now_s: the present time, in seconds since the epoch.
    """

    def __init__(self, weights: Weights, now_s: float) -> None:
        self._weights = weights
        self._epoch_s = self._rated_s = now_s
        self._usage = Usage(weights.half_life_h * 3600.0, now_s)
        self._fair_s = 0.0
        self._members: dict[str, _Member] = {}
        self._users: dict[str, _Member] = {}  # those of them who ever used a machine
        self._turn: deque[str] = deque()  # members, in the order in which they are rated next
        self._jobs: dict[str, tuple[Waiting, float, _Key]] = {}
        self._due: set[str] = set()  # jobs whose priority changes as time passes
        self._lines: dict[_Key, _Line] = {}
        self._served_by: dict[Offering, list[tuple[_Key, _Line]]] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Waiting]:
        return (entry[0] for entry in self._jobs.values())

    def copy(self) -> Schedule:
        """A schedule of its own with the same jobs and usage, to try things out on."""
        other = Schedule(self._weights, self._epoch_s)
        other._rated_s = self._rated_s
        other._usage, other._fair_s = self._usage.copy(), self._fair_s
        other._turn, other._due = self._turn.copy(), set(self._due)
        other._members = {
            name: replace(known, lines=set(known.lines)) for name, known in self._members.items()
        }
        other._users = {name: other._members[name] for name in self._users}
        other._jobs = dict(self._jobs)
        for key, line in self._lines.items():
            twin = other._lines[key] = _Line()
            twin.jobs = {member: list(heap) for member, heap in line.jobs.items()}
            twin.heads = list(line.heads)
        return other

    def get(self, job_id: str) -> Waiting | None:
        entry = self._jobs.get(job_id)
        return entry[0] if entry else None

    def put(self, job: Waiting) -> None:
        """Add a job, or replace what was known of it."""
        known = self._jobs.get(job.id)
        if known is not None:
            if known[0] == replace(job, copies=known[0].copies):
                self._jobs[job.id] = (job, *known[1:])
                return
            self.remove(job.id)
        rating = self._rating(job)
        key = _Key(job.wish, _length_class(job.facts.copy_s), job.overnight)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
            for offering, served in self._served_by.items():
                if why_not(job.wish, offering) is None:
                    served.append((key, line))
        self._jobs[job.id] = (job, rating, key)
        if job.facts.due_s is not None:
            self._due.add(job.id)
        entry = _entry(job, rating)
        self._member(job.member).lines.add(key)
        theirs = line.jobs.setdefault(job.member, [])
        heapq.heappush(theirs, entry)
        if theirs[0] is entry:
            self._stand(line, job.member)

    def remove(self, job_id: str) -> None:
        """Take a job out; nothing happens when it is not there."""
        known = self._jobs.pop(job_id, None)
        self._due.discard(job_id)
        if known is not None:
            self._stand(self._lines[known[2]], known[0].member)

    def take(self, job_id: str) -> None:
        """One copy of a job has gone to a printer."""
        job, rating, key = self._jobs[job_id]
        if job.copies > 1:
            self._jobs[job_id] = (replace(job, copies=job.copies - 1), rating, key)
        else:
            self.remove(job_id)

    def charge(self, member: str, machine_s: float, at_s: float) -> None:
        """Book machine time; it counts for the member's next place at once."""
        self._usage.add(member, machine_s, at_s)
        self._users[member] = self._member(member)
        self._rate_member(member)

    def used_s(self, member: str, at_s: float) -> float:
        """The member's decayed machine time."""
        return self._usage.of(member, at_s)

    def entitle(self, member: str, shares: float) -> None:
        """Set a member's shares (1 is usual)."""
        self._member(member).shares = shares
        self._rate_member(member)

    def block(self, member: str, blocked: bool) -> None:
        """Keep a member's jobs back (over a limit), or let them come again."""
        known = self._member(member)
        if known.blocked != blocked:
            known.blocked = blocked
            self._rate_member(member)

    def rate(self, now_s: float) -> None:
        """Work all priorities out anew."""
        self.freshen(now_s, len(self._members))

    def freshen(self, now_s: float, members: int = 8) -> None:
        """Work out anew the shares of some members, in turn, and the priority of what is due.

        What one member used changes the part of all others a little, and due dates come near: to
        be called now and then. The other factors need no work as time passes.
        """
        self._rated_s = now_s
        shares = sum(known.shares for known in self._users.values())
        self._fair_s = self._usage.total(now_s) / shares if shares else 0.0
        for job_id in self._due:
            self._rate_job(job_id)
        for _ in range(min(members, len(self._turn))):
            self._turn.rotate(-1)
            self._rate_member(self._turn[-1])

    def priority(self, job_id: str) -> float:
        """The priority of a job that waits."""
        job, rating, _ = self._jobs[job_id]
        share = self._weights.fair_share * self._member(job.member).factor
        return share + rating + self._grown()

    def best(
        self,
        offering: Offering,
        *,
        window_s: float = math.inf,
        night: bool = False,
        marked: bool = True,
        refuses: Callable[[Waiting], bool] = lambda job: False,
    ) -> Waiting | None:
        """The waiting job of the highest priority that a printer may take, or None.

        Args:
            window_s: only jobs of which a copy takes no longer; the others wait, and shorter
                ones are filled in before the printer is needed or the lab closes.
            night: every job may go on beyond the window.
            marked: jobs marked ``overnight`` may.
            refuses: what else speaks against a job; asked best first, of few jobs.
        """
        found: tuple[tuple[float, float, str], Waiting] | None = None
        for key, line in self._lines_of(offering):
            any_length = night or (marked and key.overnight)
            if not any_length and key.length and window_s <= _longest_s(key.length - 1):
                continue  # even the shortest of this line is too long
            for rank, job in self._in_order(line, found[0] if found else None):
                if (any_length or job.facts.copy_s <= window_s) and not refuses(job):
                    found = (rank, job)
                    break
        return found[1] if found else None

    def in_order(self) -> list[Waiting]:
        """All jobs, highest priority first; those of blocked members last."""

        def rank(entry: tuple[Waiting, float, _Key]) -> tuple[bool, float, float, str]:
            job = entry[0]
            blocked = self._member(job.member).blocked
            return (blocked, -self.priority(job.id), job.facts.queued_s, job.id)

        return [entry[0] for entry in sorted(self._jobs.values(), key=rank)]

    def _lines_of(self, offering: Offering) -> list[tuple[_Key, _Line]]:
        served = self._served_by.get(offering)
        if served is None:
            served = self._served_by[offering] = [
                (key, line)
                for key, line in self._lines.items()
                if why_not(key.wish, offering) is None
            ]
        return served

    def _in_order(
        self, line: _Line, worst: tuple[float, float, str] | None
    ) -> Iterator[tuple[tuple[float, float, str], Waiting]]:
        """Jobs of a line, best first, as long as they are better than ``worst``."""
        looked: list[tuple[float, float, str, str]] = []
        put_back: list[tuple[str, tuple[float, float, str]]] = []
        try:
            while line.heads and len(looked) < _LOOK_AT_MOST:
                head = line.heads[0]
                rank, member = head[:3], head[3]
                if not self._is_present(line, head):
                    heapq.heappop(line.heads)
                    continue
                if worst is not None and rank >= worst:
                    return
                yield rank, self._jobs[head[2]][0]
                # The caller wants the next one: set this job aside, its member stands anew.
                looked.append(heapq.heappop(line.heads))
                put_back.append((member, heapq.heappop(line.jobs[member])))
                self._stand(line, member)
        finally:
            for member, entry in put_back:
                heapq.heappush(line.jobs.setdefault(member, []), entry)
            for member in {member for member, _ in put_back}:
                self._stand(line, member)

    def _is_present(self, line: _Line, head: tuple[float, float, str, str]) -> bool:
        """Whether an entry of ``line.heads`` still tells the truth."""
        if self._member(head[3]).blocked:
            return False
        best = self._best_of(line, head[3])
        return best is not None and self._rank(head[3], best) == head[:3]

    def _best_of(self, line: _Line, member: str) -> tuple[float, float, str] | None:
        """The best of a member's jobs in a line; drops those that are gone."""
        heap = line.jobs.get(member, [])
        while heap:
            known = self._jobs.get(heap[0][2])
            if known and known[1] == -heap[0][0] and self._lines.get(known[2]) is line:
                return heap[0]
            heapq.heappop(heap)
        line.jobs.pop(member, None)
        return None

    def _stand(self, line: _Line, member: str) -> None:
        """Let a member stand in a line with the best of their jobs there."""
        best = self._best_of(line, member)
        if best is not None and not self._member(member).blocked:
            heapq.heappush(line.heads, (*self._rank(member, best), member))
            if len(line.heads) > 64 + 4 * len(line.jobs):
                present = {head[3]: head for head in line.heads if self._is_present(line, head)}
                line.heads = list(present.values())
                heapq.heapify(line.heads)

    def _rank(self, member: str, entry: tuple[float, float, str]) -> tuple[float, float, str]:
        factor = self._member(member).factor
        return (entry[0] - self._weights.fair_share * factor, entry[1], entry[2])

    def _rating(self, job: Waiting) -> float:
        """The job's priority without its member's share and without what age adds to all."""
        return job_priority(self._weights, job.facts, self._rated_s) - self._grown()

    def _grown(self) -> float:
        """What age has added to every job since the schedule was made."""
        waited_s = self._rated_s - self._epoch_s
        return self._weights.age * waited_s / (self._weights.age_full_h * 3600.0)

    def _rate_job(self, job_id: str) -> None:
        job, before, key = self._jobs[job_id]
        rating = self._rating(job)
        if rating == before:
            return
        line = self._lines[key]
        self._jobs[job_id] = (job, rating, key)
        line.jobs[job.member] = [
            entry for entry in line.jobs.get(job.member, []) if entry[2] != job_id
        ]
        line.jobs[job.member].append(_entry(job, rating))
        heapq.heapify(line.jobs[job.member])
        self._stand(line, job.member)

    def _rate_member(self, member: str) -> None:
        known = self._member(member)
        used_s = self._usage.of(member, self._rated_s)
        known.factor = share_factor(used_s, known.shares, self._fair_s or used_s)
        for key in list(known.lines):
            line = self._lines[key]
            self._stand(line, member)
            if member not in line.jobs:
                known.lines.discard(key)

    def _member(self, name: str) -> _Member:
        known = self._members.get(name)
        if known is None:
            known = self._members[name] = _Member()
            self._turn.append(name)
        return known


def _entry(job: Waiting, rating: float) -> tuple[float, float, str]:
    return (-rating, job.facts.queued_s, job.id)


def _length_class(copy_s: float) -> int:
    """0 up to a quarter of an hour, then one for each doubling."""
    return max(0, math.ceil(math.log2(max(copy_s, 1.0) / _SHORTEST_S)))


def _longest_s(length: int) -> float:
    """The longest that a copy in such a line takes."""
    return _SHORTEST_S * 2.0**length
