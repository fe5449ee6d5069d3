"""The lab's policy as a form: every field with plain words, read from it and written into it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fabcoord.errors import BadInput
from fabcoord.printers import machines
from fabcoord.queue.policy import PERIODS, WEEKDAYS, Policy

_SPAN = re.compile(r"\s*(\d{1,2}:\d{2})\s*[-–]\s*(\d{1,2}:\d{2})\s*")


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its place in the policy (``hours.quiet``), its words, and how it is typed."""

    path: str
    words: str
    kind: str = "number"  # number | whole | text | choice | list | spans | tick
    hint: str = ""
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """Fields that belong together."""

    title: str
    fields: tuple[Field, ...]


_LIMITS = tuple(
    Field(f"member_limits.{name}.{period}", f"{words} per {period}")
    for name, words in (("machine_h", "Hours of printing"), ("mass_g", "Grams"), ("cost", "Money"))
    for period in PERIODS
)

SECTIONS: tuple[Section, ...] = (
    Section("Who agrees, who starts, who sees", (
        Field("approval", "Approval", "choice", options=(
            ("none", "Nobody has to agree"),
            ("staff", "Staff agree to every job"),
            ("reputation", "Staff agree to long jobs, and to those of new members"),
        )),
        Field("release", "Start", "choice", options=(
            ("automatic", "A print starts when its turn comes"),
            ("manual", "Its member releases it first"),
            ("badge", "Its member releases it at the kiosk, with a badge"),
        )),
        Field("badge_pin", "A badge needs its PIN as well", "tick"),
        Field("visibility", "Who sees whose prints", "choice", options=(
            ("everyone", "Everyone sees whose prints they are"),
            ("own", "Members see names and titles of their own prints only"),
        )),
        Field("reputation.finished", "Finished prints until short jobs need nobody", "whole"),
        Field("reputation.success_rate", "Part of the last twenty that must have gone well"),
        Field("reputation.longest_h", "Jobs longer than so many hours are looked at all the same"),
    )),
    Section("Opening hours", (
        Field("hours.timezone", "Time zone", "text", "For example Europe/Berlin"),
        *(Field(f"hours.open.{day}", day.capitalize(), "spans", "09:00-18:00") for day in WEEKDAYS),
        Field("hours.quiet", "Hours in which nothing starts", "spans", "22:00-07:00"),
        Field("hours.overnight", "Prints that run on when nobody is there", "choice", options=(
            ("asked", "Those whose member asked for it"),
            ("always", "All"),
            ("never", "None"),
        )),
    )),
    Section("The most that one member may have", (
        Field("member_limits.live_jobs", "Prints running at once", "whole"),
        Field("member_limits.queued_jobs", "Jobs waiting at once", "whole"),
        *_LIMITS,
        Field("semester_starts", "Semesters begin on", "list", "Month-day, such as 03-01, 09-01"),
    )),
    Section("Who comes first", (
        Field("weights.fair_share", "Who used little of late"),
        Field("weights.age", "Who has waited"),
        Field("weights.age_full_h", "… counted per so many hours"),
        Field("weights.due", "A deadline that comes near"),
        Field("weights.due_horizon_h", "… over the last so many hours"),
        Field("weights.short", "Short prints"),
        Field("weights.job_class", "What staff marked urgent"),
        Field("weights.half_life_h", "Machine time counts half after so many hours"),
    )),
    Section("Machines", (
        Field("training", "Models that need training", "list", "Ids of machine models"),
        Field("enclosed_materials", "Materials that need an enclosure", "list", "ABS, ASA"),
        Field("spool_margin", "A spool must hold this times what is needed"),
        Field("fuse.apart_s", "Seconds between two starts, for the fuse"),
        Field("fuse.heating", "Printers that may heat at once", "whole"),
    )),
    Section("Prices", (
        Field("prices.charge", "Prints are charged", "tick"),
        Field("prices.currency", "Currency", "text"),
        Field("prices.machine_h", "An hour of printing"),
        Field("prices.material_kg", "A kilogram of material"),
        Field("prices.energy_kwh", "A kilowatt hour"),
        Field("prices.labour", "Work for each copy"),
    )),
)  # fmt: skip


def shown(policy: Policy) -> dict[str, str]:
    """What the fields of the form hold for a policy, by their paths."""
    document = asdict(policy)
    return {one.path: _text(one, _get(document, one.path)) for one in _fields()}


def changes(typed: Mapping[str, str], policy: Policy) -> dict[str, Any]:
    """What somebody changed in the form, in the shape that the policy takes.

    Raises BadInput that names each field which cannot be read.
    """
    before, document = shown(policy), asdict(policy)
    wrong: dict[str, str] = {}
    changed: dict[str, Any] = {}
    for one in _fields():
        text = typed.get(one.path, "").strip()
        if text == before[one.path]:
            continue
        try:
            _put(changed, document, one.path, _value(one, text))
        except ValueError as error:
            wrong[one.path] = str(error)
    if wrong:
        raise BadInput(f"Please look at: {', '.join(_words(path) for path in wrong)}.",
                       fields=wrong)  # fmt: skip
    return changed


def difference(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What changed between two versions: words of the field, before, after."""
    flat_old, flat_new = dict(_flat(old)), dict(_flat(new))
    paths = [path for path in {**flat_old, **flat_new} if flat_old.get(path) != flat_new.get(path)]
    return [(_words(path), _plain(flat_old.get(path)), _plain(flat_new.get(path)))
            for path in paths]  # fmt: skip


def models() -> list[tuple[str, str]]:
    """The machine models that may be named for training: id and name."""
    return [(one.id, one.name) for one in machines.all_machines().values()]


def _fields() -> Iterator[Field]:
    for section in SECTIONS:
        yield from section.fields


def _words(path: str) -> str:
    return next((one.words for one in _fields() if one.path == path), path)


def _get(document: dict[str, Any], path: str) -> Any:
    found: Any = document
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _put(changed: dict[str, Any], document: dict[str, Any], path: str, value: Any) -> None:
    """Set one value; maps whose keys are the lab's own are given whole, as the policy wants."""
    *sections, name = path.split(".")
    if len(sections) == 2:
        section, inner = sections
        known = changed.setdefault(section, {})
        whole = known.setdefault(inner, dict(document[section][inner]))
        whole.pop(name, None)
        if value not in (None, []):
            whole[name] = value
        return
    place = changed
    for section in sections:
        place = place.setdefault(section, {})
    place[name] = value


def _text(one: Field, value: Any) -> str:
    if value is None:
        return ""
    if one.kind == "tick":
        return "yes" if value else ""
    if one.kind == "spans":
        return ", ".join(f"{first}-{last}" for first, last in value)
    if one.kind == "list":
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _value(one: Field, text: str) -> Any:
    """What a field's text means. Raises ValueError with words."""
    if one.kind == "tick":
        return bool(text)
    if one.kind == "spans":
        return _spans(text)
    if one.kind == "list":
        return [part.strip() for part in text.split(",") if part.strip()]
    if one.kind in ("text", "choice"):
        return text
    if not text:
        return None
    try:
        return int(text) if one.kind == "whole" else float(text.replace(",", "."))
    except ValueError:
        raise ValueError("a number") from None


def _spans(text: str) -> list[list[str]]:
    found = []
    for part in (one for one in text.split(",") if one.strip()):
        span = _SPAN.fullmatch(part)
        if span is None:
            raise ValueError("spans such as 09:00-12:00, 13:00-18:00")
        found.append([f"{one:0>5}" for one in span.groups()])
    return found


def _flat(document: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _plain(value: Any) -> str:
    if value is None or value == []:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join("-".join(one) if isinstance(one, list) else str(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
