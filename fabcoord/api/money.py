"""/wallet, /charge-codes, refunds and the book: what prints cost, and who paid."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from fabcoord.api import schemas
from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.api.routing import Resource, page, page_arguments
from fabcoord.errors import NotFound
from fabcoord.ledger import book, costs, export, wallets
from fabcoord.members.roles import Permission
from fabcoord.queue import attempts
from fabcoord.queue import jobs as queue
from fabcoord.store.sqlite import Database

money = Resource("money", __name__)


@money.route_to("GET", "/wallet", Permission.PRINT, "One's own wallet", answer="Wallet")
def own() -> Any:
    with lab().store.reading() as db:
        return wallets.get(db, lab().charges, member().id)


@money.route_to("GET", "/wallet/statement", Permission.PRINT, "What was booked, newest first",
                answer="WalletEntry[]")  # fmt: skip
def own_statement() -> Any:
    return _statement(member().id)


@money.route_to("GET", "/wallets", Permission.HANDLE_MONEY, "Everybody's wallet",
                answer="Wallet[]")  # fmt: skip
def everyone() -> Any:
    with lab().store.reading() as db:
        return page(wallets.everyone(db, lab().charges), None)


@money.route_to("GET", "/members/<member_id>/wallet", Permission.HANDLE_MONEY,
                "A member's wallet", answer="Wallet")  # fmt: skip
def show(member_id: str) -> Any:
    with lab().store.reading() as db:
        return wallets.get(db, lab().charges, member_id)


@money.route_to("GET", "/members/<member_id>/wallet/statement", Permission.HANDLE_MONEY,
                "What was booked for a member", answer="WalletEntry[]")  # fmt: skip
def statement(member_id: str) -> Any:
    return _statement(member_id)


@money.route_to("POST", "/members/<member_id>/deposits", Permission.HANDLE_MONEY,
                "Put money into a wallet; below zero pays it out",
                body=schemas.Deposit, answer="Wallet", status=201)  # fmt: skip
def deposit(member_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        return wallets.deposit(
            db, lab().charges, member(), member_id, body["amount_minor"], note=body["note"]
        )


@money.route_to("GET", "/charge-codes", Permission.PRINT, "Charge codes that one may use",
                answer="ChargeCode[]")  # fmt: skip
def list_codes() -> Any:
    with lab().store.reading() as db:
        return page(wallets.codes(db, lab().charges, member()), None)


@money.route_to("PUT", "/charge-codes/<name>", Permission.HANDLE_MONEY, "Make or change a code",
                body=schemas.ChargeCode, answer="ChargeCode")  # fmt: skip
def save_code(name: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        wallets.save_code(db, member(), name, body)
        lab().charges.release_paid(db, book.code(name))
        found = wallets.codes(db, lab().charges, member())
    return next(code for code in found if code["name"].casefold() == name.casefold())


@money.route_to("GET", "/jobs/<job_id>/cost", Permission.READ, "What a job costs, part by part",
                answer="Cost")  # fmt: skip
def cost(job_id: str) -> Any:
    with lab().store.reading() as db:
        job = queue.get_row(db, job_id)
        if job["member_id"] != member().id:
            member().require(Permission.HANDLE_MONEY)
        found = costs.of_job(db, job)
    if found is None:
        raise NotFound("Nobody was told a price for this job.")
    return found


@money.route_to("POST", "/attempts/<attempt_id>/refund", Permission.HANDLE_MONEY,
                "Give back what a finished copy cost", body=schemas.Empty,
                answer="Cost")  # fmt: skip
def refund(attempt_id: str, body: dict[str, Any]) -> Any:
    with lab().store.writing(durable=True) as db:
        lab().charges.refund(db, member(), attempt_id, body["reason"])
        return _cost_of_attempt(db, attempt_id)


@money.route_to("GET", "/ledger.csv", Permission.HANDLE_MONEY,
                "The book as a table; ?since=&until=")  # fmt: skip
def ledger() -> Any:
    since, until = request.args.get("since", ""), request.args.get("until", "")
    with lab().store.reading() as db:
        return Response(export.table(db, since=since, until=until), mimetype="text/csv")


def _statement(member_id: str) -> Any:
    limit, before = page_arguments()
    with lab().store.reading() as db:
        currency = wallets.get(db, lab().charges, member_id)["currency"]
        seq = before if isinstance(before, int) else None
        account = book.wallet(member_id)
        items, following = book.statement(db, account, currency, before=seq, limit=limit)
    return page(items, following)


def _cost_of_attempt(db: Database, attempt_id: str) -> Any:
    job_id = attempts.get_row(db, attempt_id)["job_id"]
    return costs.of_job(db, queue.get_row(db, job_id))
