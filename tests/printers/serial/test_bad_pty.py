"""On a bad line over a real pty, each way of sending: what is executed is the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fabcoord.printers import profiles
from fabcoord.printers.base import Outcome
from tests.printers.serial.line import MAY_OVERRUN
from tests.printers.serial.modes import MODES, Lab, log_of
from tests.printers.simulated import ended, order, status_when

SEEDS = ("1", "2", "3")
FAST_BAUD = "1000000"
IMPATIENT = replace(profiles.default(), probe_after_s=0.2)  # for what was lost


@pytest.mark.parametrize("mode", [*MODES, "window, advanced ok"])
@pytest.mark.parametrize(
    "kind", ["flip_in", "lose_in", "lose_end", "duplicate_in", "lose_ok", "extra_ok"]
)
def test_on_a_bad_line_what_is_executed_is_the_file(
    lab: Lab, gcode: Path, kind: str, mode: str
) -> None:
    options = MODES[mode.removesuffix(", advanced ok")]
    more = ("--advanced-ok",) if mode.endswith("advanced ok") else ()
    running = [
        lab.printer(options, "--seed", seed, "--baud", FAST_BAUD, *more, profile=IMPATIENT)
        for seed in SEEDS
    ]
    for simulated, printer in running:
        simulated.ask("fault", kind=kind, rate=0.01)
        printer.start(order(gcode))
    for simulated, printer in running:
        status = status_when(printer, ended)
        assert status.ended is not None
        assert status.ended.outcome is Outcome.FINISHED, status.ended
        assert simulated.ask("log")["sha256"] == log_of(gcode, options)
        if kind not in MAY_OVERRUN:
            assert simulated.ask("state")["overflowed_bytes"] == 0
