"""A lab of the queue's tests in which prints cost money."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fabcoord.ledger import book, wallets
from fabcoord.ledger.charges import Charges
from fabcoord.members import accounts
from fabcoord.members.roles import Member, Role
from fabcoord.queue import policy
from fabcoord.store.database import rows
from tests.queue.room import Pi, Room

# The room's slices take 600 s and 2.5 g: 0.50 for the machine, 0.08 for 0.075 of material, 1.00.
PRICES = {"machine_h": 3.0, "material_kg": 30.0, "labour": 1.0, "charge": True}
COPY = 158


@dataclass
class Till(Room):
    """See the module."""

    charges: Charges = field(init=False)

    def __post_init__(self) -> None:
        Room.__post_init__(self)
        self.charges = Charges(self.preparation)
        self.charges.subscribe(self.store)
        with self.store.writing() as db:
            self.admin = accounts.create(db, "Root", Role.ADMIN)
        self.set_prices(**PRICES)

    def set_prices(self, **prices: Any) -> None:
        with self.store.writing() as db:
            policy.change(db, self.admin, {"prices": prices})

    def deposit(self, amount_minor: int, member: Member | None = None, key: str = "") -> None:
        with self.store.writing(durable=True) as db:
            whose = (member or self.ben).id
            wallets.deposit(db, self.charges, self.staff, whose, amount_minor, key=key)

    def has(self, member: Member | None = None) -> int:
        """What a member has in their wallet."""
        with self.store.reading() as db:
            return book.balance(db, book.wallet((member or self.ben).id), "EUR")

    def balances(self) -> dict[str, int]:
        with self.store.reading() as db:
            return book.balances(db, "EUR")

    def income(self) -> int:
        held = self.balances()
        return sum(each for name, each in held.items() if name.startswith("income:"))

    def held(self) -> int:
        held = self.balances()
        return sum(each for name, each in held.items() if name.startswith("held:"))

    def kinds(self) -> list[str]:
        with self.store.reading() as db:
            return [item["kind"] for item in rows(db, "SELECT kind FROM ledger_entries")]


def starts(till: Till, pi: Pi) -> str:
    """What waits is offered and runs; the attempt's id."""
    till.dispatch()
    return pi.prints("starting", "printing")


def ends(till: Till, pi: Pi, attempt_id: str, how: str = "finished") -> None:
    printer_id = till.attempt(attempt_id)["printer_id"]
    pi.says(how, attempt_id)
    pi.sync()
    till.clear(printer_id)
