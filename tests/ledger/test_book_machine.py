"""Whatever is told, twice, late or not at all: money neither vanishes nor is taken twice."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fabcoord.errors import BadInput, Conflict
from fabcoord.queue import dispatch, spools
from fabcoord.store.database import rows, value
from tests.queue.room import Pi, refused

from .till import COPY, Till

COPY_MG = 2500
_KINDS = ("starting", "printing", "paused", "finished", "failed", "cancelled", "unknown")
_pick = st.integers(min_value=0, max_value=30)


class Books(RuleBasedStateMachine):
    """Members, staff, printers and a bad network, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="fabcoord-books-"))
        self.rest, dispatch._REST_AFTER_DECLINE_S = dispatch._REST_AFTER_DECLINE_S, 0.0
        self.till = Till(self.directory)
        self.pi = Pi(self.till)
        self.pi.sync()
        self.told: list[Any] = []
        self.put_in = 0
        with self.till.store.writing() as db:
            self.spools = [
                spools.create(db, self.till.staff, {"material": "PLA", "initial_g": 1000.0})
                for _ in range(3)
            ]
            for printer_id, spool_id in zip(self.till.printers, self.spools, strict=False):
                spools.load(db, self.till.staff, printer_id, spool_id)

    def teardown(self) -> None:
        dispatch._REST_AFTER_DECLINE_S = self.rest
        self.till.close()
        shutil.rmtree(self.directory)

    @rule(amount=st.integers(min_value=-300, max_value=800), key=st.sampled_from(["", "form"]))
    def money_comes_or_goes(self, amount: int, key: str) -> None:
        before = self.till.balances().get("cash", 0)
        try:
            self.till.deposit(amount, key=key)
        except BadInput:
            return
        self.put_in += before - self.till.balances().get("cash", 0)

    @rule(copies=st.integers(min_value=1, max_value=3))
    def somebody_asks(self, copies: int) -> None:
        self.till.queued(copies=copies)

    @rule()
    def printers_are_given_work(self) -> None:
        self.till.dispatch()
        for offer in self.pi.sync().offers:
            if offer.attempt_id not in self.pi.held:
                self.pi.take(offer.attempt_id, offer.token)
        self.pi.sync()

    @rule(kind=st.sampled_from(_KINDS), which=_pick)
    def an_agent_tells(self, kind: str, which: int) -> None:
        found = self.till.table("SELECT id, token FROM attempts ORDER BY rowid")
        if found:
            one = found[which % len(found)]
            self.pi.says(kind, one["id"], token=one["token"])
            self.told.append(self.pi.request())
            self.pi.sync()

    @rule(which=_pick)
    def an_old_message_comes_again(self, which: int) -> None:
        if self.told:
            self.pi.send(self.told[which % len(self.told)])

    @rule()
    def the_agent_begins_anew(self) -> None:
        self.pi.epoch += "+"
        self.pi.seq, self.pi.outbox = 0, []

    @rule()
    def nothing_is_heard(self) -> None:
        self.till.leases_run_out()

    @rule(which=_pick, outcome=st.sampled_from(["finished", "failed"]))
    def a_person_settles(self, which: int, outcome: str) -> None:
        doubts = self.till.table("SELECT id FROM attempts WHERE state = 'unknown'")
        if doubts:
            with refused():
                self.till.resolve(doubts[which % len(doubts)]["id"], outcome, plate_clear=True)

    @rule()
    def plates_are_cleared(self) -> None:
        for printer_id in self.till.printers:
            with refused():
                self.till.clear(printer_id)

    @rule(which=_pick, verb=st.sampled_from(["cancel", "retry", "release", "hold"]))
    def somebody_changes_a_job(self, which: int, verb: str) -> None:
        found = self.till.table("SELECT id FROM jobs ORDER BY rowid")
        if found:
            with refused():
                self.till.do(verb, found[which % len(found)]["id"])
            self.till.slices_end()

    @rule(which=_pick)
    def staff_give_back(self, which: int) -> None:
        found = self.till.table("SELECT id FROM attempts ORDER BY rowid")
        if found:
            with refused(), self.till.store.writing() as db:
                self.till.charges.refund(db, self.till.staff, found[which % len(found)]["id"], "")

    @rule(printer=st.integers(0, 1), which=st.integers(0, 2))
    def another_spool_is_loaded(self, printer: int, which: int) -> None:
        try:
            with self.till.store.writing() as db:
                place = self.till.printers[printer]
                spools.load(db, self.till.staff, place, self.spools[which])
        except Conflict:
            return

    @invariant()
    def the_book_balances(self) -> None:
        held = self.till.balances()
        assert sum(held.values()) == 0
        assert held.get("cash", 0) == -self.put_in

    @invariant()
    def a_copy_is_paid_for_exactly_while_it_prints_or_is_made(self) -> None:
        for attempt in self.till.table("SELECT * FROM attempts"):
            with self.till.store.reading() as db:
                booked = rows(
                    db,
                    "SELECT kind, sum(amount_minor) AS minor FROM ledger_entries JOIN ledger_lines"
                    " ON entry = seq WHERE attempt_id = ? GROUP BY seq ORDER BY seq",
                    (attempt["id"],),
                )
            kinds = [item["kind"] for item in booked]
            assert {item["minor"] for item in booked} <= {COPY}
            if attempt["state"] == "offered" or not attempt["was_taken"]:
                assert kinds == []
            elif attempt["state"] == "finished":
                assert kinds in (["hold", "charge"], ["hold", "charge", "refund"])
            elif attempt["state"] in ("failed", "cancelled"):
                assert kinds == ["hold", "refund"]
            else:
                assert kinds == ["hold"]

    @invariant()
    def nobody_prints_on_credit(self) -> None:
        assert self.till.has() >= 0

    @invariant()
    def a_spool_gives_each_copy_once(self) -> None:
        with self.till.store.reading() as db:
            for attempt in rows(db, "SELECT * FROM attempts"):
                taken = value(
                    db, "SELECT sum(mass_mg) FROM spool_uses WHERE attempt_id = ?",
                    (attempt["id"],),
                )  # fmt: skip
                open_parts = value(
                    db,
                    "SELECT count(*) FROM spool_uses WHERE attempt_id = ? AND mass_mg IS NULL",
                    (attempt["id"],),
                )
                if attempt["state"] in ("finished", "failed", "cancelled"):
                    assert open_parts == 0
                if attempt["state"] == "finished" and taken is not None:
                    assert taken == COPY_MG
                assert (taken or 0) <= COPY_MG


Books.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestBooks = Books.TestCase
