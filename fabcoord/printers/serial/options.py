"""What a lab decides about the way lines travel to one printer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fabcoord.printers.profiles import FirmwareProfile


class FlowMode(StrEnum):
    """How many lines may be on their way."""

    AUTO = "auto"  # as many as the receive buffer holds, where the firmware profile allows it
    PING_PONG = "ping-pong"  # one
    WINDOW = "window"  # as many as the receive buffer holds, whatever the profile says


@dataclass(frozen=True, slots=True)
class WireOptions:
    """The defaults send commands unchanged."""

    flow: FlowMode = FlowMode.AUTO
    receive_buffer_bytes: int | None = None  # instead of the profile's
    meatpack: bool = False  # two characters in a byte, where the firmware can
    shrink: bool = False  # leave out what has no meaning: spaces, trailing zeros

    def window_bytes(self, profile: FirmwareProfile, *, motion_modes: bool) -> int:
        """The receive buffer that several lines may fill; 0 for one line at a time.

        With motion modes a mere ``X10`` is a move for the firmware, such as the end of a line that
        was cut off: a line at a time then, unless the lab insists.
        """
        allowed = profile.window and not motion_modes
        if self.flow is FlowMode.WINDOW or (self.flow is FlowMode.AUTO and allowed):
            return self.receive_buffer_bytes or profile.receive_buffer_bytes
        return 0
