"""What a lab decides about the way lines travel to one printer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
