"""Roles and what each may do: the one table of permissions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fabcoord.errors import NotAllowed


class Role(StrEnum):
    """What a member is to the lab."""

    ADMIN = "admin"  # everything, members and settings included
    STAFF = "staff"  # runs the printers and the queue
    MEMBER = "member"  # stores designs and asks for prints
    KIOSK = "kiosk"  # the touch screen in the room: sees, and takes the word of who stands there
    VISITOR = "visitor"  # whoever has no account here; no account has this role


class Permission(StrEnum):
    """One thing that may be done."""

    BROWSE = (
        "browse"  # read the library: all that the lab shares, or without account what is public
    )
    READ = "read"  # see designs, printers and the queue
    CONTRIBUTE = "contribute"  # upload designs
    MODERATE = "moderate"  # see and hide what others brought, settle reports
    PRINT = "print"  # ask for prints, and change one's own
    CLEAR_PLATE = "clear plate"  # state that a plate is clear
    RUN_PRINTERS = "run printers"  # pause, cancel, maintenance, resolve, anybody's jobs
    MANAGE_PRINTERS = "manage printers"  # add, change, remove; pair agents
    HANDLE_MONEY = "handle money"  # deposits, refunds, charge codes, everybody's wallet
    MANAGE_MEMBERS = "manage members"


_MEMBER = frozenset(
    {
        Permission.BROWSE, Permission.READ, Permission.CONTRIBUTE, Permission.PRINT,
        Permission.CLEAR_PLATE,
    }
)  # fmt: skip
_STAFF = _MEMBER | {
    Permission.MODERATE,
    Permission.RUN_PRINTERS,
    Permission.MANAGE_PRINTERS,
    Permission.HANDLE_MONEY,
}

GRANTS: dict[Role, frozenset[Permission]] = {
    Role.VISITOR: frozenset({Permission.BROWSE}),
    Role.KIOSK: frozenset({Permission.BROWSE, Permission.READ, Permission.CLEAR_PLATE}),
    Role.MEMBER: _MEMBER,
    Role.STAFF: _STAFF,
    Role.ADMIN: frozenset(Permission),
}


@dataclass(frozen=True, slots=True)
class Member:
    """A person, or a device that acts for the lab."""

    id: str
    name: str
    role: Role

    def may(self, permission: Permission) -> bool:
        return permission in GRANTS[self.role]

    def require(self, permission: Permission) -> None:
        """Raise NotAllowed unless this member may do it."""
        if not self.may(permission):
            raise NotAllowed(
                f"Your role here is {self.role.value}, which does not include: {permission.value}.",
                hint="Ask staff of the lab.",
            )

    @property
    def is_visitor(self) -> bool:
        """Whether this is nobody in particular."""
        return self.role is Role.VISITOR


ACCOUNT_ROLES = tuple(role for role in Role if role is not Role.VISITOR)
VISITOR = Member("", "", Role.VISITOR)
