"""The menu of every page: a few places in the bar, the others one press away."""

from __future__ import annotations

from dataclasses import dataclass

from fabcoord.members.roles import Member, Permission


@dataclass(frozen=True, slots=True)
class Place:
    """One entry: the address, its words, and who sees it."""

    address: str
    words: str
    needed: Permission
    in_bar: bool = False

    def is_open_at(self, path: str) -> bool:
        """Whether a page is this place or below it."""
        return path == self.address or path.startswith(f"{self.address}/")


PLACES = (
    Place("/kiosk", "Room", Permission.READ, in_bar=True),
    Place("/designs", "Designs", Permission.READ, in_bar=True),
    Place("/jobs", "Jobs", Permission.READ, in_bar=True),
    Place("/printers", "Printers", Permission.RUN_PRINTERS, in_bar=True),
    Place("/batches", "Batches", Permission.PRINT),
    Place("/approvals", "Approvals", Permission.RUN_PRINTERS),
    Place("/spools", "Spools", Permission.RUN_PRINTERS),
    Place("/wallet", "Wallet", Permission.PRINT),
    Place("/money", "Money", Permission.HANDLE_MONEY),
    Place("/energy", "Energy", Permission.PRINT),
    Place("/collections", "Collections", Permission.READ),
    Place("/statistics", "Statistics", Permission.PRINT),
    Place("/members", "Members", Permission.MANAGE_MEMBERS),
    Place("/policy", "Policy", Permission.MANAGE_MEMBERS),
    Place("/moderation", "Reports", Permission.MODERATE),
    Place("/audit", "Audit log", Permission.RUN_PRINTERS),
)


def places(member: Member | None) -> tuple[list[Place], list[Place]]:
    """What a member finds in the bar, and what behind it."""
    theirs = [place for place in PLACES if member is not None and member.may(place.needed)]
    return [one for one in theirs if one.in_bar], [one for one in theirs if not one.in_bar]
