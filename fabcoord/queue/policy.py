"""The lab's rules for its queue: one frozen value, kept as numbered versions."""

from __future__ import annotations

import json
import types
import typing
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fabcoord.errors import BadInput, Stale
from fabcoord.members.roles import Member, Permission
from fabcoord.store.database import row, rows
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import now

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PERIODS = ("day", "week", "month", "semester")


@dataclass(frozen=True, slots=True)
class Weights:
    """What counts how much for a job's priority, as in Slurm's multifactor plugin.

    Each factor is between 0 and 1, but for age; a weight of 0 leaves it out.
    https://slurm.schedmd.com/priority_multifactor.html
    """

    fair_share: float = 1000.0  # who used little of late goes first
    age: float = 20.0  # once for each ``age_full_h`` that a job has waited
    due: float = 400.0  # grows over the last ``due_horizon_h`` before it is too late
    short: float = 100.0  # short prints before long ones
    job_class: float = 1000.0  # of what staff marked as urgent; as much less for background
    age_full_h: float = 168.0
    due_horizon_h: float = 48.0
    half_life_h: float = 336.0  # after which machine time counts half


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one member, or one group, may have; None is no limit.

    ``machine_h``, ``mass_g`` and ``cost`` are per period: day, week, month, semester.
    """

    live_jobs: int | None = None  # printing at once
    queued_jobs: int | None = None  # waiting at once; more are refused when asked for
    machine_h: dict[str, float] = field(default_factory=dict)
    mass_g: dict[str, float] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reputation:
    """Whose jobs pass without review when ``approval`` is ``reputation``."""

    finished: int = 3  # prints of theirs that finished
    success_rate: float = 0.6  # of their last twenty
    longest_h: float = 6.0  # longer ones are reviewed all the same


@dataclass(frozen=True, slots=True)
class Hours:
    """When somebody is there to clear a plate. Without ``open`` the lab never closes.

    A print ends while the lab is open, or may run on where ``overnight`` says so: ``always``,
    ``asked`` (its member ticked it and staff or policy agreed), ``never``.
    ``open`` maps a weekday to spans ``["09:00", "18:00"]``; ``quiet`` are spans of every day in
    which nothing starts.
    """

    timezone: str = "UTC"
    open: dict[str, list[list[str]]] = field(default_factory=dict)
    quiet: list[list[str]] = field(default_factory=list)
    overnight: str = "asked"


@dataclass(frozen=True, slots=True)
class Fuse:
    """Starts that are spread so that heating beds do not trip a breaker."""

    apart_s: float = 0.0  # between two starts in the lab
    heating: int | None = None  # printers that may heat up at once


@dataclass(frozen=True, slots=True)
class Prices:
    """What a print costs, in ``currency``. Zero is free."""

    currency: str = "EUR"
    machine_h: float = 0.0
    machines: dict[str, float] = field(default_factory=dict)  # model -> per hour, instead
    material_kg: float = 0.0  # where the spool has no price of its own
    energy_kwh: float = 0.0
    labour: float = 0.0  # per copy
    charge: bool = False  # whether wallets and charge codes are charged
    credit: float = 0.0  # how far a wallet may go below zero


@dataclass(frozen=True, slots=True)
class Energy:
    """What the lab's electricity stands for. Without a factor nothing is said of CO2."""

    co2e_g_kwh: float = 0.0  # of the grid, or of the lab's own contract
    source: str = ""  # where the factor comes from, and for which year


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules that a lab set for its queue.

    Attributes:
        approval: ``none``; ``staff``: each job is reviewed; ``reputation``: see `Reputation`.
        release: ``automatic``; ``manual``: its member releases it; ``badge``: at the kiosk.
        visibility: whose jobs a member sees with names: ``everyone`` or ``own``.
        training: machine models that only members trained on them may use.
        spool_margin: a spool is enough when it holds this times what the print needs.
        enclosed_materials: materials that only enclosed printers get.
        badge_pin: whether a badge at the kiosk needs its member's PIN as well.
    """

    approval: str = "none"
    release: str = "automatic"
    visibility: str = "everyone"
    weights: Weights = field(default_factory=Weights)
    member_limits: Limits = field(default_factory=Limits)
    reputation: Reputation = field(default_factory=Reputation)
    hours: Hours = field(default_factory=Hours)
    fuse: Fuse = field(default_factory=Fuse)
    prices: Prices = field(default_factory=Prices)
    energy: Energy = field(default_factory=Energy)
    training: list[str] = field(default_factory=list)
    semester_starts: list[str] = field(default_factory=lambda: ["03-01", "09-01"])
    spool_margin: float = 1.05
    enclosed_materials: list[str] = field(default_factory=list)
    badge_pin: bool = False


_CHOICES = {
    "approval": ("none", "staff", "reputation"),
    "release": ("automatic", "manual", "badge"),
    "visibility": ("everyone", "own"),
    "hours.overnight": ("always", "asked", "never"),
}
_ABOVE_ZERO = ("weights.age_full_h", "weights.due_horizon_h", "weights.half_life_h")


def parse(document: dict[str, Any]) -> Policy:
    """A policy from its JSON. Raises BadInput that names each field that cannot be."""
    wrong: dict[str, str] = {}
    policy: Policy = _build(Policy, document, "", wrong)
    if not wrong:
        _check_times(policy, wrong)
        if policy.energy.co2e_g_kwh and not policy.energy.source.strip():
            wrong["energy.source"] = "where the factor comes from"
    if wrong:
        raise BadInput(f"The policy needs other values for: {', '.join(wrong)}.", fields=wrong)
    return policy


def parse_limits(document: dict[str, Any]) -> Limits:
    """The limits of a group from their JSON. Raises BadInput that names each wrong field."""
    wrong: dict[str, str] = {}
    limits: Limits = _build(Limits, document, "", wrong)
    if wrong:
        raise BadInput(f"The limits need other values for: {', '.join(wrong)}.", fields=wrong)
    return limits


def current(db: Database, default: Policy | None = None) -> tuple[int, Policy]:
    """The version in force and what it says; version 0 is ``default`` (or no rules at all)."""
    found = row(db, "SELECT version, document FROM policies ORDER BY version DESC LIMIT 1")
    if found is None:
        return 0, default or Policy()
    return found["version"], parse(json.loads(found["document"]))


def change(
    db: Database,
    member: Member,
    changes: dict[str, Any],
    *,
    note: str = "",
    version: int | None = None,
    default: Policy | None = None,
) -> int:
    """Write the next version: the present one with ``changes`` merged into it.

    Raises BadInput that names fields, and Stale when ``version`` is not the present one.
    """
    member.require(Permission.MANAGE_MEMBERS)
    present, policy = current(db, default)
    if version is not None and version != present:
        raise Stale("The policy was changed since you read it.", hint="Read it again first.")
    document = asdict(changed(policy, changes))
    db.conn.execute(
        "INSERT INTO policies (version, document, note, actor, created_at) VALUES (?, ?, ?, ?, ?)",
        (present + 1, json.dumps(document), note, member.name, now()),
    )
    emit(db, "policy.changed", actor=member.name, version=present + 1, note=note)
    return present + 1


def changed(policy: Policy, changes: dict[str, Any]) -> Policy:
    """A policy with changes merged into it, section by section. Raises BadInput."""
    if not isinstance(changes, dict):
        raise BadInput('The changes are an object, such as {"approval": "staff"}.')
    return parse(_merged(asdict(policy), changes))


def history(db: Database) -> list[dict[str, Any]]:
    """All versions, newest first, each with who changed it, when, and its whole document."""
    found = rows(db, "SELECT * FROM policies ORDER BY version DESC")
    return [item | {"document": json.loads(item["document"])} for item in found]


_OPEN_MAPS = {"open", "machine_h", "mass_g", "cost", "machines"}


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """``new`` over ``old``, section by section; maps whose keys are the lab's own are replaced."""
    result = dict(old)
    for name, given in new.items():
        section = result.get(name)
        whole = name in _OPEN_MAPS or not (isinstance(section, dict) and isinstance(given, dict))
        result[name] = given if whole else _merged(old[name], given)
    return result


def _build(kind: Any, given: Any, path: str, wrong: dict[str, str]) -> Any:
    """A dataclass from JSON; what does not fit is named in ``wrong``."""
    if not isinstance(given, dict):
        wrong[path or "policy"] = "an object"
        return kind()
    hints = typing.get_type_hints(kind)
    known = {item.name for item in fields(kind)}
    for name in given.keys() - known:
        wrong[f"{path}{name}"] = f"unknown; there are: {', '.join(sorted(known))}"
    values = {}
    for name in known & given.keys():
        where, hint = f"{path}{name}", hints[name]
        if is_dataclass(hint):
            values[name] = _build(hint, given[name], f"{where}.", wrong)
        elif problem := _misfit(hint, given[name], where):
            wrong[where] = problem
        else:
            values[name] = given[name]
    return kind(**values)


def _misfit(hint: Any, given: Any, where: str) -> str | None:
    if isinstance(hint, types.UnionType):
        if given is None:
            return None
        hint = next(one for one in typing.get_args(hint) if one is not types.NoneType)
    origin = typing.get_origin(hint) or hint
    if origin is dict:
        return _misfit_map(typing.get_args(hint)[1], given, where)
    if origin is list:
        inner = typing.get_args(hint)[0]
        if not isinstance(given, list):
            return "a list"
        return next((bad for one in given if (bad := _misfit(inner, one, where))), None)
    if origin is bool:
        return None if isinstance(given, bool) else "true or false"
    if origin is str:
        choices = _CHOICES.get(where)
        if choices:
            return None if given in choices else f"one of: {', '.join(choices)}"
        return None if isinstance(given, str) and len(given) < 200 else "a text"
    return _misfit_number(origin, given, where)


def _misfit_number(kind: type, given: Any, where: str) -> str | None:
    whole = kind is int
    fits = isinstance(given, int) or (isinstance(given, float) and not whole)
    if not fits or isinstance(given, bool):
        return "a whole number" if whole else "a number"
    if not 0 <= given < 1e9 or (where in _ABOVE_ZERO and given == 0):
        return "a number above 0" if where in _ABOVE_ZERO else "a number from 0"
    return None


def _misfit_map(inner: Any, given: Any, where: str) -> str | None:
    if not isinstance(given, dict):
        return "an object"
    allowed = {"open": WEEKDAYS, "machine_h": PERIODS, "mass_g": PERIODS, "cost": PERIODS}
    keys = allowed.get(where.rpartition(".")[2])
    for key, item in given.items():
        if keys and key not in keys:
            return f"{key!r} is not one of: {', '.join(keys)}"
        if bad := _misfit(inner, item, f"{where}.{key}"):
            return f"{key}: {bad}"
    return None


def _check_times(policy: Policy, wrong: dict[str, str]) -> None:
    try:
        ZoneInfo(policy.hours.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        wrong["hours.timezone"] = "a time zone such as Europe/Berlin"
    named = [("hours.open", spans) for spans in policy.hours.open.values()]
    for where, spans in [*named, ("hours.quiet", policy.hours.quiet)]:
        for span in spans:
            if not _is_span(span, may_wrap=where == "hours.quiet"):
                wrong[where] = 'spans such as ["09:00", "18:00"], the second later than the first'
    for day in policy.semester_starts:
        month, _, date = day.partition("-")
        if not (month.isdecimal() and date.isdecimal()):
            wrong["semester_starts"] = "days such as 03-01"
        elif not (1 <= int(month) <= 12 and 1 <= int(date) <= 28):
            wrong["semester_starts"] = "days such as 03-01, at most the 28th"


def _is_span(span: list[str], *, may_wrap: bool) -> bool:
    try:
        first, last = (minutes(text) for text in span)
    except ValueError:
        return False
    return first != last if may_wrap else first < last


def minutes(text: str) -> int:
    """Minutes since midnight of ``HH:MM``; ``24:00`` is the end of the day. Raises ValueError."""
    if text == "24:00":
        return 1440
    parsed = time.fromisoformat(text)
    return parsed.hour * 60 + parsed.minute
