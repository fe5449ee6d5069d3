"""An attempt that the agent holds, as its journal remembers it, and the stages it goes through."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fabcoord.agent.messages import Offer

_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Stage(StrEnum):
    """How far an attempt has come here. Each is on disk before the agent acts on it."""

    ACCEPTED = "accepted"  # taken; nothing may happen before the server confirms
    TRANSFERRING = "transferring"  # confirmed; the G-code is being brought to the printer
    STARTING = "starting"  # the mark: from here on a start may have reached the printer
    PRINTING = "printing"  # the printer took the start, or was seen printing it
    UNKNOWN = "unknown"  # what became of it cannot be told from here; a person decides
    ENDED = "ended"  # kept as a memory, so that it is never taken again


# Stages in which the start command has certainly not been sent.
UNMARKED = frozenset({Stage.ACCEPTED, Stage.TRANSFERRING})
# Stages in which a hot machine may be working on it.
LIVE = frozenset({Stage.STARTING, Stage.PRINTING})


@dataclass(frozen=True, slots=True)
class Held:
    """One attempt in the journal. ``reported`` is the last kind of event that was written of it."""

    attempt_id: str
    token: str = field(repr=False)
    printer_id: str
    gcode_sha256: str
    size: int
    stage: Stage
    reported: str
    layers: int | None = None
    duration_s: float | None = None

    @property
    def file_name(self) -> str:
        """The name under which a printer knows this attempt; `find` looks for it."""
        return f"fc-{self.attempt_id}.gcode"

    @property
    def may_have_started(self) -> bool:
        """Whether a start may have reached the printer."""
        return self.stage not in UNMARKED


@dataclass(frozen=True, slots=True)
class Place:
    """How far a streamed print has come: what a person needs to go on there after a cut."""

    line: int  # of the G-code, from 1: the last that the printer acknowledged
    state: dict[str, Any]  # of `modal.Modal` behind that line
    at: str = ""  # RFC 3339, when it was written


def offer_problem(offer: Offer) -> str:
    """Why an offer cannot be used at all, in one sentence; empty when it can.

    The ids become names of files here and at the printer, so nothing but plain letters passes.
    """
    if not _SAFE_ID.fullmatch(offer.attempt_id):
        return "The attempt id has characters that a file name must not have."
    if not _SHA256.fullmatch(offer.gcode_sha256):
        return "The offer does not name its G-code by a SHA-256."
    if offer.size <= 0:
        return "The offered G-code is empty."
    return ""
