"""Where prints were cut off, and the G-code that goes on there; for a person, never done alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabcoord.agent.journal import Journal
from fabcoord.agent.spool import Spool
from fabcoord.errors import NotFound
from fabcoord.printers import profiles
from fabcoord.printers.serial.modal import resume_gcode


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The last line of a print that is known to have reached the printer."""

    attempt_id: str
    line: int
    state: dict[str, Any]
    at: str  # RFC 3339
    gcode: Path | None  # None when the agent does not keep the file any more

    def in_words(self) -> str:
        """One line for a person."""
        told = self.state
        return (
            f"{self.attempt_id}: line {self.line} at {self.at}, height {told['z']} mm, "
            f"hot end {told['hotend_c']:g} °C, bed {told['bed_c']:g} °C"
            + ("" if self.gcode else "; its G-code is not here any more")
        )


def resume_points(data_dir: Path) -> list[ResumePoint]:
    """The prints that this agent streamed, the latest first, and how far each had come."""
    path = data_dir / "journal.sqlite"
    if not path.exists():
        raise NotFound(f"There is no agent's journal in {data_dir}.", hint="Name it with --data.")
    journal, spool = Journal(path), Spool(data_dir / "spool")
    try:
        kept = {held.attempt_id: spool.path(held) for held in journal.held()}
        places = journal.places()
    finally:
        journal.close()
    return [
        ResumePoint(
            attempt_id,
            place.line,
            place.state,
            place.at,
            kept[attempt_id] if attempt_id in kept and kept[attempt_id].exists() else None,
        )
        for attempt_id, place in places.items()
    ]


def resume_file(
    points: list[ResumePoint],
    attempt_id: str,
    *,
    line: int | None = None,
    gcode: Path | None = None,
    firmware: str = profiles.DEFAULT,
) -> Iterator[str]:
    """The commands that go on with an attempt behind ``line``, or where it was cut off.

    Raises NotFound for an attempt or a file that is not here, Unprocessable where there is no
    safe way to go on.
    """
    point = next((one for one in points if one.attempt_id == attempt_id), None)
    if point is None:
        raise NotFound(f"This agent has noted nothing of a print {attempt_id}.")
    path = gcode or point.gcode
    if path is None:
        raise NotFound(
            "The agent does not keep the G-code of this print any more.",
            hint="Download it from the server and name it with --file.",
        )
    known = profiles.load_all()
    if firmware not in known:
        raise NotFound(
            f"There is no firmware profile {firmware}.", hint=f"There are: {', '.join(known)}."
        )
    return resume_gcode(path, line or point.line, known[firmware])
