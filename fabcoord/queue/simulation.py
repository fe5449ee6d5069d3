"""Plays a trace of asked-for prints through the queue under some policy: what would have been.

The schedule is the one that decides in the lab. Members, printers and time are simulated, so a
semester takes seconds.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from fabcoord.queue import hours
from fabcoord.queue.fairshare import JobFacts, jain
from fabcoord.queue.match import Offering, Wish
from fabcoord.queue.policy import Policy, Weights
from fabcoord.queue.schedule import Schedule, Waiting

FIRST_COME = Weights(fair_share=0.0, age=1e6, due=0.0, short=0.0, job_class=0.0, age_full_h=1e5)
_RATE_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One job of a trace. Times are seconds since the epoch."""

    at_s: float
    member: str
    copy_s: float
    copies: int = 1
    wish: Wish = field(default_factory=lambda: Wish(None, None, None, None))
    due_s: float | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """One copy that was printed."""

    ask: Ask
    printer_id: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a trace until ``until_s``."""

    asks: Sequence[Ask]
    started: Sequence[Started]
    printers: int
    since_s: float
    until_s: float

    def received_s(self) -> dict[str, float]:
        """Machine time of each member within the period."""
        found: dict[str, float] = defaultdict(float)
        for one in self.started:
            found[one.ask.member] += max(0.0, min(one.end_s, self.until_s) - one.start_s)
        return found

    def demanded_s(self) -> dict[str, float]:
        """Machine time that each member asked for within the period."""
        found: dict[str, float] = defaultdict(float)
        for ask in self.asks:
            if ask.at_s < self.until_s:
                found[ask.member] += ask.copy_s * ask.copies
        return found

    def fairness(self) -> float:
        """Jain's index of what members received over what max-min fairness would give them.

        Max-min fairness hands what was printed to all alike, but to nobody more than they asked
        for; so who asked for little and got it is treated as well as who asked for much and got
        an equal part of what is left.
        """
        received, demanded = self.received_s(), self.demanded_s()
        fair = max_min_s(demanded, sum(received.values()))
        return jain([received.get(name, 0.0) / each for name, each in fair.items() if each > 0])

    def utilisation(self) -> float:
        """The part of the printers' time in which they printed."""
        span_s = (self.until_s - self.since_s) * self.printers
        return sum(self.received_s().values()) / span_s if span_s else 0.0

    def waits_s(self) -> list[float]:
        """From asking to the start of each copy, sorted."""
        return sorted(one.start_s - one.ask.at_s for one in self.started)


def max_min_s(demanded: dict[str, float], capacity_s: float) -> dict[str, float]:
    """Max-min fair parts of a capacity: all the same, but nobody more than they asked for."""
    parts: dict[str, float] = {}
    left_s = capacity_s
    for done, (name, wanted) in enumerate(sorted(demanded.items(), key=lambda item: item[1])):
        parts[name] = min(wanted, left_s / (len(demanded) - done))
        left_s -= parts[name]
    return parts


def simulate(
    asks: Sequence[Ask],
    printers: Sequence[Offering],
    policy: Policy,
    *,
    until_s: float | None = None,
    clearing_s: float = 900.0,
) -> Outcome:
    """Play a trace.

    Args:
        asks: in any order.
        printers: those of the lab; all begin idle.
        policy: weights, hours and the limit of prints that a member may have running.
        until_s: when to stop looking; the last moment of asking, unless given.
        clearing_s: how long a plate waits for somebody.
    """
    ordered = sorted(asks, key=lambda ask: ask.at_s)
    if not ordered:
        return Outcome((), (), len(printers), 0.0, 0.0)
    end_s = ordered[-1].at_s if until_s is None else until_s
    run = _Run(policy, printers, ordered[0].at_s, clearing_s)
    for number, ask in enumerate(ordered):
        if ask.at_s > end_s:
            break
        run.until(ask.at_s)
        run.ask(str(number), ask)
    run.until(end_s)
    return Outcome(ordered, run.started, len(printers), ordered[0].at_s, end_s)


class _Run:
    """The state of a simulated lab."""

    def __init__(
        self, policy: Policy, printers: Sequence[Offering], now_s: float, clearing_s: float
    ) -> None:
        self._policy, self._printers, self._clearing_s = policy, printers, clearing_s
        self._schedule = Schedule(policy.weights, now_s)
        self._asks: dict[str, Ask] = {}
        self._free = set(range(len(printers)))
        self._busy: list[tuple[float, int]] = []
        self._live: dict[str, list[float]] = defaultdict(list)  # member -> ends of their prints
        self._rated_s = now_s
        self.started: list[Started] = []

    def ask(self, name: str, ask: Ask) -> None:
        self._asks[name] = ask
        facts = JobFacts(ask.at_s, ask.copy_s, ask.due_s)
        self._schedule.put(Waiting(name, ask.member, ask.wish, facts, ask.copies))
        self._serve(ask.at_s)

    def until(self, end_s: float) -> None:
        """Let plates be cleared and prints start, up to a moment."""
        while self._busy and self._busy[0][0] <= end_s:
            now_s, index = heapq.heappop(self._busy)
            self._free.add(index)
            self._serve(now_s)

    def _serve(self, now_s: float) -> None:
        if now_s - self._rated_s >= _RATE_EVERY_S:
            self._rated_s = now_s
            self._schedule.rate(now_s)
        if not len(self._schedule):
            return
        window = self._window(now_s)
        for index in sorted(self._free):
            if window.quiet_until is not None:
                break
            job = self._schedule.best(
                self._printers[index], window_s=window.left_s, night=window.night,
                marked=window.marked, refuses=lambda job: self._is_at_limit(job.member, now_s),
            )  # fmt: skip
            if job is not None:
                self._start(job, index, now_s)
        if self._policy.hours.open or self._policy.hours.quiet:
            self._wake_at_opening(window, now_s)

    def _start(self, job: Waiting, index: int, now_s: float) -> None:
        self._free.discard(index)
        ask = self._asks[job.id]
        end_s = now_s + ask.copy_s
        self._schedule.take(job.id)
        self._schedule.charge(job.member, ask.copy_s, now_s)
        self._live[job.member].append(end_s)
        self.started.append(Started(ask, self._printers[index].printer_id, now_s, end_s))
        heapq.heappush(self._busy, (end_s + self._clearing_s, index))

    def _is_at_limit(self, member: str, now_s: float) -> bool:
        most = self._policy.member_limits.live_jobs
        if most is None:
            return False
        self._live[member] = [end_s for end_s in self._live[member] if end_s > now_s]
        return len(self._live[member]) >= most

    def _window(self, now_s: float) -> hours.Window:
        if not self._policy.hours.open and not self._policy.hours.quiet:
            return hours.Window(math.inf, True, True, None)
        return hours.window(self._policy.hours, datetime.fromtimestamp(now_s, UTC))

    def _wake_at_opening(self, window: hours.Window, now_s: float) -> None:
        """Printers that got nothing because of the hours are looked at when these change."""
        moment = datetime.fromtimestamp(now_s, UTC)
        again = window.quiet_until
        if again is None and window.left_s < math.inf:
            later = moment + timedelta(seconds=window.left_s + 60.0)
            again = hours.opens_at(self._policy.hours, later)
        if again is None:
            return
        for index in self._free:
            heapq.heappush(self._busy, (again.timestamp(), index))
        self._free = set()
