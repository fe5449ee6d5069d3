"""What the lab printed, how well, and what its printers did all day: read from daily sums."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fabcoord.errors import BadInput
from fabcoord.queue import causes, learning
from fabcoord.queue.record import CAUSE, DIMENSIONS, LAB, WAIT, split_by_day, wait_class, wait_of
from fabcoord.store.database import Row, rows
from fabcoord.store.sqlite import Database
from fabcoord.store.values import parse_timestamp

LONGEST_DAYS = 3700
_NAMES = {
    "printer": "SELECT id, name FROM printers",
    "design": "SELECT id, title AS name FROM designs",
    "member": "SELECT id, name FROM members",
}
_OWN_COLUMNS = {
    "printer": "printer_id",
    "machine": "machine",
    "material": "material",
    "design": "design_id",
    "member": "member_id",
    CAUSE: "cause",
}


@dataclass(frozen=True, slots=True)
class Period:
    """Days by the lab's clock, both ends included."""

    first: str
    last: str

    @property
    def days(self) -> list[str]:
        first, last = date.fromisoformat(self.first), date.fromisoformat(self.last)
        return [(first + timedelta(n)).isoformat() for n in range((last - first).days + 1)]


def period(first: str, last: str, days: str, today: date) -> Period:
    """What was asked for: from and to, or the last so many days (30). Raises BadInput."""
    try:
        end = date.fromisoformat(last) if last else today
        begin = date.fromisoformat(first) if first else end - timedelta(int(days or "30") - 1)
    except (ValueError, OverflowError) as error:
        raise BadInput(
            "from and to are days such as 2026-11-23; days is a number.", fields={"from": "a day"}
        ) from error
    if not 0 <= (end - begin).days < LONGEST_DAYS:
        raise BadInput(
            f"from comes before to, at most {LONGEST_DAYS} days.", fields={"from": "out of range"}
        )
    return Period(begin.isoformat(), end.isoformat())


def overview(db: Database, asked: Period, member_id: str | None = None) -> dict[str, Any]:
    """Totals, the same day by day, and how long jobs waited; of one member if one is given."""
    found = _sums(db, LAB, asked, member_id, "day")
    total = _counted(found)
    by_day: dict[str, list[Row]] = {}
    for item in found:
        by_day.setdefault(item["key"], []).append(item)
    return {
        **total,
        "days": [{"day": day, **_counted(by_day.get(day, []))} for day in asked.days],
        "waits": waits(db, asked, member_id),
    }


def by(
    db: Database, dimension: str, asked: Period, member_id: str | None = None
) -> list[dict[str, Any]]:
    """The same counts for each printer, machine, material, design, member or cause; most first."""
    if dimension not in (*DIMENSIONS, CAUSE):
        raise BadInput(
            f"There are no statistics by {dimension[:40]!r}.",
            hint=f"By: {', '.join((*DIMENSIONS, CAUSE))}.",
        )
    groups: dict[str, list[Row]] = {}
    for item in _sums(db, dimension, asked, member_id, "key"):
        groups.setdefault(item["key"], []).append(item)
    names = _names(db, dimension, set(groups))
    counted = [
        {"key": key, "name": names.get(key, key), **_counted(group)}
        for key, group in groups.items()
    ]
    return sorted(counted, key=lambda item: (-item["prints"], item["name"]))


def waits(db: Database, asked: Period, member_id: str | None = None) -> dict[str, Any]:
    """How long jobs waited from the queue to a printer: median and nine in ten, in seconds."""
    if member_id is None:
        found = rows(
            db,
            "SELECT key, sum(prints) AS prints FROM prints_daily WHERE dimension = ?"
            " AND day BETWEEN ? AND ? GROUP BY key ORDER BY key",
            (WAIT, asked.first, asked.last),
        )
        counts = [(wait_of(item["key"]), item["prints"]) for item in found]
    else:
        own = rows(
            db,
            "SELECT waited_s FROM prints WHERE member_id = ? AND day BETWEEN ? AND ?"
            " AND waited_s IS NOT NULL",
            (member_id, asked.first, asked.last),
        )
        counts = sorted((wait_of(wait_class(item["waited_s"])), 1) for item in own)
    return {
        "jobs": sum(count for _, count in counts),
        "median_s": _quantile(counts, 0.5),
        "p90_s": _quantile(counts, 0.9),
    }


def utilisation(
    db: Database, asked: Period, zone: ZoneInfo, at: datetime | None = None
) -> list[dict[str, Any]]:
    """How many seconds each printer spent in each state, day by day, up to now."""
    moment = at or datetime.now(UTC)
    spent: dict[str, dict[str, dict[str, float]]] = {}
    for item in rows(
        db,
        "SELECT * FROM printer_days WHERE day BETWEEN ? AND ?",
        (asked.first, asked.last),
    ):
        days = spent.setdefault(item["printer_id"], {})
        days.setdefault(item["day"], {})[item["state"]] = item["seconds"]
    for span in rows(db, "SELECT * FROM printer_spans"):
        since = max(parse_timestamp(span["since"]), _midnight(asked.first, zone))
        for day, seconds in split_by_day(since, moment, zone):
            if asked.first <= day <= asked.last:
                states = spent.setdefault(span["printer_id"], {}).setdefault(day, {})
                states[span["state"]] = states.get(span["state"], 0.0) + seconds
    names = _names(db, "printer", set(spent))
    return [
        {
            "printer_id": printer_id,
            "name": names.get(printer_id, printer_id),
            "states_s": _added(days.values()),
            "days": [{"day": day, "states_s": _rounded(days[day])} for day in sorted(days)],
        }
        for printer_id, days in sorted(spent.items(), key=lambda one: names.get(one[0], one[0]))
    ]


def pace(db: Database) -> dict[str, Any]:
    """By what the slicer's estimates are corrected, and how long plates wait, per printer."""
    learnt = learning.read(db)
    printers = rows(
        db, "SELECT id, name, machine FROM printers WHERE deleted_at IS NULL ORDER BY name"
    )
    machines = sorted({item["machine"] for item in printers})

    def measured(scope: str) -> int:
        found = learnt.paces.get(scope)
        return found.count if found else 0

    return {
        "factor": round(learnt.pace(), 3),
        "clearing_s": round(learnt.clearing_s()),
        "prints": measured(learning.LAB),
        "machines": [
            {
                "machine": machine,
                "factor": round(learnt.pace(machine), 3),
                "prints": measured(learning.machine_scope(machine)),
            }
            for machine in machines
        ],
        "printers": [
            {
                "printer_id": item["id"],
                "name": item["name"],
                "machine": item["machine"],
                "factor": round(learnt.pace(item["machine"], item["id"]), 3),
                "prints": measured(item["id"]),
                "clearing_s": round(learnt.clearing_s(item["id"])),
            }
            for item in printers
        ],
    }


def _sums(
    db: Database, dimension: str, asked: Period, member_id: str | None, group: str
) -> list[Row]:
    if member_id is None:
        return rows(
            db,
            f"SELECT {group} AS key, outcome, sum(prints) AS prints,"  # noqa: S608
            " sum(duration_s) AS duration_s, sum(mass_g) AS mass_g FROM prints_daily"
            " WHERE dimension = ? AND day BETWEEN ? AND ? GROUP BY 1, 2 HAVING sum(prints) > 0",
            (dimension, asked.first, asked.last),
        )
    column = "day" if group == "day" else _OWN_COLUMNS[dimension]
    return rows(
        db,
        f"SELECT {column} AS key, outcome, count(*) AS prints,"  # noqa: S608
        " sum(duration_s) AS duration_s, sum(mass_g) AS mass_g FROM prints"
        " WHERE member_id = ? AND day BETWEEN ? AND ?"
        " AND (? != 'cause' OR outcome = 'failed' OR (outcome = 'cancelled' AND cause != ''))"
        " GROUP BY 1, 2",
        (member_id, asked.first, asked.last, dimension),
    )


def _counted(found: list[Row]) -> dict[str, Any]:
    """The sums of one group. Who stopped a print says nothing of how well machines print."""
    count = dict.fromkeys(("finished", "failed", "cancelled"), 0)
    for item in found:
        count[item["outcome"]] += item["prints"]
    judged = count["finished"] + count["failed"]
    return {
        "prints": sum(count.values()),
        **count,
        "success_rate": round(count["finished"] / judged, 4) if judged else None,
        "duration_s": round(sum(item["duration_s"] for item in found)),
        "mass_g": round(sum(item["mass_g"] for item in found), 1),
    }


def _quantile(counts: list[tuple[float, int]], share: float) -> float | None:
    """The value that this share of all is at most; ``counts`` are values with how many, ordered."""
    total = sum(count for _, count in counts)
    seen = 0
    for worth, count in counts:
        seen += count
        if seen >= share * total:
            return round(worth)
    return None


def _names(db: Database, dimension: str, keys: set[str]) -> dict[str, str]:
    if dimension == CAUSE:
        return {key: causes.words(key) for key in keys}
    if dimension not in _NAMES:
        return {"": "Not said"}
    return {item["id"]: item["name"] for item in rows(db, _NAMES[dimension]) if item["id"] in keys}


def _added(days: Any) -> dict[str, int]:
    total: dict[str, float] = {}
    for states in days:
        for state, seconds in states.items():
            total[state] = total.get(state, 0.0) + seconds
    return _rounded(total)


def _rounded(states: dict[str, float]) -> dict[str, int]:
    return {state: round(seconds) for state, seconds in sorted(states.items())}


def _midnight(day: str, zone: ZoneInfo) -> datetime:
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), zone).astimezone(UTC)
