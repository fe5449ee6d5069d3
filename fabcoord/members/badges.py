"""Badges and PINs: who stands at the kiosk. Kept only as slow hashes, tried only so often."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from werkzeug.security import check_password_hash, generate_password_hash

from fabcoord.errors import BadInput, Conflict, NotAllowed, NotFound, TooBusy
from fabcoord.members import accounts
from fabcoord.members.roles import Member, Permission
from fabcoord.store.database import Row, Store, row, rows, value
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, new_id, new_secret, now, secret_hash

PRESENT_S = 90.0
_FAILURES_ALLOWED = 8
_FAILURES_WITHIN_S = 300.0
_PIN_LENGTHS = range(4, 9)


@dataclass(frozen=True, slots=True)
class Presence:
    """Somebody stands at a screen and showed a badge; ``secret`` proves it until ``until``."""

    member: Member
    secret: str
    until: str


def give(db: Database, by: Member, member_id: str, number: str, label: str = "") -> str:
    """Tie a badge to a member; returns the badge's id. Raises Conflict where it is taken."""
    by.require(Permission.MANAGE_MEMBERS)
    member = accounts.get(db, member_id)
    badge_id, hashed = new_id(), _hash(_salt(db), _number(number))
    if row(db, "SELECT 1 FROM badges WHERE hash = ?", (hashed,)) is not None:
        raise Conflict("This badge is somebody's already.", hint="Take it back there first.")
    db.conn.execute(
        "INSERT INTO badges (id, hash, member_id, label, given_by, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (badge_id, hashed, member.id, label.strip()[:80], by.name, now()),
    )
    emit(db, "badge.given", member_id=member.id, actor=by.name)
    return badge_id


def take_back(db: Database, by: Member, member_id: str, badge_id: str) -> None:
    """A badge that was lost or handed in opens nothing any more. Raises NotFound."""
    by.require(Permission.MANAGE_MEMBERS)
    gone = row(
        db,
        "DELETE FROM badges WHERE id = ? AND member_id = ? RETURNING id",
        (badge_id, member_id),
    )
    if gone is None:
        raise NotFound("This member has no such badge.")
    db.conn.execute("DELETE FROM badge_presences WHERE member_id = ?", (member_id,))
    emit(db, "badge.taken_back", member_id=member_id, actor=by.name)


def of_member(db: Database, member_id: str) -> list[Row]:
    """The badges of a member, without what would open anything."""
    return rows(
        db,
        "SELECT id, label, given_by, created_at, last_seen_at FROM badges WHERE member_id = ?"
        " ORDER BY created_at",
        (member_id,),
    )


def set_pin(db: Database, member: Member, pin: str) -> None:
    """Set one's own PIN, four to eight digits; an empty one takes it away."""
    hashed = None
    if pin:
        if len(pin) not in _PIN_LENGTHS or not (pin.isascii() and pin.isdecimal()):
            raise BadInput("A PIN has 4 to 8 digits.", fields={"pin": "4 to 8 digits"})
        hashed = generate_password_hash(pin, method="scrypt:16384:8:1")
    db.conn.execute("UPDATE members SET pin_hash = ? WHERE id = ?", (hashed, member.id))
    db.conn.execute("DELETE FROM badge_presences WHERE member_id = ?", (member.id,))
    emit(db, "member.pin", member_id=member.id, actor=member.name)


def has_pin(db: Database, member: Member) -> bool:
    return value(db, "SELECT pin_hash FROM members WHERE id = ?", (member.id,)) is not None


def show(store: Store, screen: Member, number: str, pin: str, *, needs_pin: bool) -> Presence:
    """Somebody holds a badge to the reader of a screen.

    The hash takes long on purpose, so it is made outside any transaction. Raises NotAllowed for a
    badge that nobody has and for a wrong or missing PIN, TooBusy after too many of those.
    """
    screen.require(Permission.CLEAR_PLATE)
    with store.reading() as db:
        _not_too_often(db, f"badge:{screen.id}")
        salt = value(db, "SELECT value FROM settings WHERE name = 'badge_salt'")
    hashed = _hash(str(salt or ""), _number(number))
    with store.reading() as db:
        found = row(
            db,
            "SELECT members.*, badges.id AS badge_id FROM badges"
            " JOIN members ON members.id = member_id WHERE hash = ? AND disabled_at IS NULL",
            (hashed,),
        )
        if found is not None:
            _not_too_often(db, f"pin:{found['id']}")
    if found is None:
        _failed(store, f"badge:{screen.id}")
        raise NotAllowed("This badge is not known here.", hint="Ask staff to enter it for you.")
    if needs_pin:
        _check_pin(store, found, pin)
    secret, until = new_secret(), in_seconds(PRESENT_S)
    with store.writing(durable=True) as db:
        member = accounts.get(db, found["id"])
        db.conn.execute("DELETE FROM badge_presences WHERE expires_at < ?", (now(),))
        db.conn.execute(
            "INSERT INTO badge_presences (hash, member_id, screen_id, expires_at)"
            " VALUES (?, ?, ?, ?)",
            (secret_hash(secret), member.id, screen.id, until),
        )
        db.conn.execute(
            "UPDATE badges SET last_seen_at = ? WHERE id = ?", (now(), found["badge_id"])
        )
        db.conn.execute("DELETE FROM signin_failures WHERE who = ?", (f"pin:{member.id}",))
    return Presence(member, secret, until)


def who(db: Database, screen: Member, secret: str) -> Presence:
    """Who stands at this screen, by what `show` gave. Raises NotAllowed when that is over."""
    found = row(
        db,
        "SELECT member_id, expires_at FROM badge_presences"
        " WHERE hash = ? AND screen_id = ? AND expires_at > ?",
        (secret_hash(secret), screen.id, now()),
    )
    if found is None:
        raise NotAllowed("That was too long ago.", hint="Hold your badge to the reader again.")
    return Presence(accounts.get(db, found["member_id"]), secret, found["expires_at"])


def leave(db: Database, secret: str) -> None:
    """Whoever stood there is gone."""
    db.conn.execute("DELETE FROM badge_presences WHERE hash = ?", (secret_hash(secret),))


def _check_pin(store: Store, found: Row, pin: str) -> None:
    if found["pin_hash"] is None:
        raise NotAllowed("This lab wants a PIN with the badge, and you have none yet.",
                         hint="Set one on your account page.")  # fmt: skip
    if not check_password_hash(found["pin_hash"], pin):
        if pin:
            _failed(store, f"pin:{found['id']}")
        raise NotAllowed("That is not the PIN of this badge." if pin else "Type your PIN as well.",
                         hint="", extra={"needs_pin": True})  # fmt: skip


def _not_too_often(db: Database, who: str) -> None:
    failures = value(
        db,
        "SELECT count(*) FROM signin_failures WHERE who = ? AND at > ?",
        (who, in_seconds(-_FAILURES_WITHIN_S)),
    )
    if failures >= _FAILURES_ALLOWED:
        raise TooBusy("Too many wrong tries.", hint="Wait five minutes, or ask staff.")


def _failed(store: Store, who: str) -> None:
    with store.writing(durable=True) as db:
        db.conn.execute(
            "DELETE FROM signin_failures WHERE at < ?", (in_seconds(-_FAILURES_WITHIN_S),)
        )
        db.conn.execute("INSERT INTO signin_failures (who, at) VALUES (?, ?)", (who, now()))


def _number(text: str) -> str:
    """What a reader typed, as it is compared: readers add leading zeros, spaces and capitals."""
    plain = "".join(text.split()).replace(":", "").replace("-", "").upper().lstrip("0")
    if not 4 <= len(plain) <= 64 or not (plain.isascii() and plain.isalnum()):
        raise BadInput("That is not the number of a badge.", fields={"badge": "4 to 64 characters"})
    return plain


def _hash(salt: str, number: str) -> str:
    """Slow on purpose: badge numbers are short. One salt for the lab, for it is looked up."""
    return hashlib.scrypt(number.encode(), salt=salt.encode(), n=16384, r=8, p=1).hex()


def _salt(db: Database) -> str:
    found = value(db, "SELECT value FROM settings WHERE name = 'badge_salt'")
    if found is None:
        found = secrets.token_hex(16)
        db.conn.execute("INSERT INTO settings VALUES ('badge_salt', ?)", (found,))
    return str(found)
