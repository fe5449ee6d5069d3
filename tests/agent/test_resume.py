"""How far prints have come is kept sparingly, and found by a person who wants to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from fabcoord.agent.held import Place, Stage
from fabcoord.agent.journal import Journal
from fabcoord.agent.places import Places
from fabcoord.agent.spool import Spool
from fabcoord.cli import main

from .doubles import offer

GCODE = "M140 S60\nM104 S200\nG28\nG90\nM83\n" + "G1 X50 Y50 Z1 E0.1 F600\nG1 X60 E0.1\n" * 100


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.sqlite")
    yield journal
    journal.close()


@pytest.fixture
def gcode(tmp_path: Path) -> Path:
    path = tmp_path / "a.gcode"
    path.write_text(GCODE)
    return path


class Counting(Journal):
    """A journal that counts what is written of places."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.writes = 0

    def note_places(self, places: Mapping[str, Place]) -> None:
        self.writes += 1
        super().note_places(places)


def test_eight_printers_write_once_a_second_together(tmp_path: Path, gcode: Path) -> None:
    now = 0.0
    journal = Counting(tmp_path / "counted.sqlite")
    places = Places(journal, lambda: now)
    for tick in range(200):  # a tenth of a second each
        now = tick / 10
        for printer in range(8):
            places.note(f"a{printer}", gcode, 1 + tick)
    assert journal.writes <= 21
    noted = journal.places()
    assert len(noted) == 8
    assert all(place.line >= 180 for place in noted.values())
    assert noted["a3"].state["x"] in (50, 60)
    journal.close()


def test_what_was_noted_survives_and_goes_with_its_attempt(
    tmp_path: Path, journal: Journal
) -> None:
    journal.accept(offer("a1"))
    journal.note_places({"a1": Place(7, {"x": 1.5}), "never held": Place(9, {})})
    journal.note_places({"a1": Place(8, {"x": 2.5})})
    again = Journal(tmp_path / "journal.sqlite")
    (attempt_id, place), *others = again.places().items()
    again.close()
    assert (attempt_id, place.line, place.state) == ("a1", 8, {"x": 2.5})
    assert not others
    assert place.at


def test_a_person_sees_the_place_and_gets_the_rest(
    tmp_path: Path, journal: Journal, gcode: Path
) -> None:
    held = journal.accept(offer("a1"))
    assert held is not None
    Places(journal).note("a1", gcode, 105)
    journal.move("a1", Stage.UNKNOWN, "unknown", "The agent was interrupted.")
    kept = Spool(tmp_path / "spool").path(held)
    kept.write_text(GCODE)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["agent", "--data", str(tmp_path), *arguments])
        return done.output if done.exit_code == 0 else f"exit {done.exit_code}: {done.output}"

    assert "a1: line 105" in run("resume-point")
    lines = run("resume-point", "a1").splitlines()
    assert lines[:2] == ["M140 S60", "M190 S60"]
    assert lines[-95:] == GCODE.splitlines()[-100:][-95:]
    assert "G28 X Y" in lines
    assert len(run("resume-point", "a1", "--line", "101").splitlines()) == len(lines) + 4
    assert "noted nothing" in run("resume-point", "a2")
    assert "no firmware profile" in run("resume-point", "a1", "--firmware", "grbl")
    kept.unlink()
    assert "not here any more" in run("resume-point")
    assert "--file" in run("resume-point", "a1")
    assert run("resume-point", "a1", "--file", str(gcode)).splitlines() == lines


def test_the_reason_of_a_print_that_was_cut_off_says_how_to_go_on(
    journal: Journal, gcode: Path
) -> None:
    now = 0.0
    places = Places(journal, lambda: now)
    assert places.way_on("a1") == ""
    places.note("a1", gcode, 2)
    assert places.way_on("a1") == "", "it had not got beyond homing"
    now = 0.5
    places.note("a2", gcode, 50)  # within the second: not written yet
    assert "line 50" in places.way_on("a2")
    assert "fabcoord agent resume-point a2" in places.way_on("a2")
