"""Where a connection gets from what it says: the face that the driver shows to it."""

from __future__ import annotations

from typing import Protocol


class Source(Protocol):
    """Who knows what is to be said to a greeted printer."""

    def next_command(self, now: float) -> str | None:
        """The next command for a printer that has taken all before; None for none."""

    def next_bytes(self, now: float) -> bytes | None:
        """What goes out as it is, beside all lines; None while lines are understood."""

    def next_lines(self, now: float, most: int) -> list[str]:
        """Commands that need not wait for those before; empty while another has to go first."""
