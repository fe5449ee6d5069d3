"""Prints from the card in the printer that somebody else started."""

from __future__ import annotations

from pathlib import Path

from fabcoord.printers.base import Activity, Found
from tests.printers.serial.card import written
from tests.printers.serial.conftest import Reach
from tests.printers.simulated import Simulated, is_in, order, status_when


def panel_print(simulated: Simulated, moves: int = 2000) -> None:
    text = "\n".join(["M104 S200", "G28", *(f"G1 X{n % 90} F6000" for n in range(moves))])
    simulated.ask("put", name="panel.gco", text=text)
    simulated.ask("print", name="panel.gco")


def test_a_paused_print_of_somebody_else_is_paused(reach: Reach) -> None:
    simulated, printer = reach(speed=20.0)
    panel_print(simulated)
    status_when(printer, is_in(Activity.PRINTING))
    simulated.ask("panel", what="pause")
    status = status_when(printer, is_in(Activity.PAUSED))
    assert status.print is not None
    assert status.print.attempt_id is None
    assert status.print.file_name == "panel.gco"


def test_a_print_from_the_panel_in_the_middle_of_ours_ends_ours_and_is_left_alone(
    reach: Reach, tmp_path: Path
) -> None:
    simulated, printer = reach(speed=20.0)
    printer.start(order(written(tmp_path, 20_000)))
    status_when(printer, lambda s: s.print and s.print.progress > 0.001)
    panel_print(simulated)
    status = status_when(printer, lambda s: s.print and s.print.attempt_id is None)
    assert printer.find("a1") is Found.FAILED
    assert status.print is not None
    assert status.print.file_name == "panel.gco"
    state = simulated.ask("state")
    assert state["sd_printing"]
    assert state["hotend_target_c"] == 200
