"""What prints cost whom: held when a copy starts, charged when it has finished, else given back."""

from __future__ import annotations

import json
from dataclasses import dataclass

from fabcoord.errors import Conflict
from fabcoord.ledger import book
from fabcoord.ledger.book import Line
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import attempts, policy, prices, quotes
from fabcoord.queue.policy import Prices
from fabcoord.queue.preparation import Preparation
from fabcoord.queue.states import JobEvent, JobState
from fabcoord.queue.transitions import move_job
from fabcoord.store.database import Row, Store, row, rows, value
from fabcoord.store.events import Event
from fabcoord.store.sqlite import Database


@dataclass(frozen=True, slots=True)
class Charges:
    """Books what prints cost, as a subscriber of what happens to them.

    Args:
        preparation: takes jobs that were held for money on their way again.
    """

    preparation: Preparation

    def subscribe(self, store: Store) -> None:
        """Hear of jobs and attempts in the transactions that change them."""
        store.subscribe("job.queued", self.on_queued)
        store.subscribe("attempt.accepted", self.on_accepted)
        store.subscribe("attempt.finished", self.on_finished)
        store.subscribe("policy.changed", self.on_policy)
        for kind in ("attempt.failed", "attempt.cancelled", "attempt.withdrawn"):
            store.subscribe(kind, self.on_nothing_made)

    def prices(self, db: Database) -> Prices:
        """The prices in force."""
        return policy.current(db, self.preparation.default)[1].prices

    def on_queued(self, db: Database, event: Event) -> None:
        """Subscriber: a job that nobody can pay for is held, with the reason."""
        job = row(db, "SELECT * FROM jobs WHERE id = ?", (event.job_id,))
        set_prices = self.prices(db)
        if job is None or job["state"] != JobState.QUEUED:
            return
        reason = why_unpayable(db, set_prices, job) if set_prices.charge else None
        if (reason is not None) != bool(job["unpaid"]):
            db.conn.execute(
                "UPDATE jobs SET unpaid = ? WHERE id = ?", (int(reason is not None), job["id"])
            )
        if reason is not None:
            move_job(db, job["id"], JobEvent.HOLD, reason)

    def on_accepted(self, db: Database, event: Event) -> None:
        """Subscriber: a printer has a copy; what was quoted for it is held."""
        job = row(db, "SELECT * FROM jobs WHERE id = ?", (event.job_id,))
        quoted = quotes.of_job(job) if job else None
        if job is None or quoted is None or not self.prices(db).charge:
            return
        book.post(
            db, f"hold:{event.attempt_id}", "hold", quoted.currency,
            [Line(payer(job), _held(name), getattr(quoted, name)) for name in prices.PARTS],
            member_id=job["member_id"], job_id=job["id"], attempt_id=event.attempt_id,
        )  # fmt: skip

    def on_finished(self, db: Database, event: Event) -> None:
        """Subscriber: what was held for the copy is the lab's, part by part."""
        held, lines = book.lines_of(db, f"hold:{event.attempt_id}")
        if held is None:
            return
        book.post(
            db, f"settle:{event.attempt_id}", "charge", held["currency"],
            [Line(line.target, _income(line.target), line.amount_minor) for line in lines],
            member_id=held["member_id"], job_id=held["job_id"], attempt_id=event.attempt_id,
        )  # fmt: skip

    def on_nothing_made(self, db: Database, event: Event) -> None:
        """Subscriber: the copy was not made, and what was held for it goes back."""
        held, lines = book.lines_of(db, f"hold:{event.attempt_id}")
        if held is None:
            return
        given_back = book.post(
            db, f"settle:{event.attempt_id}", "refund", held["currency"],
            [Line(line.target, line.source, line.amount_minor) for line in lines],
            member_id=held["member_id"], job_id=held["job_id"], attempt_id=event.attempt_id,
        )  # fmt: skip
        if given_back:
            self.release_paid(db, lines[0].source)

    def refund(self, db: Database, member: Member, attempt_id: str, note: str) -> None:
        """Give back what a finished copy cost, as when it came out badly; at most once.

        Raises Conflict when it was not charged, or given back before.
        """
        member.require(Permission.HANDLE_MONEY)
        attempt = attempts.get_row(db, attempt_id)
        charged, lines = book.lines_of(db, f"settle:{attempt_id}")
        if charged is None or charged["kind"] != "charge":
            raise Conflict("Nothing was charged for this print.", extra={"state": attempt["state"]})
        _, held = book.lines_of(db, f"hold:{attempt_id}")
        whose = held[0].source
        done = book.post(
            db, f"refund:{attempt_id}", "refund", charged["currency"],
            [Line(line.target, whose, line.amount_minor) for line in lines],
            member_id=charged["member_id"], job_id=charged["job_id"], attempt_id=attempt_id,
            actor=member.name, note=note,
        )  # fmt: skip
        if not done:
            raise Conflict("It was given back already.", extra={"state": attempt["state"]})
        self.release_paid(db, whose)

    def on_policy(self, db: Database, _event: Event) -> None:
        """Subscriber: other prices may let jobs go on that were held for want of money."""
        self.release_paid(db)

    def release_paid(self, db: Database, account: str | None = None) -> None:
        """Jobs that were held for want of money (on this account) go on, as far as it lasts."""
        set_prices = self.prices(db)
        waiting = rows(
            db, "SELECT * FROM jobs WHERE unpaid AND state = 'held' ORDER BY created_at, rowid"
        )
        for job in waiting:
            if account not in (None, payer(job)):
                continue
            if not set_prices.charge or why_unpayable(db, set_prices, job) is None:
                db.conn.execute("UPDATE jobs SET unpaid = 0 WHERE id = ?", (job["id"],))
                move_job(db, job["id"], JobEvent.RELEASE, "It can be paid for now.")
                self.preparation.advance(db, job["id"])


def _held(part: str) -> str:
    return f"{book.HELD}:{part}"


def _income(held: str) -> str:
    return held.replace(book.HELD, "income", 1)


def payer(job: Row) -> str:
    """The account that pays for a job."""
    return book.code(job["charge_code"]) if job["charge_code"] else book.wallet(job["member_id"])


def why_unpayable(db: Database, set_prices: Prices, job: Row) -> str | None:
    """Why the account that a job names cannot pay for it, in one sentence; None when it can.

    What other jobs that wait or print will take from the same account counts as gone.
    """
    quoted = quotes.of_job(job)
    if quoted is None or not quoted.total:
        return None
    need_minor = _still_to_hold(db, job["id"])
    left_minor = book.balance(db, payer(job), quoted.currency) - _promised(db, job)
    costs = prices.words(need_minor, quoted.currency)
    if job["charge_code"]:
        found = row(db, "SELECT * FROM charge_codes WHERE name = ?", (job["charge_code"],))
        if found is None or found["closed_at"]:
            return f"There is no open charge code {job['charge_code']!r}. Name another one."
        if found["members"] and job["member_id"] not in json.loads(found["members"]):
            return f"The charge code {found['name']} is not yours to use. Ask staff."
        if found["budget_minor"] is None or found["budget_minor"] + left_minor >= need_minor:
            return None
        left = prices.words(max(0, found["budget_minor"] + left_minor), quoted.currency)
        return f"It costs {costs}, and of the budget of {found['name']} {left} is left."
    credit_minor = prices.to_minor(set_prices.credit, quoted.currency)
    if left_minor + credit_minor >= need_minor:
        return None
    left = prices.words(left_minor, quoted.currency)
    return f"It costs {costs}, and {left} is left in your wallet. Staff can put money into it."


def _still_to_hold(db: Database, job_id: str) -> int:
    """What the copies will cost that no printer has yet."""
    return int(value(db, f"SELECT {_LEFT_OF_JOB} FROM jobs WHERE id = ?",  # noqa: S608
                     (job_id,)) or 0)  # fmt: skip


def _promised(db: Database, job: Row) -> int:
    """What the other jobs that wait or print will still take from the account of this one."""
    code = job["charge_code"]
    return int(
        value(
            db,
            f"SELECT coalesce(sum({_LEFT_OF_JOB}), 0) FROM jobs WHERE id != :job"  # noqa: S608
            " AND state IN ('queued', 'printing', 'needs_attention') AND CASE WHEN :code IS NULL"
            " THEN member_id = :member AND coalesce(charge_code, '') = ''"
            " ELSE lower(charge_code) = lower(:code) END",
            {"job": job["id"], "code": code or None, "member": job["member_id"]},
        )
    )


# The quote times the copies for which nothing is held or charged.
_LEFT_OF_JOB = (
    "quote_minor * max(0, copies - (SELECT count(DISTINCT copy) FROM attempts"
    " WHERE job_id = jobs.id AND attempts.state NOT IN ('failed', 'cancelled', 'offered')))"
)
