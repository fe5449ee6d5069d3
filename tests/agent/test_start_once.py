"""The agent against every order of crashes, lost and late answers, people and printer mishaps.

One runner is driven tick by tick, with a real journal on disk and a machine that outlives it.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fabcoord.agent.client import Client
from fabcoord.agent.fleet import Fleet
from fabcoord.agent.held import Held
from fabcoord.agent.journal import Journal
from fabcoord.agent.messages import Command, PrinterConfig, SyncAnswer, SyncRequest
from fabcoord.agent.runner import Runner
from fabcoord.agent.spool import Spool
from fabcoord.agent.stance import Stance
from fabcoord.agent.sync import Sync
from fabcoord.errors import TooBusy
from fabcoord.printers.base import Outcome

from .doubles import GCODE, Desk, FakePrinter, Machine, offer, printer

OVER = ("finished", "failed", "cancelled", "withdrawn")
STEPS = ("transfer", "find", "before start", "after start", "cancel", "status")


class Crash(BaseException):
    """The process is gone: nothing after this line happens."""


class FaultyJournal(Journal):
    """A journal whose process may die just before or after a commit, or whose disk is full."""

    fault = ""
    fault_at = 0
    commits = 0

    @contextmanager
    def _change(self) -> Iterator[None]:
        if self.fault == "full":
            raise sqlite3.OperationalError("database or disk is full")
        self.commits += 1
        if self.fault == "before commit" and self.commits >= self.fault_at:
            raise Crash
        with super()._change():
            yield
        if self.fault == "after commit" and self.commits >= self.fault_at:
            raise Crash


class TickedRunner(Runner):
    """A runner without a thread."""

    def start(self) -> None:
        pass


class DeskClient:
    """A client that reaches the desk, or not; it keeps an answer that may come late."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.fate, self.kept = desk, "", cast("SyncAnswer | None", None)

    def sync(self, request: SyncRequest, timeout_s: float = 15.0) -> SyncAnswer:
        del timeout_s
        if self.fate == "lost request":
            raise TooBusy("Away.")
        answer = self.desk.sync(SyncRequest.from_json(request.to_json()))
        if self.fate == "late answer" and self.kept is not None:
            answer, self.kept = self.kept, answer
        else:
            self.kept = answer
        if self.fate == "lost answer":
            raise TooBusy("Away.")
        return SyncAnswer.from_json(answer.to_json())

    def server_now(self) -> Any:
        from datetime import UTC, datetime

        return datetime.now(UTC)

    def another(self) -> DeskClient:
        return self


class StartOnce(RuleBasedStateMachine):
    """What may happen to one agent with one printer."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.desk = Desk((printer("p1"),))
        self.machine = Machine()
        self.now = 1000.0
        self.offered = 0
        self.foreign_starts = self.foreign_ends = 0
        self.client = DeskClient(self.desk)
        self.boot()

    @initialize(remembers=st.booleans(), rounds=st.integers(0, 4))
    def begin(self, remembers: bool, rounds: int) -> None:
        self.machine.remembers = remembers
        self.a_good_while()
        self.dispatch(rounds)

    def boot(self) -> None:
        """A new agent process on the same disk."""
        self.machine.hook = lambda _step: None
        self.journal = FaultyJournal(self.directory / "journal.sqlite")
        self.spool = Spool(self.directory / "spool", reserve_bytes=0)
        self.stance = Stance()

        def make_runner(config: PrinterConfig) -> Runner:
            return TickedRunner(
                config,
                make=lambda: FakePrinter(self.machine),
                client=lambda: cast("Client", self.client),
                journal=self.journal,
                spool=self.spool,
                stance=self.stance,
                notify=lambda: None,
                clock=lambda: self.now,
            )

        self.fleet = Fleet(self.journal, make_runner)
        client = cast("Client", self.client)
        started_at = self.journal.new_instance_start()
        self.sync = Sync(
            client, self.journal, self.fleet, self.stance, instance="i", started_at=started_at
        )
        self.sync.stop()  # no waiting between tries
        self.fleet.configure(self.journal.printers())

    def crash(self) -> None:
        self.journal.close()
        self.boot()

    def run(self, action: Any) -> None:
        try:
            action()
        except Crash:
            self.crash()

    @property
    def runner(self) -> TickedRunner | None:
        return cast("TickedRunner | None", self.fleet._runners.get("p1"))

    @property
    def held(self) -> tuple[Held, ...]:
        return self.runner.held if self.runner else ()

    # The agent

    @rule(times=st.integers(1, 3), seconds=st.sampled_from([0.5, 20.0, 400.0]))
    def tick(self, times: int, seconds: float) -> None:
        for _ in range(times):
            self.now += seconds
            if self.runner:
                self.run(self.runner.tick)

    @rule(fate=st.sampled_from(["", "", "", "lost request", "lost answer", "late answer"]))
    def talk(self, fate: str) -> None:
        self.client.fate = fate
        self.run(self.sync.once)

    @rule(rounds=st.integers(1, 4), fate=st.sampled_from(["", "", "", "lost answer"]))
    def some_rounds(self, rounds: int, fate: str) -> None:
        for _ in range(rounds):
            self.talk(fate)
            self.tick(1, 1.0)

    @rule()
    def a_good_while(self) -> None:
        """Everything works for some time."""
        self.heal()
        for _ in range(4):
            self.talk("")
            self.tick(1, 1.0)

    @rule()
    def killed(self) -> None:
        self.crash()

    @rule(step=st.sampled_from(STEPS))
    def killed_at_the_next(self, step: str) -> None:
        def hook(reached: str) -> None:
            if reached == step:
                raise Crash

        self.machine.hook = hook

    @rule(fault=st.sampled_from(["before commit", "after commit"]), later=st.integers(1, 4))
    def killed_in_the_journal(self, fault: str, later: int) -> None:
        self.journal.fault, self.journal.fault_at = fault, self.journal.commits + later

    @rule(full=st.booleans())
    def disk(self, full: bool) -> None:
        self.journal.fault = "full" if full else ""

    # The server and its people

    @precondition(lambda self: self.open_attempt() is None and self.machine.running is None)
    @rule(rounds=st.integers(0, 4))
    def dispatch(self, rounds: int) -> None:
        self.offered += 1
        item = offer(f"a{self.offered}")
        (self.directory / "spool" / item.file_name).write_bytes(GCODE)
        self.desk.offer(item)
        self.some_rounds(rounds, "")

    @precondition(lambda self: "unknown" in self.desk.states.values())
    @rule(outcome=st.sampled_from(["failed", "finished", "printing"]))
    def a_person_settles(self, outcome: str) -> None:
        for attempt_id, state in list(self.desk.states.items()):
            if state == "unknown":
                self.desk.say(attempt_id, outcome)

    @precondition(lambda self: self.desk.states.get(self.open_attempt() or "") != "offered")
    @precondition(lambda self: self.open_attempt() is not None)
    @rule(state=st.sampled_from(["unknown", "cancelled", "failed", "finished"]))
    def decide_elsewhere(self, state: str) -> None:
        """A lease runs out, or a person settles or withdraws."""
        attempt_id = self.open_attempt()
        assert attempt_id is not None
        self.desk.say(attempt_id, state)

    def open_attempt(self) -> str | None:
        return next((a for a, state in self.desk.states.items() if state not in OVER), None)

    # The printer

    @precondition(lambda self: self.machine.running is not None)
    @rule(outcome=st.sampled_from(Outcome))
    def print_ends(self, outcome: Outcome) -> None:
        self.foreign_ends += self.machine.foreign
        self.machine.end(outcome)

    @precondition(lambda self: self.machine.running is None)
    @rule(really=st.sampled_from([False, False, False, True]))
    def somebody_starts_a_print(self, really: bool) -> None:
        if not really:
            return
        self.machine.start_by_hand()
        self.foreign_starts += 1

    @rule()
    def power_cut_at_the_printer(self) -> None:
        self.foreign_ends += self.machine.foreign
        self.machine.running = self.machine.ended = None
        self.machine.foreign = self.machine.paused = False

    @rule(reachable=st.sampled_from([True, True, True, False]))
    def cable(self, reachable: bool) -> None:
        self.machine.reachable = reachable

    @rule(paused=st.booleans())
    def pause_at_the_printer(self, paused: bool) -> None:
        self.machine.paused = paused and self.machine.running is not None

    def heal(self) -> None:
        self.machine.hook = lambda _step: None
        self.machine.reachable = True
        self.journal.fault = ""
        self.client.kept = None

    # What must hold

    @invariant()
    def nothing_is_started_twice(self) -> None:
        assert len(self.machine.starts) == len(set(self.machine.starts)), self.machine.starts

    @invariant()
    def nothing_starts_that_the_server_did_not_confirm(self) -> None:
        accepted = {a for a, kind, _ in self.desk.history if kind == "accepted"}
        assert set(self.machine.starts) <= accepted

    @invariant()
    def prints_of_others_are_left_alone(self) -> None:
        running = int(self.machine.foreign)
        assert self.foreign_starts == self.foreign_ends + running

    def teardown(self) -> None:
        """When everything works again, every attempt is accounted for."""
        self.heal()
        for _ in range(12):
            if self.machine.running is not None:
                self.machine.end()
            self.talk("")
            self.tick(1, 30.0)
        # A person who sees a print that nobody prints any more cancels it.
        for attempt_id in [a for a, state in self.desk.states.items() if state == "printing"]:
            expires_at = "2999-01-01T00:00:00Z"
            self.desk.command(Command(f"c-{attempt_id}", "cancel", "p1", attempt_id, expires_at))
        for _ in range(3):
            self.talk("")
            self.tick(1, 30.0)
        states = {a: s for a, s in self.desk.states.items() if s not in (*OVER, "unknown")}
        assert not states, (states, self.held, self.desk.history)
        for attempt_id in self.machine.starts:
            kinds = self.desk.kinds(attempt_id)
            assert kinds[0] == "accepted", kinds
        self.journal.close()
        shutil.rmtree(self.directory)


StartOnce.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestStartOnce = StartOnce.TestCase
