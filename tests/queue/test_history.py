"""Whatever people, agents, networks and clocks do, in whatever order: what must never happen."""

from __future__ import annotations

import os
import random
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fabcoord.agent.messages import AgentEvent, CommandResult
from fabcoord.errors import Superseded
from fabcoord.queue import dispatch as dispatching
from fabcoord.queue import jobs
from fabcoord.queue.board import Board
from fabcoord.queue.control import control
from fabcoord.queue.states import LIVE, JobState

from .room import ENDED, Pi, Room, refused

FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
OPEN = ("offered", *LIVE, "unknown")
NEWS = (
    "transferring",
    "starting",
    "printing",
    "paused",
    "finished",
    "failed",
    "cancelled",
    "unknown",
)
GO_ON = ("approve", "release", "retry")
DECISIONS = ("take", "take", "take", "decline", "later", "later")
CONTROLS = ("pause", "resume", "cancel")
Choice = st.integers(0, 7)


class History(RuleBasedStateMachine):
    """People's verbs and an agent's syncs over a real database, and what always holds."""

    @initialize(
        approval=st.sampled_from(["none", "none", "staff"]),
        release=st.sampled_from(["automatic", "automatic", "manual"]),
    )
    def open(self, approval: str, release: str) -> None:
        dispatching._REST_AFTER_DECLINE_S = 0.0
        self.directory = tempfile.TemporaryDirectory(dir=FAST)
        self.room = Room(Path(self.directory.name), approval, release)
        self.pi = Pi(self.room)
        self.pi.sync()
        self.jobs = [self.room.queued(3), self.room.queued(1)]
        self.ended: dict[str, str] = {}
        self.sent: list[AgentEvent] = []

    def teardown(self) -> None:
        dispatching._REST_AFTER_DECLINE_S = 20.0
        if hasattr(self, "room"):
            self.room.close()
            self.directory.cleanup()

    def a_job(self, choice: int) -> str:
        return self.jobs[choice % len(self.jobs)]

    def a_printer(self, choice: int) -> str:
        return self.room.printers[choice % len(self.room.printers)]

    def an_attempt(self, choice: int) -> dict[str, Any] | None:
        found = self.room.table("SELECT * FROM attempts ORDER BY rowid")
        return found[-1 - choice % len(found)] if found else None

    # What a day is made of

    @precondition(lambda self: len(self.jobs) < 8)
    @rule(copies=st.integers(1, 3), eve=st.booleans())
    def ask(self, copies: int, eve: bool) -> None:
        self.jobs.append(self.room.ask(copies, self.room.eve if eve else self.room.ben))

    @rule(choice=Choice, verb=st.sampled_from([*jobs.VERBS, *GO_ON, *GO_ON]))
    def act(self, choice: int, verb: str) -> None:
        with refused():
            self.room.do(verb, self.a_job(choice))

    @rule()
    def clear_what_lies_there(self) -> None:
        for printer in map(self.room.printer, self.room.printers):
            if printer["state"] == "awaiting_clearance":
                self.room.clear(printer["id"], printer["plate_attempt_id"])

    @rule(decisions=st.lists(st.sampled_from(DECISIONS), min_size=2, max_size=2))
    def begin(self, decisions: list[str]) -> None:
        self.room.slices_end()
        self.pi.sync()
        self.room.dispatch()
        for offer, decision in zip(self.pi.sync().offers, decisions, strict=False):
            if offer.attempt_id in self.pi.held:
                continue
            if decision == "take":
                self.pi.take(offer.attempt_id, offer.token)
            elif decision == "decline":
                self.pi.says("declined", offer.attempt_id, offer.token)
        self.sent = [*self.sent, *self.pi.outbox][-10:]

    @rule(choice=Choice, kind=st.sampled_from([*NEWS, "printing", "finished", "finished"]))
    def report(self, choice: int, kind: str) -> None:
        """Of an attempt that the server confirmed; the order is the agent's own affair."""
        confirmed = [
            one.attempt_id
            for one in self.pi.sync().attempts
            if one.state not in ("offered", "gone", *ENDED)
        ]
        if confirmed:
            attempt_id = confirmed[choice % len(confirmed)]
            self.pi.says(kind, attempt_id)
            printer_id = self.room.attempt(attempt_id)["printer_id"]
            if kind in ("printing", "paused"):
                self.pi.shows(printer_id, kind, attempt_id, "fc.gcode")
            elif kind in ENDED:
                self.pi.shows(printer_id, "ready")
            self.sent = [*self.sent, *self.pi.outbox][-10:]

    @rule(outcome=st.sampled_from(["finished", "failed", "still_printing"]), clear=st.booleans())
    def settle_a_doubt(self, outcome: str, clear: bool) -> None:
        for attempt in self.room.table("SELECT id FROM attempts WHERE state = 'unknown'"):
            with refused():
                self.room.resolve(attempt["id"], outcome, plate_clear=clear)

    @rule()
    def sync(self) -> None:
        self.pi.sync()

    # What goes wrong, or is done by mistake

    @rule(choice=Choice, what=st.sampled_from(["clear", "resolve", "maintenance", *CONTROLS]))
    def somebody_presses(self, choice: int, what: str) -> None:
        printer, attempt = self.room.printer(self.a_printer(choice)), self.an_attempt(choice)
        with refused():
            if what == "clear" and attempt is not None:
                self.room.clear(printer["id"], attempt["id"])
            elif what == "resolve" and attempt is not None:
                self.room.resolve(attempt["id"], "finished", plate_clear=True)
            elif what == "maintenance":
                self.room.maintenance(printer["id"], printer["state"] != "maintenance")
            elif what in CONTROLS:
                with self.room.store.writing() as db:
                    control(db, self.room.staff, printer["id"], what)

    @rule(what=st.sampled_from(["leases", "offers", "slices"]))
    def time_runs_out(self, what: str) -> None:
        if what == "leases":
            self.room.leases_run_out()
        elif what == "offers":
            self.room.offers_run_out()
        else:
            self.room.slices_end(error="The mesh is too thin.")

    @rule(what=st.sampled_from(["answer lost", "twice", "long ago"]), order=st.integers(0, 999))
    def the_network_fails(self, what: str, order: int) -> None:
        events = list(self.pi.outbox)
        if what == "twice":
            events *= 2
            random.Random(order).shuffle(events)
        elif what == "long ago":
            events = self.sent[:3]
        self.pi.send(self.pi.request(events=tuple(events)))

    @rule(choice=Choice, activity=st.sampled_from(["ready", "printing", "offline", "attention"]))
    def somebody_uses_the_printer(self, choice: int, activity: str) -> None:
        file = "vase.gcode" if activity == "printing" else ""
        self.pi.shows(self.a_printer(choice), activity, None, file)
        self.pi.sync()

    @rule(ok=st.booleans())
    def carry_out_commands(self, ok: bool) -> None:
        for command in self.pi.sync().commands:
            self.pi.results.append(CommandResult(command.command_id, ok))

    @rule(choice=Choice, what=st.sampled_from(["restart", "old process", "journal", "token"]))
    def the_agent_fails(self, choice: int, what: str) -> None:
        if what == "restart":
            number = int(self.pi.instance[1:]) + 1
            self.pi.instance, self.pi.started_at = f"i{number}", f"2026-01-01T{number:06d}"
        elif what == "old process":
            self.pi.sync()
            with pytest.raises(Superseded):
                self.pi.send(self.pi.request(instance="old", instance_started_at="2025"))
        elif what == "journal":
            self.pi.epoch, self.pi.seq = f"{self.pi.epoch}x", 0
            self.pi.outbox, self.pi.held, self.sent = [], {}, []
        elif attempt := self.an_attempt(choice):
            self.pi.sync()
            before = self.room.attempt(attempt["id"])["state"]
            self.pi.says("finished", attempt["id"], "not the token")
            self.pi.sync()
            assert self.room.attempt(attempt["id"])["state"] in {before, "printing", "paused"}

    # What always holds

    @invariant()
    def one_attempt_per_printer_and_copy(self) -> None:
        if not hasattr(self, "room"):
            return
        found = self.room.table("SELECT * FROM attempts")
        held = [one for one in found if one["state"] in OPEN]
        assert max(Counter(one["printer_id"] for one in held).values(), default=0) <= 1
        assert max(Counter((one["job_id"], one["copy"]) for one in held).values(), default=0) <= 1
        done = Counter((one["job_id"], one["copy"]) for one in found if one["state"] == "finished")
        assert max(done.values(), default=0) <= 1, "a copy was finished twice"
        for attempt_id, state in self.ended.items():
            now = next(one["state"] for one in found if one["id"] == attempt_id)
            assert now == state, "what has ended was changed"
        self.ended = {one["id"]: one["state"] for one in found if one["state"] in ENDED}

    @invariant()
    def nothing_starts_on_a_plate_that_nobody_cleared(self) -> None:
        if not hasattr(self, "room"):
            return
        clear = dict.fromkeys(self.room.printers, True)
        for event in self.room.table("SELECT kind, printer_id, actor FROM events ORDER BY seq"):
            printer_id, kind = event["printer_id"], event["kind"]
            if kind == "attempt.accepted":
                assert clear[printer_id], "accepted onto a plate that nobody cleared"
                clear[printer_id] = False
            elif kind == "printer.plate_filled":
                clear[printer_id] = False
            elif kind == "printer.cleared":
                assert event["actor"], "only a person clears"
                clear[printer_id] = True
        for printer_id, is_clear in clear.items():
            assert self.room.printer(printer_id)["plate_clear"] == is_clear

    @invariant()
    def jobs_are_where_their_copies_are(self) -> None:
        if not hasattr(self, "room"):
            return
        for job_id in self.jobs:
            job = self.room.job(job_id)
            states = [one["state"] for one in job["attempts"]]
            finished = {one["copy"] for one in job["attempts"] if one["state"] == "finished"}
            assert job["copies_done"] == len(finished) <= job["copies"]
            assert job["reason"], f"{job['state']} without a reason"
            running = [state for state in states if state == "offered" or state in LIVE]
            if job["state"] == JobState.PRINTING:
                assert running, "printing, but no copy is with a printer"
                assert "unknown" not in states
            if job["state"] == JobState.QUEUED:
                assert not running, "queued, but a copy is with a printer"
                assert "unknown" not in states, "queued, but nobody knows what became of a copy"
                assert len(finished) < job["copies"], "queued, but all is printed"
            if job["state"] in (JobState.AWAITING_PICKUP, JobState.COLLECTED):
                assert len(finished) == job["copies"]
            if job["state"] in (JobState.CANCELLED, JobState.REJECTED):
                assert "offered" not in states, "offered, though nobody wants it"

    @invariant()
    def the_queue_in_memory_is_the_one_in_the_database(self) -> None:
        if not hasattr(self, "room"):
            return
        at = datetime.now(UTC)
        anew = Board(self.room.preparation.default)
        with self.room.store.reading() as db:
            self.room.board.follow(db, at)
            anew.follow(db, at)
        followed = self.room.board
        assert {job.id: job for job in followed.schedule} == {job.id: job for job in anew.schedule}
        assert followed.blocked == anew.blocked
        for member in (self.room.ben, self.room.eve):
            used_s = anew.schedule.used_s(member.id, at.timestamp())
            assert followed.schedule.used_s(member.id, at.timestamp()) == pytest.approx(
                used_s, abs=1.0
            )

    @invariant()
    def an_idle_printer_is_free_and_clear(self) -> None:
        if not hasattr(self, "room"):
            return
        for printer_id in self.room.printers:
            printer = self.room.printer(printer_id)
            if printer["state"] == "idle":
                assert printer["plate_clear"]
                assert printer["attempt_id"] is None
            if printer["state"] != "idle":
                assert printer["reason"] or printer["state"] == "busy"


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=35,
    derandomize=True,
    stateful_step_count=80,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
