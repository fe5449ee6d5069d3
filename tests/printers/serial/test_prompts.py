"""What the printer asks reaches a person, and the answer reaches the printer."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabcoord.errors import PrinterError
from fabcoord.printers.base import Activity, Outcome, Prompt
from fabcoord.printers.serial.parser import Action
from fabcoord.printers.serial.prompts import Prompts
from tests.printers.serial.conftest import Reach
from tests.printers.simulated import ended, is_in, order, status_when, until


def test_a_question_is_shown_when_it_is_complete() -> None:
    prompts = Prompts()
    for name, text in [
        ("prompt_begin", "Filament Runout"),
        ("prompt_button", "Purge more"),
        ("prompt_choice", "Continue"),
    ]:
        assert prompts.hear(Action(name, text))
        assert prompts.shown is None
    prompts.hear(Action("prompt_show"))
    assert prompts.shown == Prompt("Filament Runout", ("Purge more", "Continue"))
    assert not prompts.hear(Action("pause"))
    prompts.hear(Action("prompt_end"))
    assert prompts.shown is None


def test_a_printer_that_never_stops_asking_fills_no_memory() -> None:
    prompts = Prompts()
    for _ in range(10_000):
        prompts.hear(Action("prompt_button", "x" * 1000))
    prompts.hear(Action("prompt_show"))
    assert prompts.shown is not None
    assert sum(map(len, prompts.shown.choices)) < 5000


@pytest.mark.parametrize("choice", [0, 1])
def test_a_filament_change_is_answered_from_afar(reach: Reach, tmp_path: Path, choice: int) -> None:
    simulated, printer = reach()
    path = tmp_path / "change.gcode"
    moves = [f"G1 X{n % 90} F6000" for n in range(300)]
    path.write_text("\n".join(["G28", *moves, "M600", *moves]))
    printer.start(order(path))
    status = status_when(printer, lambda s: s.prompt)
    assert status.prompt == Prompt("Filament change", ("Continue", "Purge more"))
    assert status_when(printer, is_in(Activity.PAUSED)).print is not None
    with pytest.raises(PrinterError, match="no choice number 2"):
        printer.answer(2)
    printer.answer(choice)
    status = status_when(printer, ended)
    assert status.prompt is None
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED
    state = simulated.ask("state")
    assert state["answered"] == [choice]
    # The answer went out beside the numbering; no line was lost or said twice by that.
    assert simulated.ask("log")["count"] == len(moves) * 2 + 4


def test_a_question_while_nothing_prints(reach: Reach) -> None:
    simulated, printer = reach("--without", "EMERGENCY_PARSER")
    with pytest.raises(PrinterError, match="asks nothing"):
        printer.answer(0)
    for text in ("begin Load filament?", "button Yes", "button No", "show"):
        simulated.ask("say", text=f"//action:prompt_{text}")
    status_when(printer, lambda s: s.prompt == Prompt("Load filament?", ("Yes", "No")))
    printer.answer(1)
    until(lambda: simulated.ask("state")["answered"] == [1], "the answer")
    assert printer.status().prompt is None


def test_an_answer_in_the_middle_of_a_stream_loses_no_line(reach: Reach, tmp_path: Path) -> None:
    simulated, printer = reach()
    moves = [f"G1 X{n % 90}.{n % 7} F6000" for n in range(4000)]
    path = tmp_path / "moves.gcode"
    path.write_text("\n".join(["G28", *moves]))
    printer.start(order(path))
    for number in range(10):
        simulated.ask("say", text="//action:prompt_begin Sure?")
        simulated.ask("say", text="//action:prompt_show")
        status_when(printer, lambda s: s.prompt is not None or s.ended)
        if printer.status().prompt is not None:
            printer.answer(0)
            until(lambda n=number: len(simulated.ask("state")["answered"]) > n)  # type: ignore[misc]
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED
    log = simulated.ask("log")
    answers = len(simulated.ask("state")["answered"])
    assert answers > 0
    assert log["count"] == len(moves) + 2 + answers
