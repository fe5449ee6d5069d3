"""Trying out a change of the policy before it holds: played in the background, with figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fabcoord.errors import FabcoordError
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import policy, traces
from fabcoord.queue.comparison import Tried
from fabcoord.queue.policy import Policy
from fabcoord.queue.simulation import simulate
from fabcoord.queue.traces import Semester
from fabcoord.store.database import Store, row, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now
from fabcoord.work import ledger
from fabcoord.work.engine import Commit, Task

TRIAL = "policy.trial"
_PRIORITY = -10  # nobody's print waits for it
_ENOUGH = 100  # jobs of the lab's own; with fewer, a made-up month says more
_MONTH = Semester(members=40, printers=5, weeks=4)
_MOST = 5000  # of the newest jobs


def ask(db: Database, member: Member, changes: dict[str, Any], default: Policy) -> str:
    """Have a change tried out; returns the trial's id. Raises BadInput for what cannot be."""
    member.require(Permission.MANAGE_MEMBERS)
    policy.changed(policy.current(db, default)[1], changes)
    trial_id = new_id()
    db.conn.execute(
        "INSERT INTO policy_trials (id, changes, actor, created_at) VALUES (?, ?, ?, ?)",
        (trial_id, json.dumps(changes), member.name, now()),
    )
    ledger.enqueue(db, TRIAL, trial_id, priority=_PRIORITY)
    return trial_id


def latest(db: Database) -> dict[str, Any] | None:
    """The newest trial: ``{id, changes, state, result, error, actor, created_at}``."""
    found = row(db, "SELECT * FROM policy_trials ORDER BY created_at DESC, rowid DESC LIMIT 1")
    if found is None:
        return None
    return found | {name: json.loads(found[name]) for name in ("changes", "result")}


def task(store: Store, default: Policy) -> Task:
    """The kind of run that plays a trial."""

    def play(trial_id: str, _stopped: Callable[[], bool]) -> Commit:
        with store.reading() as db:
            changes = json.loads(
                value(db, "SELECT changes FROM policy_trials WHERE id = ?", (trial_id,))
            )
            _, present = policy.current(db, default)
            asks, printers = traces.of_lab(db)
        if len(asks) < _ENOUGH or not printers:
            asks, printers = _MONTH.asks(), _MONTH.offerings()
        try:
            changed = policy.changed(present, changes)
            result = [
                Tried(name, simulate(asks[-_MOST:], printers, replace(rules))).figures()
                for name, rules in (("as it is", present), ("as changed", changed))
            ]
        except FabcoordError as error:
            said = str(error)
            return lambda db: _end(db, trial_id, "failed", error=said)
        return lambda db: _end(db, trial_id, "done", result=result)

    return Task(TRIAL, play, lambda db, trial_id, why: _end(db, trial_id, "failed", error=why))


def _end(
    db: Database,
    trial_id: str,
    state: str,
    *,
    result: list[dict[str, float | str | int]] | None = None,
    error: str = "",
) -> None:
    db.conn.execute(
        "UPDATE policy_trials SET state = ?, result = ?, error = ? WHERE id = ?",
        (state, json.dumps(result or []), error, trial_id),
    )
    emit(db, "policy.tried", trial_id=trial_id, state=state)
