"""A printer's status as the server hears it, and which changes it must hear at once."""

from __future__ import annotations

from dataclasses import asdict, replace

from fabcoord.agent.messages import PrinterTelemetry, PrintTelemetry
from fabcoord.printers.base import Status


def telemetry(printer_id: str, status: Status) -> PrinterTelemetry:
    """``status`` for the server."""
    running = status.print
    return PrinterTelemetry(
        printer_id=printer_id,
        activity=status.activity.value,
        reason=status.reason,
        temperatures=asdict(status.temperatures),
        print=PrintTelemetry(**asdict(running)) if running else None,
        firmware=status.firmware,
        metrics=dict(status.metrics),
    )


def with_trouble(item: PrinterTelemetry, trouble: str) -> PrinterTelemetry:
    """The same with a trouble of the agent's own in front of the printer's reason."""
    return replace(item, reason=f"{trouble} {item.reason}".strip())


def urgent(before: PrinterTelemetry | None, now: PrinterTelemetry) -> bool:
    """Whether the difference is news: what it does, why, and what it is set to heat to.

    Progress and measured temperatures can wait for the next interval.
    """
    return before is None or _news(before) != _news(now)


def _news(item: PrinterTelemetry) -> tuple[object, ...]:
    targets = {
        name: value for name, value in item.temperatures.items() if name.endswith("target_c")
    }
    running = item.print.attempt_id or item.print.file_name if item.print else None
    return item.activity, item.reason, targets, running, item.firmware
