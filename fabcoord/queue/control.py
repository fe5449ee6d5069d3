"""What a person may ask of a printer: pause, resume, cancel, an answer, an emergency stop."""

from __future__ import annotations

from typing import Any

from fabcoord.errors import BadInput, Conflict
from fabcoord.members.roles import Member, Permission
from fabcoord.queue import attempts, commands, jobs, printers
from fabcoord.queue.states import LIVE, AttemptState
from fabcoord.store.sqlite import Database

# The command, and the states of an attempt in which it means something.
APPLIES_TO: dict[str, tuple[AttemptState, ...]] = {
    "pause": (AttemptState.PRINTING,),
    "resume": (AttemptState.PAUSED,),
    "cancel": (AttemptState.OFFERED, *LIVE),
}

STOPPABLE = ("serial", "virtual")  # drivers that speak to the firmware itself


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


def answer(db: Database, member: Member, printer_id: str, choice: int) -> None:
    """Answer the question that a printer asks with the choice of this index.

    Raises Conflict when it asks nothing (any more), BadInput when there is no such choice.
    """
    printer = printers.get(db, printer_id)
    prompt = printer["prompt"]
    if prompt is None or printer["agent_id"] is None:
        raise Conflict(
            f"{printer['name']} asks nothing just now.", extra={"state": printer["state"]}
        )
    if not 0 <= choice < max(1, len(prompt["choices"])):
        raise BadInput(
            f"There is no choice {choice}.",
            hint=f"Choices count from 0: {', '.join(prompt['choices']) or 'only 0'}.",
            fields={"choice": "out of range"},
        )
    _ask_printer(db, member, printer, "answer", choice)


def emergency_stop(db: Database, member: Member, printer_id: str) -> None:
    """Stop everything on this printer at once, whoever started it, and leave it to a person.

    Raises Conflict where the way to the printer knows no such thing: then it is the mains switch.
    """
    printer = printers.get(db, printer_id)
    settings = printer["settings"]
    cuts_power = settings.get("plug_url") and settings.get("plug_off_in_emergency") is not False
    can_stop = printer["driver"] in STOPPABLE or cuts_power
    if not can_stop or printer["agent_id"] is None:
        raise Conflict(
            f"{printer['name']} cannot be stopped in an emergency from here.",
            hint="Switch it off at the mains.",
            extra={"state": printer["state"]},
        )
    _ask_printer(db, member, printer, "emergency")


def _ask_printer(
    db: Database, member: Member, printer: dict[str, Any], kind: str, choice: int = 0
) -> None:
    attempt = printers.open_attempt(db, printer["id"])
    commands.ask(
        db,
        kind,
        agent_id=printer["agent_id"],
        printer_id=printer["id"],
        attempt_id=attempt["id"] if attempt else "",
        job_id=attempt["job_id"] if attempt else None,
        choice=choice,
        actor=member.name,
    )
