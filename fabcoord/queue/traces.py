"""Traces of asked-for prints: a made-up semester, the lab's own past, or a CSV file."""

from __future__ import annotations

import csv
import itertools
import json
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fabcoord.errors import BadInput
from fabcoord.queue.board import offering_of
from fabcoord.queue.match import Offering, Wish
from fabcoord.queue.simulation import Ask
from fabcoord.store.database import rows
from fabcoord.store.sqlite import Database
from fabcoord.store.values import parse_timestamp, timestamp

_COLUMNS = ("asked_at", "member", "duration_s", "copies", "machine", "material", "colour", "due_at")


@dataclass(frozen=True, slots=True)
class Semester:
    """A made-up semester: most members print now and then, some a lot, all before deadlines.

    ``load`` is the machine time that is asked for over what the printers have.
    """

    members: int = 80
    printers: int = 10
    weeks: int = 16
    load: float = 1.3
    seed: int = 1

    def offerings(self) -> list[Offering]:
        """The printers: two thirds of one model, the others larger."""
        models = itertools.cycle(("small", "small", "large"))
        return [
            Offering(f"p{number}", f"Printer {number}", next(models), None, None)
            for number in range(self.printers)
        ]

    def asks(self) -> list[Ask]:
        """The jobs: log-normal lengths (median 2 h), heavy users, bursts before two deadlines."""
        chance = random.Random(self.seed)  # noqa: S311  (a made-up semester holds no secrets)
        begin_s = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
        span_s = self.weeks * 7 * 86_400.0
        wanted_s = self.load * span_s * self.printers
        keen = [chance.paretovariate(1.2) for _ in range(self.members)]
        found: list[Ask] = []
        while wanted_s > 0:
            member = chance.choices(range(self.members), keen)[0]
            copy_s = min(max(chance.lognormvariate(math.log(7200.0), 1.0), 600.0), 24 * 3600.0)
            copies = chance.choices((1, 2, 4, 10), (70, 15, 10, 5))[0]
            at_s = begin_s + span_s * self._when(chance)
            wish = Wish("large" if chance.random() < 0.1 else None, None, None, None)
            found.append(Ask(at_s, f"m{member:03}", copy_s, copies, wish))
            wanted_s -= copy_s * copies
        return sorted(found, key=lambda ask: ask.at_s)

    @staticmethod
    def _when(chance: random.Random) -> float:
        """A moment of the semester: any, or shortly before its middle or its end."""
        if chance.random() < 0.6:
            return chance.random()
        deadline = chance.choice((0.5, 1.0))
        return max(0.0, deadline - chance.expovariate(12.0) - 0.01)


def of_lab(db: Database) -> tuple[list[Ask], list[Offering]]:
    """What was asked for in this lab so far, with estimated times, and its printers.

    Members are numbered, not named: a trace may be shown to others.
    """
    numbers: dict[str, str] = {}
    asks = []
    for job in rows(
        db,
        "SELECT member_id, created_at, copies, machine, material, colour, due_at, estimate"
        " FROM jobs ORDER BY created_at",
    ):
        total_s = float(json.loads(job["estimate"]).get("duration_s") or 0.0)
        if total_s > 0:
            member = numbers.setdefault(job["member_id"], f"m{len(numbers):03}")
            wish = Wish(job["machine"], job["material"], job["colour"], None)
            asks.append(
                Ask(
                    parse_timestamp(job["created_at"]).timestamp(), member,
                    total_s / job["copies"], job["copies"], wish,
                    parse_timestamp(job["due_at"]).timestamp() if job["due_at"] else None,
                )
            )  # fmt: skip
    printers = rows(db, "SELECT * FROM printers WHERE deleted_at IS NULL ORDER BY created_at")
    return asks, [offering_of(printer) for printer in printers]


def read_trace(path: Path) -> list[Ask]:
    """A trace from CSV with the columns that `write_trace` writes. Raises BadInput with the line.

    ``asked_at`` and ``due_at`` are RFC 3339, ``duration_s`` is of one copy.
    """
    found: list[Ask] = []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = {"asked_at", "member", "duration_s"} - set(reader.fieldnames or ())
        if missing:
            raise BadInput(
                f"{path.name} has no column {', '.join(sorted(missing))}.",
                hint=f"The columns are: {', '.join(_COLUMNS)}.",
            )
        for line in reader:
            try:
                found.append(_ask(line))
            except ValueError as error:
                raise BadInput(f"{path.name}, line {reader.line_num}: {error}.") from error
    return found


def write_trace(path: Path, asks: Iterable[Ask]) -> None:
    """Write a trace as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for ask in asks:
            wish = ask.wish
            due_at = "" if ask.due_s is None else _text(ask.due_s)
            writer.writerow([
                _text(ask.at_s), ask.member, f"{ask.copy_s:.0f}", ask.copies,
                wish.machine or "", wish.material or "", wish.colour or "", due_at,
            ])  # fmt: skip


def _ask(line: dict[str, str]) -> Ask:
    copy_s, copies = float(line["duration_s"]), int(line.get("copies") or 1)
    if not (0 < copy_s < 1e8 and 0 < copies <= 10_000):
        raise ValueError("duration_s and copies are above zero")
    due_at = line.get("due_at")
    machine, material, colour = (line.get(name) or None for name in _COLUMNS[4:7])
    wish = Wish(machine, material, colour, None)
    return Ask(
        parse_timestamp(line["asked_at"]).timestamp(), line["member"], copy_s, copies, wish,
        parse_timestamp(due_at).timestamp() if due_at else None,
    )  # fmt: skip


def _text(moment_s: float) -> str:
    return timestamp(datetime.fromtimestamp(moment_s, UTC))
