"""Shows how far a print is: a bar on a terminal, or a line of JSON for a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from fabcoord.printers.standalone import Progress

_BAR = 30


def shower(as_json: bool) -> Callable[[Progress], None]:
    """What to call with each news of a print."""
    if as_json:
        return lambda progress: print(json.dumps(progress.as_json()), flush=True)
    return _show_bar if sys.stdout.isatty() else _Brief().show


def in_words(progress: Progress) -> str:
    """One line for a person."""
    left = "" if progress.remaining_s is None else f", {_time(progress.remaining_s)} left"
    resends = f", {progress.resends} sent again" if progress.resends else ""
    way = f"{progress.window_bytes} bytes ahead" if progress.window_bytes else "one at a time"
    return (
        f"{progress.progress:6.1%} {progress.state}: {progress.lines_per_s:.0f} lines/s, {way}"
        f"{resends}{left}{f'. {progress.reason}' if progress.reason else ''}"
    )


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def _show_bar(progress: Progress) -> None:
    done = round(_BAR * progress.progress)
    ended = progress.state in ("finished", "cancelled", "failed")
    bar = "█" * done + "░" * (_BAR - done)
    print(f"\r\033[K{bar} {in_words(progress)}", end="\n" if ended else "", flush=True)


class _Brief:
    """For output that is kept: only when the state changes, or a tenth is done."""

    def __init__(self) -> None:
        self._shown = ("", -1)

    def show(self, progress: Progress) -> None:
        mark = (progress.state, int(progress.progress * 10))
        if mark != self._shown:
            self._shown = mark
            print(in_words(progress), flush=True)
