"""The state machines of jobs, attempts and printers: pure tables and functions, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fabcoord.errors import Conflict


class JobState(StrEnum):
    """Where a job is."""

    CHECKING = "checking"  # its file is being checked
    SLICING = "slicing"  # the reference slice, which gives the estimate, is being made
    NEEDS_ATTENTION = "needs_attention"  # a person must decide or mend something
    AWAITING_APPROVAL = "awaiting_approval"  # staff must agree
    QUEUED = "queued"  # waits for a printer
    PRINTING = "printing"  # at least one copy is with a printer
    AWAITING_PICKUP = "awaiting_pickup"  # the last copy's attempt has finished
    COLLECTED = "collected"  # handed over; the end
    HELD = "held"  # kept back by a person until released
    CANCELLED = "cancelled"  # withdrawn by its member or staff
    REJECTED = "rejected"  # refused by staff; the end
    FAILED = "failed"  # cannot be printed as it is


class JobEvent(StrEnum):
    """What can happen to a job."""

    CHECKED = "checked"  # the file is good enough to slice
    SLICED = "sliced"  # the estimate is there and nothing else is needed
    NEEDS_APPROVAL = "needs_approval"  # sliced, but the lab's policy wants staff to agree
    NEEDS_RELEASE = "needs_release"  # ready, but the policy wants its member at the printer
    UNPRINTABLE = "unprintable"  # the check says that nothing can be printed
    NEEDS_PERSON = "needs_person"  # something that only a person can decide or mend
    START = "start"  # an attempt was offered
    RETURN = "return"  # no copy is with a printer any more, and some are left
    FINISH = "finish"  # the last copy's attempt has finished
    APPROVE = "approve"
    REJECT = "reject"
    RELEASE = "release"
    HOLD = "hold"
    CANCEL = "cancel"
    RETRY = "retry"
    COLLECT = "collect"


class AttemptState(StrEnum):
    """Where one try to print one copy is."""

    OFFERED = "offered"  # an agent may take it; the only state in which it can be taken back
    ACCEPTED = "accepted"  # the agent has it and may start once it hears this
    TRANSFERRING = "transferring"  # the G-code is on its way to the printer
    STARTING = "starting"  # the start was sent
    PRINTING = "printing"  # the printer says so
    PAUSED = "paused"  # by us or at the printer
    FINISHED = "finished"  # to the last line
    FAILED = "failed"  # ended by an error
    CANCELLED = "cancelled"  # ended by a person, or never taken
    UNKNOWN = "unknown"  # nobody can say; never offered again, a person or a late report settles it


class AttemptEvent(StrEnum):
    """What can happen to an attempt. Agents report most of these."""

    ACCEPT = "accepted"
    WITHDRAW = "withdrawn"  # the offer was declined, ran out, or is no longer wanted
    TRANSFER = "transferring"
    START = "starting"
    PRINT = "printing"
    PAUSE = "paused"
    FINISH = "finished"
    FAIL = "failed"
    CANCEL = "cancelled"
    DOUBT = "unknown"  # the agent cannot tell, or its lease ran out


_J, _E = JobState, JobEvent

_OPEN = (
    *(_J.CHECKING, _J.SLICING, _J.NEEDS_ATTENTION, _J.AWAITING_APPROVAL),
    *(_J.QUEUED, _J.PRINTING, _J.HELD),
)

JOB_TRANSITIONS: dict[tuple[JobState, JobEvent], JobState] = {
    (_J.CHECKING, _E.CHECKED): _J.SLICING,
    (_J.CHECKING, _E.UNPRINTABLE): _J.FAILED,
    (_J.CHECKING, _E.NEEDS_PERSON): _J.NEEDS_ATTENTION,
    (_J.SLICING, _E.SLICED): _J.QUEUED,
    (_J.SLICING, _E.NEEDS_APPROVAL): _J.AWAITING_APPROVAL,
    (_J.SLICING, _E.NEEDS_RELEASE): _J.HELD,
    (_J.SLICING, _E.NEEDS_PERSON): _J.NEEDS_ATTENTION,
    (_J.AWAITING_APPROVAL, _E.APPROVE): _J.CHECKING,  # goes the way again, now approved
    (_J.QUEUED, _E.START): _J.PRINTING,
    (_J.QUEUED, _E.FINISH): _J.AWAITING_PICKUP,  # retried while its last copy was in doubt
    (_J.QUEUED, _E.NEEDS_PERSON): _J.NEEDS_ATTENTION,
    (_J.PRINTING, _E.START): _J.PRINTING,  # a further copy on a further printer
    (_J.PRINTING, _E.RETURN): _J.QUEUED,
    (_J.PRINTING, _E.FINISH): _J.AWAITING_PICKUP,
    (_J.PRINTING, _E.NEEDS_PERSON): _J.NEEDS_ATTENTION,
    # A doubt that was settled lets the job go on:
    (_J.NEEDS_ATTENTION, _E.START): _J.PRINTING,
    (_J.NEEDS_ATTENTION, _E.RETURN): _J.QUEUED,
    (_J.NEEDS_ATTENTION, _E.FINISH): _J.AWAITING_PICKUP,
    (_J.NEEDS_ATTENTION, _E.NEEDS_PERSON): _J.NEEDS_ATTENTION,
    (_J.NEEDS_ATTENTION, _E.RETRY): _J.CHECKING,
    (_J.FAILED, _E.RETRY): _J.CHECKING,
    (_J.CANCELLED, _E.RETRY): _J.CHECKING,
    (_J.HELD, _E.RELEASE): _J.CHECKING,  # goes the way again; what is cached takes no time
    (_J.FAILED, _E.CANCEL): _J.CANCELLED,
    (_J.AWAITING_PICKUP, _E.COLLECT): _J.COLLECTED,
    **{(state, _E.CANCEL): _J.CANCELLED for state in _OPEN},
    **{(state, _E.REJECT): _J.REJECTED for state in _OPEN if state is not _J.PRINTING},
    **{
        (state, _E.HOLD): _J.HELD
        for state in _OPEN
        if state not in (_J.PRINTING, _J.HELD, _J.NEEDS_ATTENTION)
    },
}

_A, _V = AttemptState, AttemptEvent

LIVE = (_A.ACCEPTED, _A.TRANSFERRING, _A.STARTING, _A.PRINTING, _A.PAUSED)
ENDED = (_A.FINISHED, _A.FAILED, _A.CANCELLED)
STEPS = {
    _V.TRANSFER: _A.TRANSFERRING,
    _V.START: _A.STARTING,
    _V.PRINT: _A.PRINTING,
    _V.PAUSE: _A.PAUSED,
}
_ENDS = {_V.FINISH: _A.FINISHED, _V.FAIL: _A.FAILED, _V.CANCEL: _A.CANCELLED}

ATTEMPT_TRANSITIONS: dict[tuple[AttemptState, AttemptEvent], AttemptState] = {
    (_A.OFFERED, _V.ACCEPT): _A.ACCEPTED,
    (_A.OFFERED, _V.WITHDRAW): _A.CANCELLED,
    # Once accepted a machine may be hot: only its agent, or doubt, ends it.
    **{(state, _V.DOUBT): _A.UNKNOWN for state in LIVE},
    **{(state, event): end for state in LIVE for event, end in _ENDS.items()},
    **{(state, event): step for state in LIVE for event, step in STEPS.items()},
    # Late reports and persons settle a doubt:
    **{(_A.UNKNOWN, event): end for event, end in _ENDS.items()},
    **{(_A.UNKNOWN, event): step for event, step in STEPS.items()},
}


class Effect(StrEnum):
    """What an attempt's event does besides, in the same transaction."""

    OCCUPY = "occupy"  # the plate is taken; or, where it is not clear, the offer withdrawn
    LEASE = "lease"  # its lease begins anew
    EJECT = "eject"  # the plate is clear again, on machines that empty it themselves
    RESUME = "resume"  # its job goes to where its copies are: printing, queued, printed
    ASK = "ask"  # its job waits for a person
    STOP = "stop"  # its agent is asked to cancel it, if nobody wants the job any more


ATTEMPT_EFFECTS: dict[AttemptEvent, tuple[Effect, ...]] = {
    _V.ACCEPT: (Effect.OCCUPY, Effect.LEASE, Effect.RESUME),
    _V.WITHDRAW: (Effect.RESUME,),
    **dict.fromkeys(STEPS, (Effect.LEASE, Effect.RESUME, Effect.STOP)),
    _V.FINISH: (Effect.EJECT, Effect.RESUME),
    **dict.fromkeys((_V.FAIL, _V.CANCEL, _V.DOUBT), (Effect.ASK,)),
}


def next_job_state(state: JobState, event: JobEvent) -> JobState:
    """The state after ``event``; raises Conflict, naming the present state, where it is illegal."""
    found = JOB_TRANSITIONS.get((state, event))
    if found is None:
        raise Conflict(
            f"The job is {_words(state)}, so it cannot be changed by: {_words(event)}.",
            hint=_job_hint(state),
            extra={"state": state.value},
        )
    return found


def next_attempt_state(state: AttemptState, event: AttemptEvent) -> AttemptState:
    """The state after ``event``; raises Conflict where it is illegal."""
    found = ATTEMPT_TRANSITIONS.get((state, event))
    if found is None:
        raise Conflict(
            f"The attempt is {_words(state)}, so it cannot become: {_words(event)}.",
            extra={"state": state.value},
        )
    return found


def _job_hint(state: JobState) -> str:
    allowed = sorted({_words(event) for (of, event) in JOB_TRANSITIONS if of is state})
    verbs = {"approve", "reject", "release", "hold", "cancel", "retry", "collect"}
    possible = [word for word in allowed if word in verbs]
    return f"Possible now: {', '.join(possible)}." if possible else "Nothing more can be done."


def _words(name: StrEnum) -> str:
    return name.value.replace("_", " ")


class PrinterState(StrEnum):
    """What a printer is to the lab."""

    IDLE = "idle"  # ready, plate clear: may be given work
    BUSY = "busy"  # prints, for us or for somebody else
    AWAITING_CLEARANCE = "awaiting_clearance"  # somebody must say that the plate is clear
    ATTENTION = "attention"  # an error, or an attempt that nobody knows the end of
    MAINTENANCE = "maintenance"  # taken out of service by a person
    OFFLINE = "offline"  # not reached


@dataclass(frozen=True, slots=True)
class PrinterFacts:
    """All that decides a printer's state.

    ``activity`` is what its driver last reported; None when no agent ever spoke of it.
    """

    agent_seen: bool  # its agent spoke within the time allowed
    activity: str | None
    activity_reason: str
    in_maintenance: bool
    plate_clear: bool
    attempt_state: AttemptState | None  # of the attempt that is offered, live or unknown here
    foreign_print: str | None  # file name of a print that we did not start


def printer_state(facts: PrinterFacts) -> tuple[PrinterState, str]:
    """The state of a printer and one sentence that says why."""
    if facts.in_maintenance:
        return PrinterState.MAINTENANCE, "In maintenance until somebody says it is ready."
    if facts.attempt_state is AttemptState.UNKNOWN:
        return (
            PrinterState.ATTENTION,
            "Nobody knows how its last print ended: look at it, then settle it here.",
        )
    if not facts.agent_seen:
        return PrinterState.OFFLINE, _offline_words(facts, "Its agent does not answer.")
    if facts.activity in (None, "offline"):
        return PrinterState.OFFLINE, _offline_words(
            facts, facts.activity_reason or "Its agent has not reached it yet."
        )
    if facts.activity == "attention":
        return PrinterState.ATTENTION, facts.activity_reason or "It reports an error."
    if facts.attempt_state is not None:
        words = {
            AttemptState.OFFERED: "A print is about to start.",
            AttemptState.PAUSED: facts.activity_reason or "Paused.",
        }
        return PrinterState.BUSY, words.get(facts.attempt_state, "")
    if facts.foreign_print is not None:
        return (
            PrinterState.BUSY,
            f"Prints {facts.foreign_print!r}, which fabcoord did not start.",
        )
    if facts.activity in ("printing", "paused"):
        return PrinterState.BUSY, "Still works on a print that was settled here."
    if not facts.plate_clear:
        return PrinterState.AWAITING_CLEARANCE, "Somebody must say that the plate is clear."
    return PrinterState.IDLE, ""


def _offline_words(facts: PrinterFacts, reason: str) -> str:
    if facts.attempt_state in LIVE:
        return f"{reason} It may still be printing."
    return reason
