"""Who may be told where, what is kept back, and which events become news for whom."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabcoord.errors import BadInput, Conflict, NotAllowed, NotFound
from fabcoord.members import accounts
from fabcoord.members.roles import Role
from fabcoord.notices import addresses, news, targets
from fabcoord.notices.addresses import may_reach
from fabcoord.store.events import emit
from fabcoord.store.values import in_seconds

from .conftest import Town


@given(st.ip_addresses())
def test_what_only_the_link_reaches_is_never_reached(ip: Any) -> None:
    text = str(ip)
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        assert not may_reach(text, private=True)
    if may_reach(text, private=False):
        assert may_reach(text, private=True)
        assert ip.is_global


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_clothes_is_judged_by_what_it_is(ip: Any) -> None:
    mapped = str(ipaddress.IPv6Address(f"::ffff:{ip}"))
    for private in (False, True):
        assert may_reach(mapped, private=private) == may_reach(str(ip), private=private)


@given(st.text(max_size=60))
def test_any_text_is_an_address_that_can_be_masked_or_is_refused(text: str) -> None:
    for check in (addresses.checked_webhook, addresses.checked_apprise):
        with contextlib.suppress(BadInput):
            assert addresses.masked("webhook", check(text, private=False))


@pytest.mark.parametrize(
    ("means", "address"),
    [
        ("webhook", "ftp://example.org/x"),
        ("webhook", "https://user:pass@example.org/x"),
        ("webhook", "http://127.0.0.1/x"),
        ("webhook", "http://localhost:80/x"),
        ("webhook", "http://[::1]/x"),
        ("webhook", "http://[::ffff:10.0.0.1]/x"),
        ("webhook", "http://169.254.169.254/latest/meta-data"),
        ("webhook", "http://192.168.1.1/"),
        ("apprise", "exec:///bin/sh"),
        ("apprise", "syslog://"),
        ("apprise", "dbus://"),
        ("apprise", "json://example.org"),
        ("apprise", "file:///etc/passwd"),
        ("apprise", "ntfy://10.0.0.1/topic"),
        ("apprise", "ntfys://ntfy.sh/a b"),
        ("apprise", "ntfys://ntfy.sh/" + "a" * 2000),
        ("pigeon", "roof"),
    ],
)
def test_a_member_cannot_be_told_there(town: Town, means: str, address: str) -> None:
    with pytest.raises(BadInput):
        town.target(address, town.ben, means=means, lab=False)


def test_mail_needs_a_mail_server_and_an_address(town: Town) -> None:
    with pytest.raises(BadInput, match="no e-mail yet"):
        town.target("ben@example.org", town.ben, means="email", lab=False)
    settings = dataclasses.replace(town.lab.settings, mail_url="mailto://mail.example.org")
    town.lab = dataclasses.replace(town.lab, settings=settings)
    for wrong in ("ben", "ben@example.org, eve@example.org", "b\n@example.org", "a@b?x=1.org"):
        with pytest.raises(BadInput):
            town.target(wrong, town.ben, means="email", lab=False)
    assert town.target("ben@example.org", town.ben, means="email", lab=False)


def test_only_staff_tell_for_the_lab_and_nobody_touches_what_is_not_theirs(town: Town) -> None:
    with pytest.raises(NotAllowed):
        town.target("https://example.org/x", town.ben)
    target_id = town.target("https://example.org/x", town.ben, lab=False)
    with town.lab.store.writing() as db:
        eve = accounts.create(db, "Eve", Role.MEMBER)
        for change in (
            lambda: targets.remove(db, eve, target_id),
            lambda: targets.change(db, eve, target_id, {"kinds": []}),
            lambda: news.test(db, eve, target_id),
        ):
            with pytest.raises(NotFound):
                change()
        assert targets.seen_by(db, eve) == []


def test_what_is_secret_is_never_shown_again(town: Town) -> None:
    for means, address in (
        ("webhook", "https://hooks.example.org/T0PSECRET?key=T0PSECRET"),
        ("apprise", "ntfys://T0PSECRET:T0PSECRET@ntfy.sh/T0PSECRET"),
        ("apprise", "tgram://T0PSECRET/T0PSECRET"),
    ):
        town.target(address, means=means)
    with town.lab.store.reading() as db:
        shown = json.dumps(targets.seen_by(db, town.staff))
        logged = json.dumps([row["data"] for row in db.query("SELECT data FROM events")])
    assert "T0PSECRET" not in shown + logged
    assert "whsec_" not in shown + logged
    assert "hooks.example.org" in shown


def test_what_was_removed_is_forgotten_but_for_its_log(town: Town) -> None:
    target_id = town.target("https://example.org/x")
    with town.lab.store.writing() as db:
        news.test(db, town.staff, target_id)
        targets.remove(db, town.staff, target_id)
        log, _ = targets.deliveries(db, town.staff)
    assert (town.row(target_id)["address"], town.row(target_id)["secret"]) == ("", "")
    assert log[0]["state"] == "dropped"


def test_a_member_has_some_targets_and_not_any_number(town: Town) -> None:
    for number in range(targets.MOST_TARGETS):
        town.target(f"https://example.org/{number}", town.ben, lab=False)
    with pytest.raises(Conflict):
        town.target("https://example.org/more", town.ben, lab=False)


def test_a_kind_that_there_is_none_of_is_refused(town: Town) -> None:
    with pytest.raises(BadInput):
        town.target("https://example.org/x", kinds=["job.celebrated"])


def printer(town: Town) -> str:
    with town.lab.store.writing() as db:
        db.conn.execute(
            "INSERT INTO printers (id, name, machine, driver, created_at)"
            " VALUES ('p', 'Left', 'demo', 'virtual', '2026')"
        )
    return "p"


def test_a_printer_that_needs_somebody_is_told_to_who_asked_and_may_know(town: Town) -> None:
    everything = list(targets.KINDS)
    lab = town.target("https://example.org/lab", kinds=everything)
    of_staff = town.target("https://example.org/staff", lab=False, kinds=everything)
    town.target("https://example.org/ben", town.ben, lab=False, kinds=everything)
    town.target("https://example.org/deaf", lab=False, kinds=["job.failed"])
    printer_id = printer(town)
    with town.lab.store.writing() as db:
        for _ in range(2):
            emit(db, "printer.changed", printer_id=printer_id, state="attention", reason="Jam.")
        emit(db, "printer.changed", printer_id=printer_id, state="offline", reason="Gone.")
        emit(db, "printer.prompt", printer_id=printer_id, prompt={"text": "Which?", "choices": []})
        emit(db, "printer.prompt", printer_id=printer_id, prompt=None)
    told = [(one["target_id"], one["kind"], one["title"]) for one in town.notices()]
    assert sorted(told) == sorted(
        (target, kind, words)
        for target in (lab, of_staff)
        for kind, words in (
            ("printer.attention", "Left needs a look"),
            ("printer.prompt", "Left asks something"),
        )
    )


def test_a_plate_that_nobody_clears_is_told_of_once(town: Town) -> None:
    town.target("https://example.org/lab")
    printer_id = printer(town)
    with town.lab.store.writing() as db:
        db.conn.execute(
            "INSERT INTO printer_spans VALUES (?, 'awaiting_clearance', ?)",
            (printer_id, in_seconds(-20 * 60)),
        )
    town.courier.look_at_plates()
    assert town.notices() == []
    with town.lab.store.writing() as db:
        db.conn.execute("UPDATE printer_spans SET since = ?", (in_seconds(-40 * 60),))
    for _ in range(3):
        town.courier.look_at_plates()
    (only,) = town.notices()
    assert only["title"] == "Left waits to be cleared"
