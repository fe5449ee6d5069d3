"""Compares policies on one trace: what `fabcoord simulate` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fabcoord.errors import BadInput
from fabcoord.queue import plots, policy, traces
from fabcoord.queue.match import Offering
from fabcoord.queue.policy import Policy
from fabcoord.queue.simulation import FIRST_COME, Ask, Outcome, simulate


@dataclass(frozen=True, slots=True)
class Scene:
    """What is played: the trace, the printers, and the policy in force."""

    asks: Sequence[Ask]
    printers: Sequence[Offering]
    policy: Policy


@dataclass(frozen=True, slots=True)
class Tried:
    """One policy and what came of it."""

    name: str
    outcome: Outcome

    def figures(self) -> dict[str, float | str | int]:
        """The row of the table; times in hours."""
        waits = self.outcome.waits_s()
        return {
            "policy": self.name,
            "copies_started": len(waits),
            "wait_median_h": round(_quantile(waits, 0.5) / 3600.0, 2),
            "wait_p95_h": round(_quantile(waits, 0.95) / 3600.0, 2),
            "fairness_jain": round(self.outcome.fairness(), 4),
            "utilisation": round(self.outcome.utilisation(), 4),
        }


def gather(data: Path | None, trace: Path | None, history: bool, semester: dict[str, Any]) -> Scene:
    """What is to be played. Raises BadInput where there is nothing."""
    made_up = traces.Semester(**semester)
    if history:
        from fabcoord import config
        from fabcoord.store.database import Store

        if data is None or not (data / "lab.db").exists():
            raise BadInput("Which lab? Name its directory with --data.")
        settings = config.load(data)
        store = Store(settings.database)
        with store.reading() as db:
            asks, printers = traces.of_lab(db)
            _, rules = policy.current(db, Policy(settings.approval, settings.release))
        store.close()
        return Scene(_not_empty(asks), printers or made_up.offerings(), rules)
    if trace is not None:
        return Scene(_not_empty(traces.read_trace(trace)), made_up.offerings(), Policy())
    return Scene(made_up.asks(), made_up.offerings(), Policy())


def compare(scene: Scene, policies: Sequence[Path]) -> list[Tried]:
    """Play the scene first come first served, under its policy, and under each of these files."""
    rules = {
        "first come": replace(scene.policy, weights=FIRST_COME),
        "fair share": scene.policy,
    }
    for path in policies:
        try:
            changes = json.loads(path.read_text())
        except ValueError as error:
            raise BadInput(f"{path.name} is not JSON: {error}.") from error
        rules[path.stem] = policy.changed(scene.policy, changes)
    return [Tried(name, simulate(scene.asks, scene.printers, each)) for name, each in rules.items()]


def table(tried: Sequence[Tried]) -> str:
    """The figures, for reading."""
    head = ("policy", "copies", "median wait", "95 % wait", "Jain's index", "utilisation")
    lines = [head]
    for one in tried:
        figures = one.figures()
        lines.append((
            one.name, str(figures["copies_started"]), f"{figures['wait_median_h']:.1f} h",
            f"{figures['wait_p95_h']:.1f} h", f"{figures['fairness_jain']:.3f}",
            f"{100 * one.outcome.utilisation():.1f} %",
        ))  # fmt: skip
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def plot_waits(tried: Sequence[Tried]) -> str:
    """An SVG: how many per cent of the copies had started after so many hours."""
    lines = []
    for one in tried:
        waits = one.outcome.waits_s()
        points = [(_quantile(waits, share / 100) / 3600.0, float(share)) for share in range(101)]
        lines.append(plots.Line(one.name, points))
    return plots.plot(
        "How long copies waited", plots.Axis("hours waited"), plots.Axis("% of copies"), lines
    )


def _quantile(ordered: Sequence[float], part: float) -> float:
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0


def _not_empty(asks: list[Ask]) -> list[Ask]:
    if not asks:
        raise BadInput("Nothing was asked for there, so there is nothing to replay.")
    return asks
