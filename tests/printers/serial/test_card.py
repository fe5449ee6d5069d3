"""Prints from the card in the printer: started, followed, found again."""

from __future__ import annotations

from pathlib import Path

from fabcoord.errors import PrinterBusy
from fabcoord.printers.base import Activity, Found, Outcome
from fabcoord.printers.serial.driver import SerialPrinter
from fabcoord.printers.serial.sdcard import card_name
from tests.printers.serial.card import bare, either_way, upload, written
from tests.printers.serial.conftest import Reach
from tests.printers.simulated import ended, is_in, order, status_when, until


@either_way
def test_a_file_is_brought_started_and_printed_to_the_end(
    reach: Reach, tmp_path: Path, options: tuple[str, ...]
) -> None:
    simulated, printer = reach(*options, from_card=True, speed=50.0)
    path = written(tmp_path)
    assert upload(printer, order(path))[-1] == 1.0
    assert simulated.ask("state")["sd_files"] == {
        card_name("a1"): sum(len(line) + 1 for line in bare(path))
    }
    assert printer.status().activity is Activity.IDLE
    simulated.ask("clear_log")
    printer.start(order(path))
    status = status_when(printer, lambda s: s.print and 0 < s.print.progress < 1)
    assert status.activity is Activity.PRINTING
    assert status.print is not None
    assert status.print.attempt_id == "a1"
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED
    assert printer.find("a1") is Found.FINISHED
    executed = [line for line in simulated.ask("log")["last"] if line[:3] not in ("M23", "M24")]
    assert executed[-3:] == ["M104 S0", "M140 S0", "M400"]


def test_the_print_goes_on_without_a_host_and_is_found_again(reach: Reach, tmp_path: Path) -> None:
    simulated, printer = reach(from_card=True, speed=20.0)
    path = written(tmp_path, 400)
    upload(printer, order(path))
    printer.start(order(path))
    status_when(printer, lambda s: s.print and s.print.progress > 0)
    printer.close()
    assert simulated.ask("state")["sd_printing"]
    assert simulated.ask("state")["bed_target_c"] == 60, "the heat of a print that goes on"
    # Another process, which knows nothing but the attempt's id.
    again = SerialPrinter(str(simulated.link), from_card=True)
    again.connect()
    try:
        assert found(again, "another") is Found.UNKNOWN
        assert found(again, "a1") is Found.RUNNING
        status = again.status()
        assert status.print is not None
        assert status.print.attempt_id == "a1"
        status = status_when(again, ended)
        assert status.ended is not None
        assert (status.ended.attempt_id, status.ended.outcome) == ("a1", Outcome.FINISHED)
    finally:
        again.close()


def found(printer: SerialPrinter, attempt_id: str) -> Found:
    """What the printer says once it has said what it prints."""
    answers: list[Found] = []

    def ask() -> bool:
        try:
            answers.append(printer.find(attempt_id))
        except PrinterBusy:
            return False
        return True

    until(ask, "the name of the file")
    return answers[-1]


def test_pause_resume_and_cancel(reach: Reach, tmp_path: Path) -> None:
    simulated, printer = reach(from_card=True, speed=20.0)
    path = written(tmp_path, 3000)
    upload(printer, order(path))
    printer.start(order(path))
    status_when(printer, lambda s: s.print and s.print.progress > 0)
    printer.pause()
    status_when(printer, is_in(Activity.PAUSED))
    until(lambda: "M25" in simulated.ask("log")["last"], "M25")
    paused_at = simulated.ask("log")["count"]
    printer.resume()
    status_when(printer, is_in(Activity.PRINTING))
    until(lambda: simulated.ask("log")["count"] > paused_at + 5, "the print to go on")
    printer.cancel("a1")
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.CANCELLED
    state = simulated.ask("state")
    assert not state["sd_printing"]
    assert state["bed_target_c"] == 0


def test_a_pause_at_the_panel_is_shown_and_an_abort_there_cancels(
    reach: Reach, tmp_path: Path
) -> None:
    simulated, printer = reach(from_card=True, speed=20.0)
    path = written(tmp_path, 3000)
    upload(printer, order(path))
    printer.start(order(path))
    status_when(printer, lambda s: s.print and s.print.progress > 0)
    simulated.ask("panel", what="pause")
    status_when(printer, is_in(Activity.PAUSED))
    simulated.ask("panel", what="resume")
    status_when(printer, is_in(Activity.PRINTING))
    simulated.ask("panel", what="abort")
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.CANCELLED


def test_a_file_that_is_not_there_is_not_started(reach: Reach, tmp_path: Path) -> None:
    _, printer = reach(from_card=True)
    printer.start(order(written(tmp_path)))
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FAILED
    assert "no file FC" in status.ended.reason


def test_a_print_that_reports_itself_is_rarely_asked(reach: Reach, tmp_path: Path) -> None:
    simulated, printer = reach(from_card=True, speed=20.0)
    path = written(tmp_path, 3000)
    upload(printer, order(path))
    printer.start(order(path))
    until(lambda: simulated.ask("state")["reports_sd_s"] == 2, "reports of its own")
    printer.cancel("a1")
    status_when(printer, ended)
    assert simulated.ask("state")["reports_sd_s"] == 0
