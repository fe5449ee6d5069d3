"""Why prints fail: a few words that a person chooses from, and what a reason gives away."""

from __future__ import annotations

import re
from enum import StrEnum

from fabcoord.errors import BadInput


class Cause(StrEnum):
    """Why a print did not come to its end. What nobody said is the empty text, not a cause."""

    ADHESION = "adhesion"  # came off the bed
    CLOG = "clog"  # nothing came out of the nozzle
    RUNOUT = "runout"  # the filament ended or broke
    SHIFT = "shift"  # layers beside each other
    QUALITY = "quality"  # printed, but not usable
    HEATING = "heating"  # a heater did not do as told
    POWER = "power"  # the power went
    CONNECTION = "connection"  # the printer could not be reached or took no file
    MACHINE = "machine"  # something of the machine broke or jammed
    MODEL = "model"  # the file cannot be printed this way
    PERSON = "person"  # stopped because somebody changed their mind
    OTHER = "other"


WORDS = {
    Cause.ADHESION: "Came off the bed",
    Cause.CLOG: "Nozzle clogged",
    Cause.RUNOUT: "Filament ran out or broke",
    Cause.SHIFT: "Layers shifted",
    Cause.QUALITY: "Not usable",
    Cause.HEATING: "Heating trouble",
    Cause.POWER: "Power went",
    Cause.CONNECTION: "Connection lost",
    Cause.MACHINE: "Machine broke or jammed",
    Cause.MODEL: "Cannot be printed like this",
    Cause.PERSON: "Not wanted any more",
    Cause.OTHER: "Something else",
}

# Only what firmware and agents say in fixed words; the rest is for a person to say.
_GIVEN_AWAY = (
    (Cause.RUNOUT, r"run ?out|out of filament|filament (ended|broke|sensor)"),
    (Cause.HEATING, r"thermal|heat|maxtemp|mintemp|temperature"),
    (Cause.CLOG, r"\bclog|\bjam of the nozzle"),
    (Cause.POWER, r"\bpower\b"),
    (Cause.CONNECTION, r"connection|unplugged|disconnect|not reach|timed? ?out|upload|checksum"),
)


def checked(text: str) -> str:
    """``text`` as a cause, or empty when nothing was said. Raises BadInput that names them all."""
    if text and text not in set(Cause):
        raise BadInput(
            f"{text[:40]!r} is no cause of a failure.",
            hint=f"Causes are: {', '.join(Cause)}.",
            fields={"cause": "unknown"},
        )
    return text


def given_away(reason: str) -> str:
    """The cause that a machine's own words give away, or empty."""
    text = reason.lower()
    return next((cause.value for cause, words in _GIVEN_AWAY if re.search(words, text)), "")


def words(cause: str) -> str:
    """A cause in words for people."""
    return WORDS[Cause(cause)] if cause else "Nobody said why"
