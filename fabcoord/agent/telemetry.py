"""A printer's status as the server hears it, and which changes it must hear at once."""

from __future__ import annotations

from dataclasses import asdict, replace
from math import isfinite

from fabcoord.agent.messages import PrinterTelemetry, PrintTelemetry, PromptTelemetry
from fabcoord.printers.base import Activity, Prompt, RunningPrint, Status

_LONGEST_TEXT = 500
_HUNG_S = 30.0


def telemetry(printer_id: str, status: Status) -> PrinterTelemetry:
    """``status`` for the server, with nothing in it that a printer could do harm with."""
    running = status.print
    return PrinterTelemetry(
        printer_id=printer_id,
        activity=status.activity.value,
        reason=_plain(status.reason),
        temperatures={name: _finite(value) for name, value in asdict(status.temperatures).items()},
        print=_print(running) if running else None,
        firmware=_plain(status.firmware),
        metrics={name: value for name, value in status.metrics.items() if isfinite(value)},
        details={name: _plain(words) for name, words in status.details.items()},
        prompt=_prompt(status.prompt) if status.prompt else None,
    )


def _print(running: RunningPrint) -> PrintTelemetry:
    return PrintTelemetry(
        attempt_id=running.attempt_id,
        file_name=_plain(running.file_name),
        progress=min(max(_finite(running.progress) or 0.0, 0.0), 1.0),
        layer=running.layer,
        layers=running.layers,
        remaining_s=_finite(running.remaining_s),
    )


def _prompt(prompt: Prompt) -> PromptTelemetry:
    return PromptTelemetry(_plain(prompt.text), tuple(_plain(choice) for choice in prompt.choices))


def _finite(value: float | None) -> float | None:
    """A printer may say ``T:nan``, which is not JSON."""
    return value if value is not None and isfinite(value) else None


def _plain(text: str) -> str:
    """What a printer says, short, and as text that every database takes."""
    return text[:_LONGEST_TEXT].encode("utf-8", "replace").decode().replace("\0", "")


def with_trouble(item: PrinterTelemetry, trouble: str) -> PrinterTelemetry:
    """The same with a trouble of the agent's own in front of the printer's reason."""
    return replace(item, reason=f"{trouble} {item.reason}".strip())


def unless_hung(item: PrinterTelemetry, silent_s: float) -> PrinterTelemetry:
    """The same, or offline when its driver has not come back for too long."""
    if silent_s < _HUNG_S:
        return item
    reason = f"The printer's driver has not answered for {silent_s:.0f} s."
    return replace(item, activity=Activity.OFFLINE.value, reason=reason)


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
    return item.activity, item.reason, targets, running, item.firmware, item.prompt
