"""Agents as the server knows them: pairing by code, and the one exchange called sync."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any

from fabcoord.agent.messages import (
    PROTOCOL,
    AgentEvent,
    AttemptState,
    Command,
    Offer,
    PrinterConfig,
    PrintTelemetry,
    SyncAnswer,
    SyncRequest,
)
from fabcoord.errors import BadInput, Conflict, NotAllowed, NotFound, Superseded
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import attempts, energy, printers
from fabcoord.queue.states import LIVE, AttemptEvent
from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, new_id, new_secret, now, secret_hash

PAIRING_S = 900.0
_CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_BUSY_INTERVAL_S = 1.0
_REPORTED = {event.value: event for event in AttemptEvent} | {"declined": AttemptEvent.WITHDRAW}


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent that has proved which one it is."""

    id: str
    name: str


def register(db: Database, name: str) -> tuple[Agent, str]:
    """A new agent and its token, which is kept as a hash only."""
    agent, token = Agent(new_id(), name[:80]), f"agt_{new_secret()}"
    db.conn.execute(
        "INSERT INTO agents (id, name, token_hash, created_at) VALUES (?, ?, ?, ?)",
        (agent.id, agent.name, secret_hash(token), now()),
    )
    emit(db, "agent.registered", agent_id=agent.id, name=agent.name)
    return agent, token


def by_token(db: Database, token: str) -> Agent | None:
    """The agent that a token belongs to, unless it was revoked."""
    found = row(
        db,
        "SELECT id, name FROM agents WHERE token_hash = ? AND revoked_at IS NULL",
        (secret_hash(token),),
    )
    return Agent(found["id"], found["name"]) if found else None


def revoke(db: Database, member: Member, agent_id: str) -> None:
    """Take an agent's token back; its prints go on, its reports are no longer heard."""
    member.require(Permission.MANAGE_PRINTERS)
    if row(db, "UPDATE agents SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL RETURNING id",
           (now(), agent_id)) is None:  # fmt: skip
        raise NotFound("There is no such agent.")
    emit(db, "agent.revoked", agent_id=agent_id, actor=member.name)


def ask_to_pair(db: Database, pairing: str, name: str) -> dict[str, Any]:
    """What an agent hears that wants to be paired: a code to show, or its token (once).

    ``pairing`` is the agent's own secret, so that nobody else can fetch the token.
    """
    if not 32 <= len(pairing) <= 200:
        raise BadInput("pairing is a random text of 32 to 200 characters that the agent keeps.")
    db.conn.execute("DELETE FROM pairings WHERE expires_at < ?", (now(),))
    known = row(db, "SELECT * FROM pairings WHERE pairing_hash = ?", (secret_hash(pairing),))
    if known is None:
        if value(db, "SELECT count(*) FROM pairings WHERE approved_by IS NULL") >= 20:
            raise Conflict("Too many agents are waiting to be paired.", hint="Try again later.")
        code = "-".join("".join(secrets.choice(_CODE_ALPHABET) for _ in range(4)) for _ in range(2))
        known = {"code": code, "expires_at": in_seconds(PAIRING_S), "approved_by": None}
        db.conn.execute(
            "INSERT INTO pairings (pairing_hash, code, name, created_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (secret_hash(pairing), code, name[:80] or "agent", now(), known["expires_at"]),
        )
        emit(db, "agent.waiting", name=name[:80])
    if known["approved_by"] is None:
        return {"code": known["code"], "expires_at": known["expires_at"]}
    db.conn.execute("DELETE FROM pairings WHERE pairing_hash = ?", (secret_hash(pairing),))
    agent, token = register(db, known["name"])
    return {"agent_id": agent.id, "token": token}


def approve_pairing(db: Database, member: Member, code: str) -> str:
    """A person who sees the agent's code lets it in; returns the agent's name."""
    member.require(Permission.MANAGE_PRINTERS)
    found = row(
        db,
        "UPDATE pairings SET approved_by = ? WHERE code = ? AND expires_at > ? RETURNING name",
        (member.id, code.strip().upper(), now()),
    )
    if found is None:
        raise NotFound(
            "No agent shows that code.", hint="Look at the agent's terminal; codes last 15 minutes."
        )
    emit(db, "agent.paired", actor=member.name, name=found["name"])
    return str(found["name"])


def everyone(db: Database) -> list[dict[str, Any]]:
    """All agents that are not revoked."""
    return rows(
        db,
        "SELECT id, name, version, last_seen_at, draining, created_at FROM agents"
        " WHERE revoked_at IS NULL ORDER BY created_at",
    )


def sync(
    db: Database,
    agent: Agent,
    said: SyncRequest,
    *,
    interval_s: float,
    lease_s: float,
    least_s: float = 0.0,
) -> SyncAnswer:
    """Take what an agent says and answer with what it needs to know, in one transaction.

    ``interval_s`` is when to come again with nothing to say, ``least_s`` also with prints running.

    Raises Superseded when a newer process of the same agent has spoken.
    """
    if said.protocol != PROTOCOL:
        raise BadInput(
            f"This server speaks version {PROTOCOL} of the agent protocol, not {said.protocol}.",
            hint="Bring agent and server to the same version of fabcoord.",
        )
    acked = _take_over(db, agent, said)
    held = {item.attempt_id: item.token for item in said.live}
    for item in said.live:
        attempts.renew(db, item.attempt_id, item.token, lease_s)
    for telemetry in said.printers:
        if printers.is_of_agent(db, agent.id, telemetry.printer_id):
            energy.take_in(db, telemetry.printer_id, telemetry.metrics)
    for event in sorted(said.events, key=lambda event: event.seq):
        held.setdefault(event.attempt_id, event.token)
        if event.seq > acked:
            _apply(db, agent, event, lease_s)
            acked = event.seq
    db.conn.execute("UPDATE agents SET acked = ? WHERE id = ?", (acked, agent.id))
    for telemetry in said.printers:
        printers.apply_telemetry(db, agent.id, telemetry)
        seen = telemetry.print
        if seen is None or seen.attempt_id not in held:
            continue
        found = _own(db, agent, seen.attempt_id, held[seen.attempt_id])
        if found is not None and found["printer_id"] == telemetry.printer_id:
            _follow(db, agent, found, telemetry.activity, lease_s)
            _keep_progress(db, found["id"], seen)
    for result in said.commands_done:
        db.conn.execute(
            "UPDATE commands SET ended_at = ?, ok = ?, reason = ?"
            " WHERE id = ? AND agent_id = ? AND ended_at IS NULL",
            (now(), int(result.ok), result.reason[:500], result.command_id, agent.id),
        )
    return _answer(db, agent, acked, held, interval_s, least_s)


def has_gcode(db: Database, agent: Agent, sha256: str) -> bool:
    """Whether an open attempt of this agent needs that G-code."""
    found = value(
        db,
        "SELECT 1 FROM attempts WHERE agent_id = ? AND gcode_sha256 = ?"
        " AND state NOT IN ('finished', 'failed', 'cancelled') LIMIT 1",
        (agent.id, sha256),
    )
    return found is not None


def _take_over(db: Database, agent: Agent, said: SyncRequest) -> int:
    """Note who speaks; returns the number of the last event that was applied."""
    known = row(db, "SELECT * FROM agents WHERE id = ?", (agent.id,)) or {}
    if known["instance"] not in (None, said.instance) and (
        known["instance_started_at"] > said.instance_started_at
    ):
        raise Superseded(
            "A newer process of this agent is connected.", hint="Stop this one, or pair it anew."
        )
    acked = int(known["acked"]) if known["epoch"] == said.epoch else 0
    db.conn.execute(
        "UPDATE agents SET instance = ?, instance_started_at = ?, epoch = ?, acked = ?,"
        " version = ?, draining = ?, last_seen_at = ? WHERE id = ?",
        (
            *(said.instance, said.instance_started_at, said.epoch, acked, said.version[:40]),
            *(int(said.draining), now(), agent.id),
        ),
    )
    return acked


def _apply(db: Database, agent: Agent, said: AgentEvent, lease_s: float) -> None:
    """Apply one event of an attempt that this agent holds; what does not apply is passed over.

    The answer names the attempt's state, so the agent learns what the server holds to be true.
    """
    event = _REPORTED.get(said.kind)
    if event is None or _own(db, agent, said.attempt_id, said.token) is None:
        return
    try:
        attempts.apply(
            db, said.attempt_id, event, reason=said.reason, actor=f"agent:{agent.name}",
            lease_s=lease_s,
        )  # fmt: skip
    except Conflict as conflict:
        emit(
            db, "attempt.report_refused", attempt_id=said.attempt_id, agent_id=agent.id,
            report=said.kind, reason=conflict.detail,
        )  # fmt: skip


def _follow(db: Database, agent: Agent, found: Row, activity: str, lease_s: float) -> None:
    """An attempt in doubt that is seen to print is no longer in doubt."""
    seen = {"printing": AttemptEvent.PRINT, "paused": AttemptEvent.PAUSE}.get(activity)
    if seen is not None and found["state"] in {"unknown", "printing", "paused"} - {seen.value}:
        attempts.apply(
            db, found["id"], seen, reason="Seen on the printer.", actor=f"agent:{agent.name}",
            lease_s=lease_s,
        )  # fmt: skip


def _keep_progress(db: Database, attempt_id: str, seen: PrintTelemetry) -> None:
    db.conn.execute(
        "UPDATE attempts SET progress = ?, layer = ?, layers = coalesce(?, layers),"
        " remaining_s = ? WHERE id = ? AND state IN ('starting', 'printing', 'paused')",
        (
            *(min(max(seen.progress, 0.0), 1.0), seen.layer, seen.layers),
            *(seen.remaining_s, attempt_id),
        ),
    )


def _own(db: Database, agent: Agent, attempt_id: str, token: str) -> Row | None:
    return row(
        db,
        "SELECT * FROM attempts WHERE id = ? AND agent_id = ? AND token = ?",
        (attempt_id, agent.id, token),
    )


def _answer(
    db: Database,
    agent: Agent,
    acked: int,
    held: dict[str, str],
    interval_s: float,
    least_s: float,
) -> SyncAnswer:
    open_attempts = rows(
        db,
        "SELECT * FROM attempts WHERE agent_id = ?"
        " AND state NOT IN ('finished', 'failed', 'cancelled')",
        (agent.id,),
    )
    states = [
        AttemptState(attempt_id, found["state"])
        if (found := _own(db, agent, attempt_id, token)) is not None
        else AttemptState(attempt_id, "gone")
        for attempt_id, token in held.items()
    ]
    waiting = rows(
        db,
        "SELECT * FROM commands WHERE agent_id = ? AND ended_at IS NULL AND expires_at > ?"
        " ORDER BY created_at",
        (agent.id, now()),
    )
    busy = any(item["state"] in LIVE for item in open_attempts)
    return SyncAnswer(
        acked=acked,
        interval_s=max(least_s, min(interval_s, _BUSY_INTERVAL_S) if busy else interval_s),
        printers=tuple(
            PrinterConfig(
                printer_id=item["id"],
                name=item["name"],
                driver=item["driver"],
                machine=item["machine"],
                settings=json.loads(item["settings"]),
            )
            for item in printers.of_agent(db, agent.id)
        ),
        offers=tuple(
            Offer(
                attempt_id=item["id"],
                token=item["token"],
                printer_id=item["printer_id"],
                gcode_sha256=item["gcode_sha256"],
                size=item["gcode_size"],
                file_name=item["file_name"],
                layers=item["layers"],
                duration_s=item["duration_s"],
            )
            for item in open_attempts
            if item["state"] == "offered"
        ),
        attempts=tuple(states),
        commands=tuple(
            Command(
                command_id=item["id"],
                kind=item["kind"],
                printer_id=item["printer_id"],
                attempt_id=item["attempt_id"],
                expires_at=item["expires_at"],
                choice=item["choice"],
            )
            for item in waiting
        ),
    )


def require_agent(agent: Agent, agent_id: str) -> None:
    """Raise NotAllowed when an agent speaks for another."""
    if agent.id != agent_id:
        raise NotAllowed("This token belongs to another agent.")
