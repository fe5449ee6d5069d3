"""What the printer tells of its card, and what we make of it; without a printer."""

from __future__ import annotations

import pytest

from fabcoord.printers.base import Outcome
from fabcoord.printers.serial.parser import SdFile, SdIdle, SdPaused, SdProgress
from fabcoord.printers.serial.sdcard import CardWatch, card_name, short_name


def running(byte: int = 100) -> CardWatch:
    watch = CardWatch()
    watch.hear(SdFile("A.GCO", 1000, opened=True), hot=True)
    watch.hear(SdProgress(byte, 1000), hot=True)
    assert watch.running
    return watch


def test_names_fit_on_a_card_and_tell_attempts_apart() -> None:
    names = {card_name(f"attempt-{n}") for n in range(500)}
    assert len(names) == 500
    assert all(len(name) == 12 and name.endswith(".GCO") and name.isalnum for name in names)
    assert card_name("a1") == card_name("a1") != card_name("a2")
    assert short_name("/sub/" + card_name("a1", lower_case=True) + " a long name.gcode") == (
        card_name("a1")
    )


def test_done_is_done() -> None:
    watch = running()
    watch.hear(SdIdle(finished=True), hot=True)
    assert not watch.running
    assert watch.outcome is Outcome.FINISHED


def test_not_printing_is_doubted_until_the_printer_says_which_file_is_open() -> None:
    watch = running()
    assert watch.question() == "M27"
    watch.hear(SdIdle(finished=False), hot=True)
    assert watch.running
    assert watch.question() == "M27 C"
    watch.hear(SdFile("A.GCO"), hot=True)
    assert watch.paused
    watch.hear(SdProgress(150, 1000), hot=True)
    assert not watch.paused
    watch.hear(SdIdle(finished=False), hot=True)
    watch.hear(SdFile(""), hot=True)
    assert not watch.running
    assert watch.outcome is Outcome.CANCELLED


@pytest.mark.parametrize(("hot", "still_there"), [(True, True), (False, False)])
def test_a_firmware_that_does_not_know_the_question_is_judged_by_its_heat(
    hot: bool, still_there: bool
) -> None:
    watch = running()
    for _ in range(3):
        watch.hear(SdIdle(finished=False), hot=hot)
    assert watch.running == watch.paused == still_there


def test_a_name_that_is_never_told_is_asked_for_a_few_times_only() -> None:
    watch = CardWatch()
    watch.hear(SdProgress(1, 1000), hot=True)
    asked = []
    for byte in range(2, 12):
        asked.append(watch.question())
        watch.hear(SdProgress(byte, 1000), hot=True)
    assert asked.count("M27 C") == 3
    assert watch.name == "SD card"


def test_prusa_says_that_it_is_paused() -> None:
    watch = running()
    watch.hear(SdPaused(), hot=True)
    assert watch.paused
    watch.hear_pause(paused=False)
    assert not watch.paused
