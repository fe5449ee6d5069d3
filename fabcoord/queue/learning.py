"""What prints and cleared plates really take: medians of what was measured, trusted as they grow.

Measured values are kept as logarithms, so that half and double weigh the same. Each scope (a
printer, a machine model, the lab) keeps its newest `KEPT`; one write takes as long however many
there were before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from fabcoord.store.database import row, rows
from fabcoord.store.sqlite import Database

KEPT = 50
CLEARING_S = 900.0  # how long a plate waits for somebody, until the lab has measured it
LAB = "lab"
_DOUBT = 6.0  # as many measurements weigh as much as what was believed before
_SANE = (0.1, 10.0)  # a print ten times as fast or slow is a clock or a simulator, not a machine
_SHORTEST_CLEARING_S = 10.0


@dataclass(frozen=True, slots=True)
class Middle:
    """The median of the newest measurements of a scope, as a logarithm, and how many there were."""

    value: float
    count: int


def believed(measured: Middle | None, before: float) -> float:
    """What to believe after some measurements: their median, drawn towards what was believed.

    Both are logarithms. Lies between the two; without measurements it is ``before``.
    """
    if measured is None or measured.count <= 0:
        return before
    trust = measured.count / (measured.count + _DOUBT)
    return trust * measured.value + (1.0 - trust) * before


def with_sample(samples: Sequence[float], new: float) -> tuple[list[float], float]:
    """The newest `KEPT` samples with one more, and their median."""
    kept = [*samples, new][-KEPT:]
    return kept, median(kept)


@dataclass(frozen=True, slots=True)
class Learnt:
    """All that a lab has learnt. Scopes are printers' ids, ``machine:<model>`` and ``lab``."""

    paces: dict[str, Middle] = field(default_factory=dict)
    clearings: dict[str, Middle] = field(default_factory=dict)

    def pace(self, machine: str | None = None, printer_id: str | None = None) -> float:
        """By what the slicer's estimate is to be multiplied, as far as is known: 1 is exact."""
        scope = machine_scope(machine) if machine else LAB
        pace = believed(self.paces.get(scope), 0.0)
        if printer_id is not None:
            pace = believed(self.paces.get(printer_id), pace)
        return math.exp(pace)

    def clearing_s(self, printer_id: str | None = None) -> float:
        """How long a plate of this printer waits for somebody while the lab is open."""
        wait = believed(self.clearings.get(LAB), math.log(CLEARING_S))
        if printer_id is not None:
            wait = believed(self.clearings.get(printer_id), wait)
        return round(math.exp(wait), 3)


def machine_scope(machine: str) -> str:
    """The scope that all printers of a machine model share."""
    return f"machine:{machine}"


def read(db: Database) -> Learnt:
    """What the lab has learnt so far: a few rows per printer."""
    found: dict[str, dict[str, Middle]] = {"pace": {}, "clearing": {}}
    for item in rows(db, "SELECT what, scope, middle, count FROM learnt"):
        found[item["what"]][item["scope"]] = Middle(item["middle"], item["count"])
    return Learnt(found["pace"], found["clearing"])


def learn_pace(
    db: Database, printer_id: str, machine: str, estimate_s: float, duration_s: float
) -> None:
    """A print ended by itself after ``duration_s``; the slicer had said ``estimate_s``."""
    if estimate_s <= 0 or not _SANE[0] <= duration_s / estimate_s <= _SANE[1]:
        return
    for scope in (printer_id, machine_scope(machine), LAB):
        _learn(db, "pace", scope, math.log(duration_s / estimate_s))


def learn_clearing(db: Database, printer_id: str, waited_s: float) -> None:
    """A plate was cleared after it had waited ``waited_s`` within the opening hours."""
    for scope in (printer_id, LAB):
        _learn(db, "clearing", scope, math.log(max(waited_s, _SHORTEST_CLEARING_S)))


def _learn(db: Database, what: str, scope: str, sample: float) -> None:
    found = row(db, "SELECT samples, count FROM learnt WHERE what = ? AND scope = ?", (what, scope))
    kept, middle = with_sample(json.loads(found["samples"]) if found else [], round(sample, 4))
    db.conn.execute(
        "INSERT INTO learnt VALUES (:what, :scope, :samples, :middle, 1) ON CONFLICT DO UPDATE"
        " SET samples = :samples, middle = :middle, count = count + 1",
        {"what": what, "scope": scope, "samples": json.dumps(kept), "middle": middle},
    )
