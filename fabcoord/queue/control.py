"""What a person may ask of a running print: pause, resume, cancel."""

from __future__ import annotations

from fabcoord.errors import Conflict
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import attempts, jobs, printers
from fabcoord.queue.states import LIVE, AttemptState
from fabcoord.store.sqlite import Database

# The command, and the states of an attempt in which it means something.
APPLIES_TO: dict[str, tuple[AttemptState, ...]] = {
    "pause": (AttemptState.PRINTING,),
    "resume": (AttemptState.PAUSED,),
    "cancel": (AttemptState.OFFERED, *LIVE),
}


def control(db: Database, member: Member, printer_id: str, kind: str) -> None:
    """Ask for one of `APPLIES_TO` on the print of ours that is on this printer.

    Raises Conflict when there is none that it applies to, NotAllowed when it is somebody else's
    and ``member`` does not run the printers.
    """
    printer = printers.get(db, printer_id)
    attempt = printers.open_attempt(db, printer_id)
    if attempt is None or attempt["state"] not in APPLIES_TO[kind]:
        raise Conflict(
            f"{printer['name']} is {printer['state'].replace('_', ' ')};"
            f" there is nothing of ours to {kind}.",
            hint="A print that was started at the printer is stopped there.",
            extra={"state": printer["state"]},
        )
    if jobs.get_row(db, attempt["job_id"])["member_id"] != member.id:
        member.require(Permission.RUN_PRINTERS)
    if kind == "cancel":
        attempts.stop(db, attempt, member.name, f"Stopped by {member.name}.")
    else:
        attempts.command(db, attempt, kind, member.name)
