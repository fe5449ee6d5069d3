"""Carries out what a person asked of a printer, once `decide_command` has said that it applies."""

from __future__ import annotations

from collections.abc import Callable

from fabcoord.agent.messages import Command, CommandResult
from fabcoord.errors import FabcoordError, PrinterError
from fabcoord.printers.base import Printer


def carry_out(command: Command, reach: Callable[[], Printer]) -> CommandResult:
    """Do it; ``reach`` gives the driver and raises PrinterOffline while there is none."""
    try:
        driver = reach()
        match command.kind:
            case "pause":
                driver.pause()
            case "resume":
                driver.resume()
            case "answer":
                _own_way(driver, "answer")(command.choice)
            case "emergency":
                _own_way(driver, "emergency_stop")()
            case _:
                driver.cancel(command.attempt_id)
    except (FabcoordError, OSError) as error:
        return CommandResult(command.command_id, ok=False, reason=str(error))
    return CommandResult(command.command_id, ok=True)


def _own_way(driver: Printer, name: str) -> Callable[..., None]:
    """What only printers that are spoken to directly can do."""
    method: Callable[..., None] | None = getattr(driver, name, None)
    if method is None:
        raise PrinterError(
            "This is not possible with this way to reach a printer.", hint="Do it at the printer."
        )
    return method
