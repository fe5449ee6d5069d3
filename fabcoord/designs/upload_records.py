"""What the database knows of uploads: reading one, a member's open ones, and who may read what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fabcoord.designs.visibility import VISIBLE
from fabcoord.errors import Gone, NotFound
from fabcoord.members.roles import Member
from fabcoord.store.database import Row, row, rows, value
from fabcoord.store.sqlite import Database
from fabcoord.store.values import now

BEGIN_AGAIN = "Begin the upload again."
_OPEN = (
    "SELECT * FROM uploads WHERE member_id = ? AND used_at IS NULL AND expires_at > ?"
    " ORDER BY created_at DESC, rowid DESC LIMIT 200"
)


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload of a member.

    Attributes:
        metadata: the header ``Upload-Metadata`` as it came.
        size: in bytes; None while the sender has not said it.
        arrived: bytes that are on the disk for certain: where it goes on.
        sha256: of all of it, once it is complete.
        is_duplicate: the lab had these bytes already; they were not sent again.
    """

    id: str
    name: str
    metadata: str
    size: int | None
    arrived: int
    announced_sha256: str | None
    sha256: str | None
    is_duplicate: bool
    created_at: str
    expires_at: str

    @property
    def is_complete(self) -> bool:
        return self.sha256 is not None

    def shape(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id, "name": self.name, "size": self.size, "offset": self.arrived,
            "complete": self.is_complete, "duplicate": self.is_duplicate, "sha256": self.sha256,
            "created_at": self.created_at, "expires_at": self.expires_at,
        }  # fmt: skip


def may_read(db: Database, member: Member, sha256: str, size: int) -> bool:
    """Whether a file with these bytes is in a design that this member sees.

    Only then may the lab say that it has them: else anybody could ask what private designs hold.
    """
    held = "SELECT 1 FROM files JOIN designs ON designs.id = design_id"
    found = value(
        db,
        f"{held} WHERE sha256 = :sha256 AND size = :size AND {VISIBLE} LIMIT 1",
        {"sha256": sha256, "size": size, "viewer": member.id},
    )
    return found is not None


def find(db: Database, member: Member, upload_id: str) -> Upload:
    """One open upload of the member. Raises NotFound, or Gone when it ran out or was used."""
    found = row(db, "SELECT * FROM uploads WHERE id = ? AND member_id = ?", (upload_id, member.id))
    if found is None:
        raise NotFound("You have no such upload.", hint=BEGIN_AGAIN)
    if found["used_at"] is not None:
        raise used()
    if found["expires_at"] <= now():
        raise Gone("That upload was left for too long and is removed.", hint=BEGIN_AGAIN)
    return _upload(found)


def open_ones(db: Database, member: Member) -> list[Upload]:
    """What the member has begun and not used yet, newest first."""
    return [_upload(found) for found in rows(db, _OPEN, (member.id, now()))]


def used() -> Gone:
    """The error for an upload that was used before."""
    return Gone("That upload was used already.", hint="Each upload is used once. " + BEGIN_AGAIN)


def _upload(found: Row) -> Upload:
    kept = {name: found[name] for name in Upload.__slots__}
    return Upload(**kept | {"is_duplicate": bool(found["is_duplicate"])})
