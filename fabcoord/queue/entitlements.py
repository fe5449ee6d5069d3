"""What single members are entitled to: shares, training on machines, and groups with limits."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from fabcoord.errors import BadInput, Conflict, NotFound
from fabcoord.members.roles import Member, Permission
from fabcoord.printers import machines
from fabcoord.queue.policy import parse_limits
from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import new_id, now, parse_timestamp, timestamp


def set_shares(db: Database, by: Member, member_id: str, shares: float) -> None:
    """Set what part of the machines a member is entitled to; 1 is usual, 0 comes last."""
    by.require(Permission.MANAGE_MEMBERS)
    _member(db, member_id)
    db.conn.execute("UPDATE members SET shares = ? WHERE id = ?", (shares, member_id))
    emit(db, "member.shares", member_id=member_id, actor=by.name, shares=shares)


def train(
    db: Database, by: Member, member_id: str, machine_id: str, expires_at: str | None = None
) -> None:
    """Note that a member was trained on a machine model."""
    by.require(Permission.RUN_PRINTERS)
    _member(db, member_id)
    machines.machine(machine_id)
    until = None
    if expires_at:
        try:
            until = timestamp(parse_timestamp(expires_at))
        except ValueError as error:
            raise BadInput(f"expires_at: {error}", fields={"expires_at": "no time"}) from error
    db.conn.execute(
        "INSERT INTO trainings (member_id, machine, given_by, given_at, expires_at)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET given_by = excluded.given_by,"
        " given_at = excluded.given_at, expires_at = excluded.expires_at",
        (member_id, machine_id, by.name, now(), until),
    )
    emit(db, "training.changed", member_id=member_id, actor=by.name, machine=machine_id)


def untrain(db: Database, by: Member, member_id: str, machine_id: str) -> None:
    """Take a training back. Raises NotFound where there was none."""
    by.require(Permission.RUN_PRINTERS)
    gone = row(
        db,
        "DELETE FROM trainings WHERE member_id = ? AND machine = ? RETURNING machine",
        (member_id, machine_id),
    )
    if gone is None:
        raise NotFound("This member was not trained on that machine.")
    emit(db, "training.changed", member_id=member_id, actor=by.name, machine=machine_id)


def trainings(db: Database, member_id: str) -> list[Row]:
    """What a member was trained on."""
    _member(db, member_id)
    return rows(
        db,
        "SELECT machine, given_by, given_at, expires_at FROM trainings WHERE member_id = ?"
        " ORDER BY machine",
        (member_id,),
    )


def save_group(
    db: Database,
    by: Member,
    name: str,
    limits: dict[str, Any],
    members: list[str],
    group_id: str | None = None,
) -> str:
    """Make or change a group: its limits hold for its members together. Returns its id.

    Args:
        members: ids of members.
    """
    by.require(Permission.MANAGE_MEMBERS)
    kept = json.dumps({
        name: limit for name, limit in asdict(parse_limits(limits)).items() if limit
    })  # fmt: skip
    for member_id in members:
        _member(db, member_id)
    taken = value(
        db, "SELECT 1 FROM groups WHERE name = ? AND id IS NOT ?", (name.strip(), group_id)
    )
    if taken:
        raise Conflict(f"There is a group {name!r} already.", hint="Choose another name.")
    if group_id is None:
        group_id = new_id()
        db.conn.execute(
            "INSERT INTO groups (id, name, limits, created_at) VALUES (?, ?, ?, ?)",
            (group_id, name.strip(), kept, now()),
        )
    elif row(db, "UPDATE groups SET name = ?, limits = ? WHERE id = ? RETURNING id",
             (name.strip(), kept, group_id)) is None:  # fmt: skip
        raise NotFound("There is no such group.")
    db.conn.execute("DELETE FROM group_members WHERE group_id = ?", (group_id,))
    db.conn.executemany(
        "INSERT INTO group_members (group_id, member_id) VALUES (?, ?)",
        [(group_id, member_id) for member_id in dict.fromkeys(members)],
    )
    emit(db, "group.changed", actor=by.name, group=name.strip())
    return group_id


def delete_group(db: Database, by: Member, group_id: str) -> None:
    """Dissolve a group; its members stay. Raises NotFound."""
    by.require(Permission.MANAGE_MEMBERS)
    db.conn.execute("DELETE FROM group_members WHERE group_id = ?", (group_id,))
    gone = row(db, "DELETE FROM groups WHERE id = ? RETURNING name", (group_id,))
    if gone is None:
        raise NotFound("There is no such group.")
    emit(db, "group.changed", actor=by.name, group=gone["name"])


def groups(db: Database) -> list[dict[str, Any]]:
    """All groups with their limits and the ids of their members."""
    return [
        {
            "id": item["id"],
            "name": item["name"],
            "limits": json.loads(item["limits"]),
            "members": [
                each["member_id"]
                for each in rows(
                    db, "SELECT member_id FROM group_members WHERE group_id = ?", (item["id"],)
                )
            ],
        }
        for item in rows(db, "SELECT * FROM groups ORDER BY name")
    ]


def _member(db: Database, member_id: str) -> None:
    if row(db, "SELECT 1 FROM members WHERE id = ?", (member_id,)) is None:
        raise NotFound("There is no such member.")
