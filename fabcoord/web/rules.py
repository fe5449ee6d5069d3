"""The lab's rules: the policy with its history, a trial of a change, groups with their limits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response, request

from fabcoord.api.access import member
from fabcoord.api.context import lab
from fabcoord.errors import FabcoordError
from fabcoord.members import accounts
from fabcoord.members.roles import Permission
from fabcoord.queue import entitlements, policy, trials
from fabcoord.queue.policy import PERIODS
from fabcoord.web import live, policy_form
from fabcoord.web.frame import Pages, go, number, show, typed

rules = Pages("rules")

_URL = "/policy"
_LIMITS = (("machine_h", "Hours of printing"), ("mass_g", "Grams"), ("cost", "Money"))


@rules.page("GET", "/policy", Permission.MANAGE_MEMBERS)
def overview() -> Response:
    return _overview()


@rules.page("POST", "/policy", Permission.MANAGE_MEMBERS)
def change() -> Response:
    """Keep the form as the next version, or have it tried out first."""
    given = {one.path: request.form.get(one.path, "").strip() for section in policy_form.SECTIONS
             for one in section.fields}  # fmt: skip
    default = lab().preparation.default
    try:
        read = number(request.form.get("version", "0"), "version")
        with lab().store.writing(durable=True) as db:
            _, present = policy.current(db, default)
            changes = policy_form.changes(given, present)
            if changes and "try" in request.form:
                trials.ask(db, member(), changes, default)
            elif changes:
                note = request.form.get("note", "").strip()[:200]
                policy.change(db, member(), changes, note=note, version=read, default=default)
        if "try" in request.form:
            return _overview(given=given, tried=bool(changes))
    except FabcoordError as error:
        return _overview(error.status, error=error, given=given)
    return go(_URL)


@rules.page("POST", "/groups", Permission.MANAGE_MEMBERS)
def save_group() -> Response:
    """Make a group, or change one."""
    try:
        limits: dict[str, Any] = {}
        for name in ("live_jobs", "queued_jobs"):
            if text := request.form.get(name, "").strip():
                limits[name] = number(text, name)
        for name, _ in _LIMITS:
            found = {
                period: float(number(text, f"{name}.{period}"))
                for period in PERIODS
                if (text := request.form.get(f"{name}.{period}", "").strip())
            }
            limits |= {name: found} if found else {}
        with lab().store.writing() as db:
            entitlements.save_group(
                db, member(), typed("name")["name"], limits, request.form.getlist("members"),
                request.form.get("group_id") or None,
            )  # fmt: skip
    except FabcoordError as error:
        return _overview(error.status, group_error=error)
    return go(f"{_URL}#groups")


@rules.page("POST", "/groups/<group_id>/delete", Permission.MANAGE_MEMBERS)
def delete_group(group_id: str) -> Response:
    with lab().store.writing() as db:
        entitlements.delete_group(db, member(), group_id)
    return go(f"{_URL}#groups")


def _overview(status: int = 200, **facts: Any) -> Response:
    with lab().store.reading() as db:
        version, present = policy.current(db, lab().preparation.default)
        kept = policy.history(db)
        trial = trials.latest(db)
        groups = entitlements.groups(db)
        members = accounts.everyone(db)
        listening = live.listen(db, _URL, live.RULES)
    documents = [*(one["document"] for one in kept), asdict(lab().preparation.default)]
    versions = [
        one | {"changes": policy_form.difference(documents[number + 1], documents[number])}
        for number, one in enumerate(kept)
    ]
    facts = {"given": policy_form.shown(present)} | facts
    return show(
        "policy.html", status, version=version, sections=policy_form.SECTIONS, versions=versions,
        trial=trial, groups=groups, members=members, live=listening, models=policy_form.models(),
        limits=_LIMITS, periods=PERIODS, **facts,
    )  # fmt: skip
