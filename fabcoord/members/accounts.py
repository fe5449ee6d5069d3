"""Members and their proofs of who they are: passwords, sessions, tokens, the first admin."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from werkzeug.security import check_password_hash, generate_password_hash

from fabcoord.errors import BadInput, Conflict, NotAllowed, NotFound, TooBusy
from fabcoord.members.roles import ACCOUNT_ROLES, Member, Role
from fabcoord.store.database import Store, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, new_id, new_secret, now, secret_hash

SESSION_S = 30 * 24 * 3600.0
_SHORTEST_PASSWORD = 8
_FAILURES_ALLOWED = 8
_FAILURES_WITHIN_S = 300.0
# Checked when no such member exists, so that the answer takes as long as for one who does.
_NOBODY_HASH = generate_password_hash(secrets.token_hex(), method="scrypt:16384:8:1")


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in."""

    member: Member
    csrf: str


def create(
    db: Database, name: str, role: Role, *, password: str | None = None, by: str | None = None
) -> Member:
    """Add a member; raises Conflict when the name is taken, BadInput when it will not do.

    ``by`` is who does so, for the log.
    """
    name = name.strip()
    if not 1 <= len(name) <= 80 or not name.isprintable():
        raise BadInput("A member's name has 1 to 80 printable characters.")
    if name.casefold().startswith("agent:"):
        raise BadInput("Names that begin with agent: belong to agents.", hint="Choose another.")
    if role not in ACCOUNT_ROLES:
        raise BadInput(f"No account is {role.value}.", fields={"role": "unknown"})
    if by_name(db, name) is not None:
        raise Conflict(f"There is already a member called {name}.", hint="Choose another name.")
    member = Member(new_id(), name, role)
    db.conn.execute(
        "INSERT INTO members (id, name, role, created_at) VALUES (?, ?, ?, ?)",
        (member.id, name, role.value, now()),
    )
    if password is not None:
        set_password(db, member, password)
    emit(db, "member.created", member_id=member.id, actor=by, name=name, role=role.value)
    return member


def set_password(db: Database, member: Member, password: str) -> None:
    """Set the password; all sessions of the member end."""
    if len(password) < _SHORTEST_PASSWORD:
        raise BadInput(
            f"That password has fewer than {_SHORTEST_PASSWORD} characters.",
            hint="Choose a longer one; three or four words do well.",
        )
    hashed = generate_password_hash(password, method="scrypt:16384:8:1")
    db.conn.execute("UPDATE members SET password_hash = ? WHERE id = ?", (hashed, member.id))
    db.conn.execute("DELETE FROM sessions WHERE member_id = ?", (member.id,))


def by_name(db: Database, name: str) -> Member | None:
    """The member of that name, if there is one."""
    return _member(row(db, "SELECT * FROM members WHERE name = ?", (name.strip(),)))


def get(db: Database, member_id: str) -> Member:
    """The member with that id. Raises NotFound."""
    member = _member(row(db, "SELECT * FROM members WHERE id = ?", (member_id,)))
    if member is None:
        raise NotFound("There is no such member.")
    return member


def everyone(db: Database) -> list[Member]:
    """All members, by name."""
    found = rows(db, "SELECT * FROM members WHERE disabled_at IS NULL ORDER BY name")
    return [member for item in found if (member := _member(item)) is not None]


def nobody_yet(db: Database) -> bool:
    """Whether the lab still waits for its first admin."""
    return value(db, "SELECT 1 FROM members WHERE role = 'admin' LIMIT 1") is None


def sign_in(store: Store, name: str, password: str) -> tuple[str, Session] | None:
    """A new session and its secret, or None when name or password are wrong.

    Checking a password takes a tenth of a second on purpose, so it is done outside any
    transaction: nobody else has to wait. Raises TooBusy after too many wrong tries.
    """
    who = name.strip().casefold()
    with store.reading() as db:
        failures = value(
            db,
            "SELECT count(*) FROM signin_failures WHERE who = ? AND at > ?",
            (who, in_seconds(-_FAILURES_WITHIN_S)),
        )
        found = row(
            db, "SELECT * FROM members WHERE name = ? AND disabled_at IS NULL", (name.strip(),)
        )
    if failures >= _FAILURES_ALLOWED:
        raise TooBusy(
            "Too many wrong passwords for this name.", hint="Wait five minutes, or ask an admin."
        )
    hashed = found["password_hash"] if found and found["password_hash"] else _NOBODY_HASH
    right = check_password_hash(hashed, password)
    with store.writing(durable=True) as db:
        member = _member(found)
        if not right or member is None:
            db.conn.execute(
                "DELETE FROM signin_failures WHERE at < ?", (in_seconds(-_FAILURES_WITHIN_S),)
            )
            db.conn.execute("INSERT INTO signin_failures (who, at) VALUES (?, ?)", (who, now()))
            return None
        db.conn.execute("DELETE FROM signin_failures WHERE who = ?", (who,))
        return open_session(db, member)


def open_session(db: Database, member: Member) -> tuple[str, Session]:
    """A new session for a member who has proved who they are: its secret, and itself."""
    secret, csrf = new_secret(), new_secret()
    db.conn.execute(
        "INSERT INTO sessions (hash, member_id, csrf, created_at, expires_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (secret_hash(secret), member.id, csrf, now(), in_seconds(SESSION_S)),
    )
    db.conn.execute("DELETE FROM sessions WHERE expires_at < ?", (now(),))
    return secret, Session(member, csrf)


def session(db: Database, secret: str) -> Session | None:
    """The session that a cookie names, unless it ended."""
    found = row(
        db,
        "SELECT members.*, sessions.csrf FROM sessions JOIN members ON members.id = member_id"
        " WHERE hash = ? AND expires_at > ?",
        (secret_hash(secret), now()),
    )
    member = _member(found)
    return Session(member, found["csrf"]) if found and member else None


def sign_out(db: Database, secret: str) -> None:
    """End the session."""
    db.conn.execute("DELETE FROM sessions WHERE hash = ?", (secret_hash(secret),))


def create_token(db: Database, member: Member, label: str = "", *, by: str | None = None) -> str:
    """A new API token of the member; only its hash is kept, so it is shown this once.

    ``by`` is who made it, where that was not the member.
    """
    token = f"fab_{new_secret()}"
    db.conn.execute(
        "INSERT INTO tokens (id, member_id, hash, label, created_at) VALUES (?, ?, ?, ?, ?)",
        (new_id(), member.id, secret_hash(token), label, now()),
    )
    emit(db, "token.created", member_id=member.id, actor=by or member.name, label=label)
    return token


def by_token(db: Database, token: str) -> Member | None:
    """The member that an API token speaks for, unless it was revoked."""
    return _member(
        row(
            db,
            "SELECT members.* FROM tokens JOIN members ON members.id = member_id"
            " WHERE hash = ? AND revoked_at IS NULL",
            (secret_hash(token),),
        )
    )


def first_admin_code(db: Database) -> str:
    """The one-time code that makes the first admin; the same until it is used."""
    found = value(db, "SELECT value FROM settings WHERE name = 'first_admin_code'")
    if found is None:
        found = "-".join(f"{secrets.randbelow(10000):04d}" for _ in range(3))
        db.conn.execute("INSERT INTO settings VALUES ('first_admin_code', ?)", (found,))
    return str(found)


def create_first_admin(db: Database, code: str, name: str, password: str) -> Member:
    """Make the first admin. Raises NotAllowed on a wrong code or when there is one already."""
    expected = value(db, "SELECT value FROM settings WHERE name = 'first_admin_code'")
    right = expected is not None and hmac.compare_digest(
        code.strip().encode(), str(expected).encode()
    )
    if not nobody_yet(db) or not right:
        raise NotAllowed(
            "That is not the code of this lab.",
            hint="It is printed in the terminal where fabcoord was started.",
        )
    member = create(db, name, Role.ADMIN, password=password, by=name.strip())
    db.conn.execute("DELETE FROM settings WHERE name = 'first_admin_code'")
    return member


def _member(found: dict[str, object] | None) -> Member | None:
    if found is None or found["disabled_at"] is not None:
        return None
    return Member(str(found["id"]), str(found["name"]), Role(str(found["role"])))
