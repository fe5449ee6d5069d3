"""Drives one printer: looks at it, asks `decide` what to do, does it, and writes it down.

One thread for each printer, so that one that hangs never stalls the others. All changes of the
printer's attempts are made by this thread.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from fabcoord.agent.client import Client
from fabcoord.agent.commands import carry_out
from fabcoord.agent.decide import (
    Begin,
    Facts,
    Fetch,
    Look,
    Report,
    Step,
    Stop,
    Wait,
    decide,
    decide_command,
    offer_refusal,
    our_end,
    our_print,
)
from fabcoord.agent.held import LIVE, Held, Stage, offer_problem
from fabcoord.agent.journal import Journal, JournalError
from fabcoord.agent.knowledge import Heard, Memory, since
from fabcoord.agent.messages import Command, CommandResult, Offer, PrinterConfig, PrinterTelemetry
from fabcoord.agent.places import Places
from fabcoord.agent.reach import Reach
from fabcoord.agent.spool import Spool
from fabcoord.agent.stance import Stance
from fabcoord.agent.telemetry import telemetry, unless_hung, urgent
from fabcoord.agent.threaded import Threaded
from fabcoord.agent.work import Abandoned, Preparation, start_print
from fabcoord.errors import FabcoordError
from fabcoord.printers.base import Activity, Printer, Status

_LOG = logging.getLogger(__name__)

TICK_S = 0.5  # with an attempt in hand
IDLE_TICK_S = 1.0
_DECLINE_PAUSE_S = 5.0
_JOURNAL_PAUSE_S = 5.0
_STEPS_PER_TICK = 8


class Runner(Threaded):
    """The keeper of one printer.

    Args:
        config: the printer.
        make: makes its driver; called from the runner's thread.
        client: makes a client for downloads; called from the runner's thread.
        notify: called when there is something that the server should hear at once.
    """

    def __init__(
        self,
        config: PrinterConfig,
        *,
        make: Callable[[], Printer],
        client: Callable[[], Client],
        journal: Journal,
        spool: Spool,
        stance: Stance,
        notify: Callable[[], None],
        places: Places | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(f"printer {config.printer_id}")
        self.config = config
        self._notify, self._clock = notify, clock
        self._journal, self._spool, self._stance = journal, spool, stance
        self._places = places or Places(journal, clock)
        self._preparation = Preparation(spool, client)
        self._reach = Reach(config.name, make, clock)
        self._held = {item.attempt_id: item for item in journal.held(config.printer_id)}
        self._memory = {attempt_id: Memory(must_look=True) for attempt_id in self._held}
        self._commands_done: set[str] = set()
        self._heard = Heard()
        self._inbox: deque[Heard] = deque(maxlen=16)
        self._offline_since: float | None = None
        self._no_decline_before = 0.0
        self._beat = clock()
        self._shown = telemetry(config.printer_id, Status(Activity.OFFLINE, "Connecting."))

    # For other threads

    def hear(self, heard: Heard) -> None:
        """Take in the server's latest answer; it replaces the one before."""
        self._inbox.append(heard)
        self._wake.set()

    @property
    def held(self) -> tuple[Held, ...]:
        """The attempts in hand."""
        return tuple(self._held.values())

    @property
    def live(self) -> bool:
        """Whether a print of ours may be running."""
        return any(item.stage in LIVE for item in self.held)

    def telemetry(self) -> PrinterTelemetry:
        """The printer as last seen; offline when its driver hangs."""
        return unless_hung(self._shown, self._clock() - self._beat)

    # The thread

    def close(self) -> None:
        """Let go of the printer."""
        self._preparation.close()
        self._reach.close()

    def end_simulator(self) -> None:
        """End the simulator of a virtual printer; other printers are left as they are."""
        self._reach.end_simulator()

    def tick(self) -> float:
        """One round: look, do what is to be done. Returns how long to wait for the next, in s."""
        try:
            self._take_in()
            status = self._look()
            self._obey(status)
            for attempt_id in list(self._held):
                status = self._advance(attempt_id, status)
            self._answer_offers(status)
            if status.activity is Activity.OFFLINE and self._reach.connect():
                self._wake.set()
        except JournalError as error:
            self._stance.trouble = f"The agent's journal cannot be written ({error})."
            _LOG.error("%s: %s", self.config.name, self._stance.trouble)
            return _JOURNAL_PAUSE_S
        except Exception:
            # The thread must outlive any mistake in a driver: a print may be running on it.
            _LOG.exception("%s: unexpected error", self.config.name)
            return _JOURNAL_PAUSE_S
        return TICK_S if self._held else IDLE_TICK_S

    def _take_in(self) -> None:
        while self._inbox:
            heard = self._inbox.popleft()
            words = {**self._heard.words, **heard.words}
            self._heard = replace(heard, words={k: v for k, v in words.items() if k in self._held})
            for attempt_id, memory in self._memory.items():
                if self._heard.words.get(attempt_id) != memory.insisted:
                    memory.insisted = None

    def _look(self) -> Status:
        """The printer's status, published for the sync."""
        now = self._beat = self._clock()
        status = self._reach.status()
        if status.activity is Activity.OFFLINE:
            self._offline_since = self._offline_since or now
        else:
            self._offline_since = None
        shown = telemetry(self.config.printer_id, status)
        is_news = urgent(self._shown, shown)
        self._shown = shown
        if is_news:
            self._notify()
        return status

    # Attempts

    def _advance(self, attempt_id: str, status: Status) -> Status:
        """Take steps with one attempt until there is nothing to do now."""
        memory = self._memory[attempt_id]
        running = our_print(status, self._held[attempt_id])
        if running is not None and running.line:
            self._places.note(attempt_id, self._spool.path(self._held[attempt_id]), running.line)
        for _ in range(_STEPS_PER_TICK):
            held = self._held[attempt_id]
            if memory.unwritten is not None:
                self._write(held, memory, memory.unwritten)
            else:
                step = decide(self._facts(held, memory, status))
                too_soon = self._clock() < memory.not_before
                if isinstance(step, Wait) or (too_soon and not isinstance(step, Report)):
                    return status
                self._take(step, held, memory)
            if attempt_id not in self._held:
                return status
            status = self._look()
        return status

    def _facts(self, held: Held, memory: Memory, status: Status) -> Facts:
        now = self._clock()
        expected = held.stage in LIVE and status.activity is not Activity.OFFLINE
        if expected and our_print(status, held) is None and our_end(status, held) is None:
            memory.absent_since = memory.absent_since or now
        else:
            memory.absent_since = None
        return Facts(
            held=held,
            status=status,
            word=self._heard.words.get(held.attempt_id),
            must_look=memory.must_look,
            found=memory.found,
            refusal=memory.refusal,
            ready=memory.ready,
            absent_s=since(memory.absent_since, now) or 0.0,
            offline_s=since(self._offline_since, now) or 0.0,
            stopping_s=since(memory.stopped_at, now),
            insisted=memory.insisted,
            draining=self._stance.draining.is_set(),
            cancelling=self._stance.cancelling.is_set(),
            removed=self._heard.removed,
        )

    def _take(self, step: Step, held: Held, memory: Memory) -> None:
        match step:
            case Report():
                self._write(held, memory, step)
            case Look():
                memory.must_look = True
                self._try(lambda: self._find(held, memory), memory)
            case Stop():
                self._try(lambda: self._cancel(held, memory), memory)
            case Fetch():
                self._fetch(held, memory)
            case Begin():
                self._begin(held, memory)
            case Wait():
                return

    def _write(self, held: Held, memory: Memory, step: Report) -> None:
        """Journal a step. What cannot be written now is kept and tried again first."""
        memory.unwritten = step
        reason = step.reason
        if step.kind in ("failed", "unknown"):
            reason = f"{reason} {self._places.way_on(held.attempt_id)}".strip()
        moved = self._journal.move(held.attempt_id, step.stage, step.kind, reason)
        memory.unwritten = None
        memory.insisted = self._heard.words.get(held.attempt_id)
        memory.must_look, memory.found, memory.refusal = False, None, ""
        if step.stage is Stage.ENDED:
            self._held = {k: v for k, v in self._held.items() if k != held.attempt_id}
            del self._memory[held.attempt_id]
            self._spool.remove(held)
            self._places.forget(held.attempt_id)
        else:
            self._held = {**self._held, held.attempt_id: moved}
        if step.kind:
            _LOG.info("%s: %s %s %s", self.config.name, held.attempt_id, step.kind, step.reason)
            self._notify()

    def _find(self, held: Held, memory: Memory) -> None:
        memory.found = self._reach.driver().find(held.attempt_id)
        memory.absent_since = None

    def _cancel(self, held: Held, memory: Memory) -> None:
        self._reach.driver().cancel(held.attempt_id)
        memory.stopped_at = self._clock()

    def _try(self, action: Callable[[], None], memory: Memory) -> None:
        """Do it; on failure, log and leave it for later."""
        try:
            action()
            memory.backoff.reset()
        except (FabcoordError, OSError) as error:
            memory.not_before = self._clock() + memory.backoff.next_s()
            _LOG.warning("%s: %s", self.config.name, error)

    def _fetch(self, held: Held, memory: Memory) -> None:

        def progress(_part: float) -> None:
            self._beat = self._clock()
            if self._gives_up(held):
                raise Abandoned

        outcome = self._preparation.prepare(held, self._reach.driver(), progress)
        if isinstance(outcome, Report):
            self._write(held, memory, outcome)
        elif outcome is True:
            memory.ready = True
            memory.backoff.reset()
        else:
            memory.not_before = self._clock() + memory.backoff.next_s()

    def _gives_up(self, held: Held) -> bool:
        """Whether a transfer that is under way has become pointless."""
        heard = next(reversed(self._inbox.copy()), self._heard)
        return (
            self._stopped.is_set()
            or self._stance.draining.is_set()
            or heard.words.get(held.attempt_id) in ("cancelled", "failed", "finished", "gone")
            or any(c.kind == "cancel" and c.attempt_id == held.attempt_id for c in heard.commands)
        )

    def _begin(self, held: Held, memory: Memory) -> None:
        marked = self._journal.mark_start(held.attempt_id)
        if marked is None:
            _LOG.error("%s: the journal forbids to start %s", self.config.name, held.attempt_id)
            self._held = {item.attempt_id: item for item in self._journal.held(held.printer_id)}
            memory.must_look = True
            return
        self._held = {**self._held, held.attempt_id: marked}
        memory.must_look, memory.found = False, None
        self._notify()
        outcome = start_print(marked, self._reach.driver(), self._spool.path(held))
        if isinstance(outcome, Report):
            self._write(marked, memory, outcome)
        else:
            memory.must_look, memory.refusal = True, outcome

    # Commands and offers

    def _obey(self, status: Status) -> None:
        for command in self._heard.commands:
            if command.command_id in self._commands_done:
                continue
            if any(r.command_id == command.command_id for r in self._journal.command_results()):
                self._commands_done.add(command.command_id)
                continue
            result = self._carry_out(command, status)
            self._commands_done.add(command.command_id)
            self._journal.finish_command(result)
            self._notify()
            status = self._look()

    def _carry_out(self, command: Command, status: Status) -> CommandResult:
        held = self._held.get(command.attempt_id)
        now = datetime.fromtimestamp(time.time() + self._heard.server_ahead_s, UTC)
        verdict = decide_command(command, held, status, now)
        if held is not None and verdict.step is not None:
            self._write(held, self._memory[held.attempt_id], verdict.step)
        if not verdict.do:
            return CommandResult(command.command_id, verdict.ok, verdict.reason)
        return carry_out(command, self._reach.driver)

    def _answer_offers(self, status: Status) -> None:
        heard, self._heard = self._heard, replace(self._heard, offers=())
        for offer in heard.offers:
            others = tuple(h for h in self._held.values() if h.attempt_id != offer.attempt_id)
            refusal = (
                offer_problem(offer)
                or offer_refusal(status, others, draining=self._stance.draining.is_set())
                or self._spool.room_problem(offer.size)
            )
            if refusal:
                self._decline(offer, refusal)
                continue
            held = self._journal.accept(offer)
            if held is not None:
                self._held = {**self._held, held.attempt_id: held}
                self._memory[held.attempt_id] = Memory(must_look=False)
                self._heard = replace(
                    self._heard,
                    words={k: v for k, v in self._heard.words.items() if k != held.attempt_id},
                )
                self._notify()

    def _decline(self, offer: Offer, reason: str) -> None:
        """Give an offer back; not faster than the server could offer it again in vain."""
        if self._clock() < self._no_decline_before and not self._stance.draining.is_set():
            return
        self._no_decline_before = self._clock() + _DECLINE_PAUSE_S
        if self._journal.decline(offer, reason):
            _LOG.info("%s: declined %s: %s", self.config.name, offer.attempt_id, reason)
            self._notify()
