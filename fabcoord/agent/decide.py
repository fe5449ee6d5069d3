"""What to do next with a held attempt: pure decisions from journal, printer and server's word.

`decide` is asked again and again, each time with fresh facts, and names one step. Carrying the
step out changes the facts, never the rules. The rules, in order:

1. What the printer shows counts most: a print of ours that runs is followed, one that ended is
   reported, whatever anybody believed before.
2. After a restart, or when an expected print does not show up, the printer is asked once (`Look`).
3. Only an attempt whose start was certainly never sent may be started, and only when the server
   has confirmed it to this process.
4. Everything else is `unknown`, with a sentence that says what a person must look at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from fabcoord.agent.held import LIVE, UNMARKED, Held, Stage
from fabcoord.agent.messages import Command
from fabcoord.printers.base import Activity, EndedPrint, Found, RunningPrint, Status

GRACE_S = 15.0  # how long a printer may show nothing of a print before it is asked
OFFLINE_PATIENCE_S = 300.0  # how long an attempt that has not started waits for its printer
STOP_AGAIN_S = 30.0  # how long a cancel may take to show before it is sent again

_CONFIRMED = ("accepted", "transferring")
_GOING_ON = ("accepted", "transferring", "starting", "printing", "paused")
_OVER = ("finished", "failed", "cancelled", "gone")


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision rests on."""

    held: Held
    status: Status
    word: str | None = None  # the server's latest word on the attempt; None: none yet
    must_look: bool = False  # this process does not know what it did before
    found: Found | None = None  # what the printer answered to `find`, if it was asked
    refusal: str = ""  # the printer's definite refusal of our start
    ready: bool = False  # the G-code is checked and at the printer
    absent_s: float = 0.0  # how long the printer, reachable, has shown nothing of the print
    offline_s: float = 0.0  # how long the printer has been unreachable
    stopping_s: float | None = None  # how long ago we sent a cancel
    insisted: str | None = None  # the word against which we have already reported a running print
    draining: bool = False  # the agent is about to stop
    cancelling: bool = False  # the agent is to stop now, ending live prints
    removed: bool = False  # the server does not list the printer any more


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now."""


@dataclass(frozen=True, slots=True)
class Report:
    """Write down a stage, and an event for the server unless ``kind`` is empty."""

    stage: Stage
    kind: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """Ask the printer what became of the attempt (`Printer.find`)."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Bring the G-code to this machine, check its hash, and transfer it to the printer."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Make the mark in the journal, then send the start."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Cancel the attempt's print at the printer."""


Step = Wait | Report | Look | Fetch | Begin | Stop


def decide(facts: Facts) -> Step:
    """The next step for one held attempt; it must not be in stage ENDED."""
    held = facts.held
    if our_print(facts.status, held) is not None:
        return _follow(facts)
    ended = our_end(facts.status, held)
    if ended is not None:
        return Report(Stage.ENDED, ended.outcome.value, ended.reason)
    if facts.removed and facts.word in _OVER:
        return Report(Stage.ENDED)
    if facts.must_look:
        return _after_restart(facts)
    if held.stage in UNMARKED:
        return _before_start(facts)
    if held.stage is Stage.UNKNOWN:
        return _in_doubt(facts)
    return _expected_but_absent(facts)


def our_print(status: Status, held: Held) -> RunningPrint | None:
    """The print that the printer shows, if it is this attempt's."""
    running = status.print if status.activity in (Activity.PRINTING, Activity.PAUSED) else None
    return running if running and running.attempt_id == held.attempt_id else None


def our_end(status: Status, held: Held) -> EndedPrint | None:
    """How the printer says that this attempt's print ended, if it does."""
    ended = status.ended
    return ended if ended and ended.attempt_id == held.attempt_id else None


def _follow(facts: Facts) -> Step:
    held = facts.held
    if facts.word == "cancelled" or facts.cancelling:
        sent = facts.stopping_s is not None and facts.stopping_s < STOP_AGAIN_S
        if not sent:
            return Stop()
    kind = "paused" if facts.status.activity is Activity.PAUSED else "printing"
    if held.stage is not Stage.PRINTING or held.reported != kind:
        return Report(Stage.PRINTING, kind)
    disagrees = facts.word in ("unknown", "failed", "finished")
    if disagrees and facts.insisted != facts.word:
        return Report(Stage.PRINTING, kind, "The printer is still printing it.")
    return Wait()


def _after_restart(facts: Facts) -> Step:
    """Settle an attempt of which this process does not know what became."""
    held, found = facts.held, facts.found
    if found is None:
        return Wait() if facts.status.activity is Activity.OFFLINE else Look()
    if found is Found.RUNNING:
        told = held.stage is Stage.PRINTING and held.reported == "printing"
        return Report(Stage.PRINTING, "" if told else "printing")
    if found is Found.FINISHED:
        return Report(Stage.ENDED, "finished")
    if found is Found.FAILED:
        reason = "The printer says that it failed or was cancelled there."
        return Report(Stage.ENDED, "failed", facts.refusal or reason)
    certain = found is Found.NOT_STARTED
    if held.may_have_started:
        if certain and facts.refusal:
            return Report(Stage.ENDED, "failed", facts.refusal)
        if held.stage is Stage.UNKNOWN:
            return _in_doubt(facts)
        return Report(Stage.UNKNOWN, "unknown", _LOOK_NOT_STARTED if certain else _LOOK)
    if facts.word in ("unknown", "starting", "printing", "paused"):
        # No mark, but the server does not confirm: the journal may be an old copy.
        if certain:
            return Report(Stage.ENDED, "failed", _NEVER_STARTED)
        return Report(Stage.UNKNOWN, "unknown", _LOOK)
    return _before_start(facts)


_LOOK = (
    "The agent was interrupted around the start of this print and the printer cannot tell what "
    "became of it. Look whether it is printing, what lies on the plate, and whether it is hot."
)
_LOOK_NOT_STARTED = (
    "The start was sent, but the printer shows nothing of this print. "
    "Look at the plate and whether the printer begins to heat or move."
)
_NOT_PRINTING = "The printer shows nothing of this print. Look at the plate, then say how it ended."
_STOPPED_BEFORE = "The agent was stopped before the print was started; nothing was printed."
_NEVER_STARTED = "It was interrupted before it was started; nothing was printed."


def _before_start(facts: Facts) -> Step:
    """An attempt whose start was certainly never sent."""
    held, word, activity = facts.held, facts.word, facts.status.activity
    if word in _OVER:
        return Report(Stage.ENDED)
    if facts.draining or facts.cancelling:
        return Report(Stage.ENDED, "failed", _STOPPED_BEFORE)
    if word is None or word == "offered":
        return Wait()
    if word == "unknown":
        return Report(Stage.ENDED, "failed", _NEVER_STARTED)
    if word not in _CONFIRMED:
        return Report(Stage.UNKNOWN, "unknown", _LOOK)
    problem = printer_problem(facts.status)
    if problem and (activity is not Activity.OFFLINE or facts.offline_s > OFFLINE_PATIENCE_S):
        return Report(Stage.ENDED, "failed", f"It was not started. {problem}")
    if problem:
        return Wait()
    if held.stage is Stage.ACCEPTED:
        return Report(Stage.TRANSFERRING, "transferring")
    return Begin() if facts.ready else Fetch()


def _in_doubt(facts: Facts) -> Step:
    """A person decides. If they say that it still prints and it does not, they hear so."""
    if facts.word in _OVER:
        return Report(Stage.ENDED)
    unreachable = facts.status.activity is Activity.OFFLINE
    if facts.word in _GOING_ON and facts.insisted != facts.word and not unreachable:
        return Report(Stage.UNKNOWN, "unknown", _NOT_PRINTING)
    return Wait()


def _expected_but_absent(facts: Facts) -> Step:
    """A start was sent, yet the printer shows neither the print nor its end."""
    if facts.status.activity is Activity.OFFLINE:
        return Wait()
    return Look() if facts.absent_s > GRACE_S else Wait()


def printer_problem(status: Status) -> str:
    """Why nothing can be started on the printer now, in one sentence; empty when it can."""
    if status.activity is Activity.IDLE:
        return ""
    if status.activity is Activity.OFFLINE:
        return status.reason or "The printer cannot be reached."
    if status.activity is Activity.ATTENTION:
        return status.reason or "The printer reports an error that needs a person."
    name = status.print.file_name if status.print else ""
    return f"The printer is busy with another print{f' ({name})' if name else ''}."


def offer_refusal(status: Status, held: tuple[Held, ...], *, draining: bool) -> str:
    """Why the agent does not take an offer for a printer; empty when it does."""
    if draining:
        return "The agent is stopping."
    if any(item.stage is Stage.UNKNOWN for item in held):
        return "What became of the print before is not settled yet."
    if held:
        return "The agent still holds another attempt for this printer."
    return printer_problem(status)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a command: carry it out (``do``), or answer at once."""

    do: bool
    ok: bool = True
    reason: str = ""
    step: Report | None = field(default=None)


def decide_command(command: Command, held: Held | None, status: Status, now: datetime) -> Verdict:
    """Whether a command of a person is carried out; ``now`` is the server's time."""
    if _expired(command, now):
        return Verdict(do=False, ok=False, reason="It came too late to be carried out.")
    if command.kind == "emergency":
        return Verdict(do=True)
    if command.kind == "answer":
        asked = status.prompt is not None
        reason = "" if asked else "The printer asks nothing any more."
        return Verdict(do=asked, ok=asked, reason=reason)
    if held is None or held.attempt_id != command.attempt_id:
        return Verdict(do=False, ok=False, reason="This print is not on the printer any more.")
    if command.kind == "cancel":
        if held.stage in UNMARKED:
            dropped = Report(Stage.ENDED, "cancelled", "Cancelled before it was started.")
            return Verdict(do=False, step=dropped)
        if held.stage in LIVE or our_print(status, held):
            return Verdict(do=True)
        # The server may believe in a print that nobody sees: let it know that it is in doubt.
        doubt = Report(Stage.UNKNOWN, "unknown", _NOT_PRINTING)
        return Verdict(do=False, ok=False, reason="Nothing of this print is running.", step=doubt)
    if command.kind not in ("pause", "resume"):
        return Verdict(do=False, ok=False, reason=f"This agent does not know “{command.kind}”.")
    if our_print(status, held) is None:
        return Verdict(do=False, ok=False, reason="The printer is not printing it now.")
    paused = status.activity is Activity.PAUSED
    return Verdict(do=paused == (command.kind == "resume"))


def _expired(command: Command, now: datetime) -> bool:
    """An expiry that cannot be read counts as passed."""
    try:
        expires = datetime.fromisoformat(command.expires_at)
    except ValueError:
        return True
    return expires.tzinfo is None or now >= expires
