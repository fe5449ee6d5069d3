"""Members: how they prove who they are, and what that never gives away."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from fabcoord.errors import BadInput, Conflict, NotAllowed, NotFound, TooBusy
from fabcoord.members import accounts
from fabcoord.members.roles import GRANTS, Member, Permission, Role
from fabcoord.store.database import Store, rows, value
from fabcoord.store.sqlite import Database

PASSWORD = "three blind mice"


@pytest.fixture
def ada(store: Store) -> Member:
    with store.writing() as db:
        return accounts.create(db, "Ada", Role.ADMIN, password=PASSWORD)


def sign_in(store: Store, name: str, password: str) -> tuple[str, accounts.Session] | None:
    return accounts.sign_in(store, name, password)


def ask(store: Store, question: Callable[[Database], Any]) -> Any:
    with store.reading() as db:
        return question(db)


def test_a_member_signs_in_and_is_known_by_the_session(store: Store, ada: Member) -> None:
    opened = sign_in(store, " ada ", PASSWORD)
    assert opened is not None
    secret, session = opened
    assert session.member == ada
    again = ask(store, lambda db: accounts.session(db, secret))
    assert again == session


@pytest.mark.parametrize(("name", "password"), [("Ada", "wrong"), ("Ada", ""), ("Bob", PASSWORD)])
def test_a_wrong_name_or_password_opens_nothing(
    store: Store, ada: Member, name: str, password: str
) -> None:
    assert sign_in(store, name, password) is None


def test_a_member_without_a_password_cannot_sign_in_with_none(store: Store) -> None:
    with store.writing() as db:
        accounts.create(db, "Token only", Role.MEMBER)
    assert sign_in(store, "Token only", "") is None


def test_too_many_wrong_passwords_stop_the_right_one_too(store: Store, ada: Member) -> None:
    for _ in range(8):
        assert sign_in(store, "ADA", "wrong") is None
    with pytest.raises(TooBusy):
        sign_in(store, "Ada", PASSWORD)
    with store.writing() as db:
        db.conn.execute("UPDATE signin_failures SET at = '2000'")
    assert sign_in(store, "Ada", PASSWORD) is not None


def test_failures_of_long_ago_are_forgotten(store: Store, ada: Member) -> None:
    for number in range(5):
        sign_in(store, f"nobody {number}", "wrong")
    with store.writing() as db:
        db.conn.execute("UPDATE signin_failures SET at = '2000'")
    sign_in(store, "Ada", "wrong")
    assert ask(store, lambda db: value(db, "SELECT count(*) FROM signin_failures")) == 1


def test_signing_out_and_running_out_end_a_session(store: Store, ada: Member) -> None:
    first, second = (sign_in(store, "Ada", PASSWORD) for _ in range(2))
    assert first is not None
    assert second is not None
    with store.writing() as db:
        accounts.sign_out(db, first[0])
    assert ask(store, lambda db: accounts.session(db, first[0])) is None
    assert ask(store, lambda db: accounts.session(db, second[0])) is not None
    with store.writing() as db:
        db.conn.execute("UPDATE sessions SET expires_at = '2000'")
    assert ask(store, lambda db: accounts.session(db, second[0])) is None


def test_a_new_password_ends_all_sessions(store: Store, ada: Member) -> None:
    opened = sign_in(store, "Ada", PASSWORD)
    assert opened is not None
    with store.writing() as db:
        accounts.set_password(db, ada, "four calling birds")
    assert ask(store, lambda db: accounts.session(db, opened[0])) is None
    assert sign_in(store, "Ada", PASSWORD) is None
    assert sign_in(store, "Ada", "four calling birds") is not None


def test_a_short_password_is_refused(store: Store, ada: Member) -> None:
    with pytest.raises(BadInput), store.writing() as db:
        accounts.set_password(db, ada, "1234567")


def test_a_token_speaks_for_its_member_until_it_is_revoked(store: Store, ada: Member) -> None:
    with store.writing() as db:
        token = accounts.create_token(db, ada, "laptop")
    assert ask(store, lambda db: accounts.by_token(db, token)) == ada
    assert ask(store, lambda db: accounts.by_token(db, token[:-1])) is None
    assert ask(store, lambda db: accounts.by_token(db, "")) is None
    with store.writing() as db:
        db.conn.execute("UPDATE tokens SET revoked_at = '2026'")
    assert ask(store, lambda db: accounts.by_token(db, token)) is None


def test_a_disabled_member_is_nobody(store: Store, ada: Member) -> None:
    opened = sign_in(store, "Ada", PASSWORD)
    assert opened is not None
    with store.writing() as db:
        token = accounts.create_token(db, ada)
        db.conn.execute("UPDATE members SET disabled_at = '2026'")
    assert ask(store, lambda db: accounts.by_token(db, token)) is None
    assert ask(store, lambda db: accounts.session(db, opened[0])) is None
    assert ask(store, lambda db: accounts.by_name(db, "Ada")) is None
    assert ask(store, accounts.everyone) == []
    assert sign_in(store, "Ada", PASSWORD) is None


def test_no_secret_lies_in_the_database(store: Store, ada: Member) -> None:
    opened = sign_in(store, "Ada", PASSWORD)
    assert opened is not None
    with store.writing() as db:
        token = accounts.create_token(db, ada)
    with store.reading() as db:
        tables = [item["name"] for item in rows(db, "SELECT name FROM sqlite_schema")]
        kept = "".join(
            str(rows(db, f"SELECT * FROM {name}"))  # noqa: S608
            for name in tables
            if name in ("members", "tokens", "sessions", "events", "settings")
        )
    for secret in (PASSWORD, opened[0], token):
        assert secret not in kept


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\nb", "a\x00b", "a\u202eb", "a\u200bb"])
def test_a_name_that_cannot_be_shown_is_refused(store: Store, name: str) -> None:
    with pytest.raises(BadInput), store.writing() as db:
        accounts.create(db, name, Role.MEMBER)


def test_two_members_cannot_have_one_name(store: Store, ada: Member) -> None:
    with pytest.raises(Conflict), store.writing() as db:
        accounts.create(db, "ADA", Role.MEMBER)


def test_who_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound), store.reading() as db:
        accounts.get(db, "nobody")


def test_the_first_admin_needs_the_code_and_it_works_once(store: Store) -> None:
    with store.writing() as db:
        assert accounts.nobody_yet(db)
        code = accounts.first_admin_code(db)
        assert accounts.first_admin_code(db) == code
    for wrong in ("", "0000-0000-000", code[:-1]):
        with pytest.raises(NotAllowed), store.writing() as db:
            accounts.create_first_admin(db, wrong, "Eve", PASSWORD)
    with store.writing() as db:
        admin = accounts.create_first_admin(db, f" {code} ", "Ada", PASSWORD)
        assert admin.role is Role.ADMIN
        assert not accounts.nobody_yet(db)
    with pytest.raises(NotAllowed), store.writing() as db:
        accounts.create_first_admin(db, code, "Eve", PASSWORD)


def test_without_a_code_nobody_becomes_the_first_admin(store: Store) -> None:
    with pytest.raises(NotAllowed), store.writing() as db:
        accounts.create_first_admin(db, "", "Eve", PASSWORD)


def test_each_role_may_what_the_one_below_it_may_and_more() -> None:
    order = (Role.KIOSK, Role.MEMBER, Role.STAFF, Role.ADMIN)
    for below, above in itertools.pairwise(order):
        assert GRANTS[below] < GRANTS[above]
    assert GRANTS[Role.ADMIN] == set(Permission)


def test_a_refusal_names_the_role_and_what_it_lacks() -> None:
    kiosk = Member("m", "Kiosk", Role.KIOSK)
    kiosk.require(Permission.CLEAR_PLATE)
    with pytest.raises(NotAllowed, match="kiosk, which does not include: print"):
        kiosk.require(Permission.PRINT)
