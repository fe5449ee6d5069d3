"""What one runner knows besides the journal: the server's latest word, and its own doings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fabcoord.agent.client import Backoff
from fabcoord.agent.decide import Report
from fabcoord.agent.messages import Command, Offer
from fabcoord.printers.base import Found


@dataclass(frozen=True, slots=True)
class Heard:
    """What the server's latest answer says to one printer."""

    words: Mapping[str, str] = field(default_factory=dict)  # attempt id → the server's state
    offers: tuple[Offer, ...] = ()
    commands: tuple[Command, ...] = ()
    server_ahead_s: float = 0.0  # the server's clock minus ours
    removed: bool = False  # the server does not list the printer any more


@dataclass(slots=True)
class Memory:
    """What this process knows of one attempt; lost with it, so `must_look` is True at first.

    Moments are those of the runner's clock, in seconds. See `decide.Facts` for the rest.
    """

    must_look: bool
    found: Found | None = None
    refusal: str = ""
    ready: bool = False
    absent_since: float | None = None
    stopped_at: float | None = None
    insisted: str | None = None
    not_before: float = 0.0  # when to try again after a failed step
    unwritten: Report | None = None  # what the journal did not take yet
    backoff: Backoff = field(default_factory=lambda: Backoff(cap_s=30.0))


def since(moment: float | None, now: float) -> float | None:
    """How long ago that was, in seconds; None where it was not."""
    return None if moment is None else now - moment
