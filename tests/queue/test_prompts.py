"""A printer's question reaches people, and one answer reaches its agent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fabcoord.agent.messages import CommandResult, PromptTelemetry
from fabcoord.errors import BadInput, Conflict
from fabcoord.queue import control

from .room import Pi, Room


def asks(pi: Pi, printer_id: str, text: str = "", *choices: str) -> None:
    """The printer asks something from now on, or nothing."""
    prompt = PromptTelemetry(text, choices) if text else None
    pi.machines[printer_id] = replace(pi.machines[printer_id], prompt=prompt)
    pi.sync()


def answer(room: Room, printer_id: str, choice: int) -> None:
    with room.store.writing() as db:
        control.answer(db, room.staff, printer_id, choice)


def news(room: Room) -> int:
    return room.count_of("SELECT count(*) FROM events WHERE kind = 'printer.prompt'")


def test_a_question_is_shown_and_told_once(room: Room, pi: Pi) -> None:
    printer_id = room.printers[0]
    assert room.printer(printer_id)["prompt"] is None
    asks(pi, printer_id, "Filament changed?", "Yes", "No")
    pi.sync()
    assert room.printer(printer_id)["prompt"] == {
        "text": "Filament changed?",
        "choices": ["Yes", "No"],
    }
    assert news(room) == 1
    asks(pi, printer_id)
    assert room.printer(printer_id)["prompt"] is None
    assert news(room) == 2


def test_an_answer_travels_to_the_agent_until_it_is_done(room: Room, pi: Pi) -> None:
    printer_id = room.printers[0]
    asks(pi, printer_id, "Filament changed?", "Yes", "No")
    answer(room, printer_id, 1)
    answer(room, printer_id, 1)  # a second tap
    (command,) = pi.sync().commands
    assert (command.kind, command.printer_id, command.choice) == ("answer", printer_id, 1)
    pi.results.append(CommandResult(command.command_id, ok=True))
    assert pi.sync().commands == ()


def test_a_printer_that_asks_nothing_takes_no_answer(room: Room) -> None:
    with pytest.raises(Conflict, match="asks nothing"):
        answer(room, room.printers[0], 0)


@pytest.mark.parametrize("choice", [-1, 2])
def test_an_answer_is_one_of_the_choices(room: Room, pi: Pi, choice: int) -> None:
    asks(pi, room.printers[0], "Filament changed?", "Yes", "No")
    with pytest.raises(BadInput, match="no choice"):
        answer(room, room.printers[0], choice)


def test_a_question_without_choices_is_answered_by_its_only_button(room: Room, pi: Pi) -> None:
    asks(pi, room.printers[0], "Door open.")
    answer(room, room.printers[0], 0)
    (command,) = pi.sync().commands
    assert command.choice == 0


def test_an_emergency_stop_is_for_printers_that_we_speak_to_ourselves(room: Room, pi: Pi) -> None:
    printer_id = room.printers[0]
    with room.store.writing() as db:
        control.emergency_stop(db, room.staff, printer_id)
    (command,) = pi.sync().commands
    assert (command.kind, command.printer_id) == ("emergency", printer_id)
    with room.store.writing() as db:
        db.conn.execute("UPDATE printers SET driver = 'octoprint' WHERE id = ?", (printer_id,))
        with pytest.raises(Conflict, match="mains"):
            control.emergency_stop(db, room.staff, printer_id)
