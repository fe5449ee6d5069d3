"""Spools and money over REST: who may do what, and that a deposit sent twice counts once."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from fabcoord.store.database import value
from tests.api.conftest import Caller

Somebody = Callable[[str], Caller]


def member_id(lab: object, name: str) -> str:
    with lab.store.reading() as db:  # type: ignore[attr-defined]
        return str(value(db, "SELECT id FROM members WHERE name = ?", (name,)))


def test_staff_keep_spools_and_members_see_them(caller: Somebody) -> None:
    staff, ben = caller("staff"), caller("ben")
    made = staff("POST", "/spools", json={"material": "PLA", "colour": "red", "initial_g": 750})
    assert made.status_code == 201, made.text
    assert made.json["remaining_g"] == 750
    assert ben("GET", made.headers["Location"]).json["colour"] == "red"
    assert ben("POST", "/spools", json={"material": "PLA", "initial_g": 1}).status_code == 403
    place = f"/spools/{made.json['id']}"
    weighed = staff("POST", f"{place}/weigh", json={"remaining_g": 500.5})
    assert weighed.json["remaining_g"] == 500.5
    stale = staff("PATCH", place, json={"colour": "blue"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert staff("POST", f"{place}/archive", json={}).json["archived_at"]
    assert ben("GET", "/spools").json["items"] == []
    assert len(ben("GET", "/spools?archived=1").json["items"]) == 1


def test_a_printer_is_loaded_and_unloaded(caller: Somebody) -> None:
    staff = caller("staff")
    printer = {"name": "Left", "machine": "demo", "driver": "virtual"}
    printer_id = staff("POST", "/printers", json=printer).json["id"]
    spool_id = staff("POST", "/spools", json={"material": "PETG", "initial_g": 1000}).json["id"]
    loaded = staff("POST", f"/printers/{printer_id}/load", json={"spool_id": spool_id})
    assert (loaded.json["spool_id"], loaded.json["material"]) == (spool_id, "PETG")
    assert staff("POST", f"/spools/{spool_id}/archive", json={}).status_code == 409
    unloaded = staff("POST", f"/printers/{printer_id}/unload", json={})
    assert (unloaded.json["spool_id"], unloaded.json["material"]) == (None, None)
    assert staff("POST", f"/printers/{printer_id}/unload", json={}).status_code == 409


def test_the_table_of_spools_goes_out_and_in(caller: Somebody) -> None:
    staff = caller("staff")
    table = "material,colour,initial_g,price_minor\nPLA,red,1000,1990\nPETG,,500,\n"
    assert staff("POST", "/spools/import", json={"csv": table}).json == {"added": 2, "changed": 0}
    found = list(csv.DictReader(io.StringIO(staff("GET", "/spools.csv").text)))
    assert [(one["material"], one["remaining_g"]) for one in found] == [
        ("PETG", "500.0"),
        ("PLA", "1000.0"),
    ]


def test_a_deposit_sent_twice_counts_once(caller: Somebody, lab: object) -> None:
    staff, ben = caller("staff"), caller("ben")
    place = f"/members/{member_id(lab, 'ben')}/deposits"
    for _ in range(2):
        answer = staff(
            "POST", place, json={"amount_minor": 1250, "note": "cash"},
            headers={"Idempotency-Key": "till-1"},
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
    assert ben("GET", "/wallet").json["balance"] == "12.50 EUR"
    (entry,) = ben("GET", "/wallet/statement").json["items"]
    assert (entry["kind"], entry["amount_minor"], entry["actor"]) == ("deposit", 1250, "staff")
    assert ben("POST", place, json={"amount_minor": 1}).status_code == 403
    assert staff("POST", place, json={"amount_minor": 12.5}).status_code == 400


def test_wallets_of_others_and_the_book_are_for_who_handles_money(
    caller: Somebody, lab: object
) -> None:
    staff, ben = caller("staff"), caller("ben")
    caller("eve")
    for path in (f"/members/{member_id(lab, 'eve')}/wallet", "/wallets", "/ledger.csv"):
        assert ben("GET", path).status_code == 403
        assert staff("GET", path).status_code == 200
    assert caller("kiosk")("GET", "/wallet").status_code == 403


def test_the_book_comes_out_as_a_table(caller: Somebody, lab: object) -> None:
    staff = caller("staff")
    caller("ben")
    place = f"/members/{member_id(lab, 'ben')}/deposits"
    staff("POST", place, json={"amount_minor": 5, "note": "=1+1"})
    (line,) = csv.DictReader(io.StringIO(staff("GET", "/ledger.csv").text))
    assert (line["source"], line["amount"], line["member"]) == ("cash", "0.05", "ben")
    assert line["note"] == "'=1+1"


def test_charge_codes_are_made_by_staff_and_used_by_members(caller: Somebody) -> None:
    staff, ben = caller("staff"), caller("ben")
    assert ben("PUT", "/charge-codes/club", json={}).status_code == 403
    made = staff("PUT", "/charge-codes/club", json={"title": "Club", "budget_minor": 5000})
    assert (made.json["budget_minor"], made.json["used"]) == (5000, "0.00 EUR")
    assert ben("GET", "/charge-codes").json["items"] == [
        {"name": "club", "title": "Club", "closed": False}
    ]
    staff("PUT", "/charge-codes/club", json={"closed": True})
    assert ben("GET", "/charge-codes").json["items"] == []
