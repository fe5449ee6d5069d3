"""What persons ask of agents: kept until the agent has answered or the time is up."""

from __future__ import annotations

from fabcoord.store.database import value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, new_id, now

COMMAND_S = 600.0


def ask(
    db: Database,
    kind: str,
    *,
    agent_id: str,
    printer_id: str,
    attempt_id: str = "",
    job_id: str | None = None,
    choice: int = 0,
    actor: str | None = None,
) -> None:
    """Ask an agent for something on one of its printers; asking twice asks once.

    Args:
        kind: pause, resume or cancel of ``attempt_id``, or answer with ``choice``.
    """
    waiting = value(
        db,
        "SELECT 1 FROM commands WHERE printer_id = ? AND attempt_id = ? AND kind = ?"
        " AND ended_at IS NULL AND expires_at > ?",
        (printer_id, attempt_id, kind, now()),
    )
    if waiting:
        return
    db.conn.execute(
        "INSERT INTO commands (id, agent_id, printer_id, attempt_id, kind, choice, actor,"
        " created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(new_id(), agent_id, printer_id, attempt_id, kind, choice, actor),
            *(now(), in_seconds(COMMAND_S)),
        ),
    )
    emit(
        db,
        "command.created",
        attempt_id=attempt_id or None,
        job_id=job_id,
        printer_id=printer_id,
        agent_id=agent_id,
        actor=actor,
        command=kind,
    )
