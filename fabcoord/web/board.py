"""What the room needs to see: printers by who needs a human now, the queue, what waits for people.

Reads the database and decides; knows nothing of pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fabcoord.members.roles import Member
from fabcoord.printers import machines
from fabcoord.queue import attempts, printers
from fabcoord.queue import jobs as queue
from fabcoord.queue.control import APPLIES_TO, STOPPABLE
from fabcoord.queue.states import LIVE, AttemptState, JobState, PrinterState
from fabcoord.store.database import Row
from fabcoord.store.sqlite import Database
from fabcoord.web import words
from fabcoord.web.words import Look

_PREPARING = (JobState.CHECKING, JobState.SLICING)
_TOUCHABLE_C = 50.0
_FOR_PEOPLE = (JobState.NEEDS_ATTENTION, JobState.AWAITING_APPROVAL, JobState.HELD)


@dataclass(frozen=True, slots=True)
class Card:
    """One printer on the board.

    Attributes:
        attempt: what is on it now, or None; ``job`` is that attempt's.
        left: the print that lies on the plate until somebody clears it, if it was ours.
        settle: whether a person has to say how the attempt ended.
        controls: which of pause, resume and cancel mean something now.
    """

    printer: dict[str, Any]
    model: str
    look: Look
    attempt: Row | None
    job: dict[str, Any] | None
    left: dict[str, Any] | None
    settle: bool
    controls: tuple[str, ...]

    @property
    def clear(self) -> bool:
        """Whether somebody has to say that the plate is clear."""
        return bool(self.printer["state"] == PrinterState.AWAITING_CLEARANCE)

    @property
    def stoppable(self) -> bool:
        """Whether an emergency stop from here reaches the printer."""
        there = self.printer["state"] != PrinterState.OFFLINE
        return there and self.printer["driver"] in STOPPABLE and bool(self.printer["agent_id"])

    @property
    def line(self) -> list[tuple[str, str]]:
        """What is known of the line to the printer and of its firmware: names and words."""
        return words.line_of(self.printer)

    @property
    def hot(self) -> bool:
        """Whether nozzle or bed would hurt who clears the plate."""
        told = self.printer["temperatures"]
        return any((told.get(name) or 0.0) > _TOUCHABLE_C for name in ("hotend_c", "bed_c"))

    @property
    def urgency(self) -> tuple[int, float]:
        """Sorts the board: who needs a human now comes first, then who will need one soon."""
        if self.printer["prompt"] is not None:
            return 0, 0.0
        paused = self.attempt is not None and self.attempt["state"] == AttemptState.PAUSED
        order = {
            PrinterState.ATTENTION: 0,
            PrinterState.AWAITING_CLEARANCE: 1,
            PrinterState.BUSY: 2 if paused else 4,
            PrinterState.OFFLINE: 3 if self.attempt is not None else 6,
            PrinterState.IDLE: 5,
            PrinterState.MAINTENANCE: 7,
        }
        remaining_s = (self.attempt or {}).get("remaining_s")
        return order[self.printer["state"]], remaining_s if remaining_s is not None else 1e9


@dataclass(frozen=True, slots=True)
class Board:
    """The whole room at one moment."""

    cards: list[Card]
    queue: list[dict[str, Any]]
    preparing: list[dict[str, Any]]
    for_people: list[dict[str, Any]]
    pickup: list[dict[str, Any]]

    @property
    def moving(self) -> bool:
        """Whether something changes by itself, such as the progress of a print."""
        return any(card.attempt is not None or card.hot for card in self.cards)

    @property
    def summary(self) -> str:
        """The room in one line, for the head of the page and for who hears instead of sees."""
        counted = (
            (sum(card.clear for card in self.cards), "to clear"),
            (sum(card.printer["prompt"] is not None for card in self.cards), "to answer"),
            (sum(card.printer["state"] == PrinterState.ATTENTION for card in self.cards),
             "to look at"),
            (sum(card.printer["state"] == PrinterState.BUSY for card in self.cards), "printing"),
            (len(self.queue), "waiting"),
            (len(self.pickup), "to collect"),
        )  # fmt: skip
        told = [f"{count} {words}" for count, words in counted if count]
        return " · ".join(told) or "All quiet"


def read(db: Database, viewer: Member) -> Board:
    """The board as it is now, for who looks at it."""
    open_jobs = queue.as_seen_by(db, viewer, queue.open_jobs(db))
    cards = [_card(db, viewer, printer) for printer in printers.everyone(db)]
    waiting = [job for job in open_jobs if job["state"] == JobState.QUEUED]
    return Board(
        cards=sorted(cards, key=lambda card: card.urgency),
        queue=sorted(waiting, key=lambda job: job["position"] or 1e9),
        preparing=[job for job in open_jobs if job["state"] in _PREPARING],
        for_people=[job for job in open_jobs if job["state"] in _FOR_PEOPLE],
        pickup=[job for job in open_jobs if job["state"] == JobState.AWAITING_PICKUP],
    )


def _card(db: Database, viewer: Member, printer: dict[str, Any]) -> Card:
    attempt = printers.open_attempt(db, printer["id"])
    plate = printer["plate_attempt_id"]
    state = attempt["state"] if attempt else None
    in_trouble = printer["state"] == PrinterState.ATTENTION
    look = words.PRINTERS[printer["state"]]
    if printer["state"] == PrinterState.BUSY and state is not None:
        look = words.ATTEMPTS[state]
    if printer["prompt"] is not None:
        look = words.ASKS
    models = machines.all_machines()
    return Card(
        printer=printer,
        model=models[printer["machine"]].name if printer["machine"] in models else "",
        look=look,
        attempt=attempt,
        job=_job(db, viewer, attempt["job_id"]) if attempt else None,
        left=_job(db, viewer, attempts.get_row(db, plate)["job_id"])
        if plate and attempt is None
        else None,
        settle=state == AttemptState.UNKNOWN or (in_trouble and state in LIVE),
        controls=tuple(kind for kind in APPLIES_TO if state in APPLIES_TO[kind]),
    )


def _job(db: Database, viewer: Member, job_id: str) -> dict[str, Any]:
    return queue.as_seen_by(db, viewer, [queue.get(db, job_id)])[0]
