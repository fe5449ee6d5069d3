"""What prints cost: held while they run, charged once, given back when nothing was made."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from fabcoord.errors import BadInput, Conflict, NotAllowed
from fabcoord.ledger import book, charges, wallets
from fabcoord.queue import estimates, quotes
from fabcoord.store.database import row
from tests.queue.room import Pi

from .till import COPY, Till, ends, starts


def refund(till: Till, attempt_id: str) -> None:
    with till.store.writing(durable=True) as db:
        till.charges.refund(db, till.staff, attempt_id, "came out badly")


def test_a_job_says_what_it_costs_part_by_part(till: Till) -> None:
    till.deposit(1000)
    job_id = till.queued(copies=3)
    job = till.row("SELECT * FROM jobs WHERE id = ?", job_id)
    quoted = quotes.of_job(job)
    assert quoted is not None
    assert (quoted.machine, quoted.material, quoted.energy, quoted.labour) == (50, 8, 0, 100)
    assert till.job(job_id)["estimate"]["cost"] == 3 * COPY / 100


def test_the_estimate_says_the_same_price_before_anything_is_asked_for(till: Till) -> None:
    till.deposit(1000)
    till.queued()
    with till.store.writing() as db:
        file = row(db, "SELECT * FROM files") or {}
        said = estimates.estimate(db, till.preparation, file, {"copies": 2})
    assert said["price"]["total_minor"] == 2 * COPY
    assert said["price"]["total"] == "3.16 EUR"
    assert said["estimate"]["cost"] == 3.16


def test_a_finished_copy_is_charged_once(till: Till, pi: Pi) -> None:
    till.deposit(1000)
    till.queued()
    attempt_id = starts(till, pi)
    assert (till.has(), till.held(), till.income()) == (1000 - COPY, COPY, 0)
    told = pi.request()
    ends(till, pi, attempt_id)
    pi.send(told)
    pi.epoch = "after a restart"
    pi.says("finished", attempt_id, token=till.attempt(attempt_id)["token"])
    pi.sync()
    assert (till.has(), till.held(), till.income()) == (1000 - COPY, 0, COPY)
    assert till.kinds() == ["deposit", "hold", "charge"]


@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_what_was_not_made_is_given_back(till: Till, pi: Pi, how: str) -> None:
    till.deposit(1000)
    till.queued()
    ends(till, pi, starts(till, pi), how)
    assert (till.has(), till.held(), till.income()) == (1000, 0, 0)


def test_a_doubt_keeps_the_money_until_a_person_settles_it(till: Till, pi: Pi) -> None:
    till.deposit(1000)
    till.queued()
    attempt_id = starts(till, pi)
    till.leases_run_out()
    assert till.held() == COPY
    till.resolve(attempt_id, "failed")
    pi.says("finished", attempt_id)
    pi.sync()
    assert (till.has(), till.held(), till.income()) == (1000, 0, 0)


def test_a_job_that_the_wallet_cannot_pay_is_held_until_money_comes(till: Till) -> None:
    till.deposit(100)
    job_id = till.queued()
    job = till.job(job_id)
    assert job["state"] == "held"
    assert "costs 1.58 EUR, and 1.00 EUR is left in your wallet" in job["reason"]
    till.deposit(58)
    assert till.job(job_id)["state"] == "queued"


def test_what_other_jobs_will_take_is_not_promised_again(till: Till) -> None:
    till.deposit(2 * COPY)
    first, second = till.queued(copies=2), till.queued()
    assert till.job(first)["state"] == "queued"
    assert till.job(second)["state"] == "held"


def test_a_job_that_is_cancelled_frees_what_it_would_have_taken(till: Till, pi: Pi) -> None:
    till.deposit(COPY)
    first, second = till.queued(), till.queued()
    till.do("cancel", first)
    till.do("release", second)
    assert till.job(second)["state"] == "queued"


def test_releasing_by_hand_does_not_print_on_credit(till: Till) -> None:
    job_id = till.queued()
    till.do("release", job_id)
    assert till.job(job_id)["state"] == "held"


def test_a_lab_may_let_wallets_go_below_zero(till: Till) -> None:
    till.set_prices(credit=2.0)
    assert till.job(till.queued())["state"] == "queued"
    assert till.job(till.queued())["state"] == "held"


def test_jobs_go_on_when_the_lab_stops_charging(till: Till) -> None:
    job_id = till.queued()
    till.set_prices(charge=False)
    assert till.job(job_id)["state"] == "queued"


def test_a_charge_code_pays_up_to_its_budget(till: Till, pi: Pi) -> None:
    with till.store.writing() as db:
        wallets.save_code(db, till.staff, "course-7", {"budget_minor": COPY})
    job_id = till.queued(charge_code="Course-7")
    assert till.job(job_id)["state"] == "queued"
    ends(till, pi, starts(till, pi))
    assert till.balances()["code:course-7"] == -COPY
    assert "of the budget" in till.job(till.queued(charge_code="course-7"))["reason"]
    with pytest.raises(BadInput, match="no open charge code"):
        till.queued(charge_code="coarse-7")


def test_a_charge_code_that_is_closed_pays_for_no_further_job(till: Till) -> None:
    with till.store.writing() as db:
        wallets.save_code(db, till.staff, "course-7", {})
    job_id = till.queued(charge_code="course-7")
    till.do("hold", job_id)
    with till.store.writing() as db:
        wallets.save_code(db, till.staff, "course-7", {"closed": True})
    till.do("release", job_id)
    assert "no open charge code" in till.job(job_id)["reason"]


def test_a_charge_code_of_others_does_not_pay(till: Till) -> None:
    with till.store.writing() as db:
        wallets.save_code(db, till.staff, "club", {"members": [till.eve.id]})
        mine = wallets.codes(db, till.charges, till.ben)
        hers = wallets.codes(db, till.charges, till.eve)
    with pytest.raises(NotAllowed, match="not yours"):
        till.queued(charge_code="club")
    assert (mine, [code["name"] for code in hers]) == ([], ["club"])


def test_staff_give_back_what_came_out_badly_once(till: Till, pi: Pi) -> None:
    till.deposit(1000)
    till.queued()
    attempt_id = starts(till, pi)
    with pytest.raises(Conflict):
        refund(till, attempt_id)
    ends(till, pi, attempt_id)
    refund(till, attempt_id)
    with pytest.raises(Conflict):
        refund(till, attempt_id)
    assert (till.has(), till.income()) == (1000, 0)


def test_other_prices_do_not_change_what_was_held(till: Till, pi: Pi) -> None:
    till.deposit(1000)
    till.queued()
    attempt_id = starts(till, pi)
    till.set_prices(labour=5.0)
    ends(till, pi, attempt_id)
    assert till.has() == 1000 - COPY


def test_a_commit_that_fails_charges_nothing_and_the_report_comes_again(till: Till, pi: Pi) -> None:
    till.deposit(1000)
    till.queued()
    attempt_id = starts(till, pi)
    pi.says("finished", attempt_id)

    def power_cut(*_: Any) -> None:
        raise OSError("the power went")

    till.store.subscribe("job.awaiting_pickup", power_cut)
    with pytest.raises(OSError, match="power"):
        pi.sync()
    assert (till.held(), till.income()) == (COPY, 0)
    till.store._subscribers["job.awaiting_pickup"].remove(power_cut)
    pi.sync()
    assert (till.held(), till.income()) == (0, COPY)


def test_a_deposit_is_for_who_handles_money_and_counts_once(till: Till) -> None:
    till.deposit(500, key="form 1")
    till.deposit(500, key="form 1")
    assert till.has() == 500
    till.deposit(-200)
    assert till.has() == 300
    with pytest.raises(BadInput):
        till.deposit(-301)
    with pytest.raises(NotAllowed), till.store.writing() as db:
        wallets.deposit(db, till.charges, till.ben, till.ben.id, 500)


def test_a_statement_says_what_was_left_after_each_entry(till: Till, pi: Pi) -> None:
    till.deposit(1000)
    till.queued()
    ends(till, pi, starts(till, pi))
    with till.store.reading() as db:
        page, more = book.statement(db, book.wallet(till.ben.id), "EUR", limit=1)
        rest, _ = book.statement(db, book.wallet(till.ben.id), "EUR", before=more)
    said = [(item["kind"], item["amount_minor"], item["balance_minor"]) for item in page + rest]
    assert said == [("hold", -COPY, 1000 - COPY), ("deposit", 1000, 1000)]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ledger_lines SET amount_minor = 1", "DELETE FROM ledger_entries"],
)
def test_what_is_booked_cannot_be_changed(till: Till, statement: str) -> None:
    till.deposit(1000)
    refused = pytest.raises(sqlite3.IntegrityError, match="book its reverse")
    with refused, till.store.writing() as db:
        db.conn.execute(statement)


def test_who_pays_is_the_charge_code_or_else_the_member() -> None:
    assert charges.payer({"charge_code": "Club", "member_id": "m"}) == "code:club"
    assert charges.payer({"charge_code": None, "member_id": "m"}) == "wallet:m"
