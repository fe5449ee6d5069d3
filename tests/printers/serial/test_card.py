"""Prints from the card in the printer: brought there, started, followed, found again."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from fabcoord.errors import PrinterBusy, PrinterError
from fabcoord.printers.base import Activity, Found, Outcome, PrintOrder
from fabcoord.printers.serial.driver import SerialPrinter
from fabcoord.printers.serial.parser import SdFile, SdIdle, SdPaused, SdProgress
from fabcoord.printers.serial.sdcard import CardWatch, card_name, short_name
from tests.printers.serial.conftest import Reach
from tests.printers.simulated import Simulated, ended, is_in, order, status_when, until


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


# With a printer behind it ------------------------------------------------------------------


def written(tmp_path: Path, moves: int = 300) -> Path:
    path = tmp_path / "card.gcode"
    lines = [f"G1 X{n % 90}.{n % 7} Y{n % 50} F600 ; comment" for n in range(moves)]
    path.write_text("\n".join(["M140 S60", "G28", *lines, "M104 S0", "M140 S0"]))
    return path


def bare(path: Path) -> list[str]:
    return [line.partition(";")[0].strip() for line in path.read_text().splitlines()]


def log_of(commands: list[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in commands).encode()).hexdigest()


def upload(printer: SerialPrinter, what: PrintOrder) -> list[float]:
    seen: list[float] = []
    printer.transfer(what, seen.append)
    return seen


BY_LINES = ("--without", "BINARY_FILE_TRANSFER")
either_way = pytest.mark.parametrize("options", [(), BY_LINES], ids=["packets", "lines"])


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


@either_way
def test_a_bad_line_spoils_no_file(reach: Reach, tmp_path: Path, options: tuple[str, ...]) -> None:
    simulated, printer = reach("--seed", "3", *options, from_card=True)
    path = written(tmp_path)
    for kind in ("flip_in", "lose_in"):
        simulated.ask("fault", kind=kind, rate=0.02 if options else 0.1)
    upload(printer, order(path))
    for kind in ("flip_in", "lose_in"):
        assert simulated.ask("state")["struck"][kind]
        simulated.ask("fault", kind=kind)
    there = simulated.ask("file", name=card_name("a1"))["text"].splitlines()
    # Sent as lines, a question after a lost answer is written down as well; it does no harm.
    assert [line for line in there if line != "M105" or not options] == bare(path)
    printer.start(order(path))
    status = status_when(printer, ended)
    assert status.ended is not None
    assert status.ended.outcome is Outcome.FINISHED, status.ended


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


def test_a_printer_without_a_card_takes_no_file(reach: Reach, tmp_path: Path) -> None:
    _, printer = reach("--without", "SDCARD", from_card=True)
    with pytest.raises(PrinterError, match="no SD card"):
        upload(printer, order(written(tmp_path)))


def test_a_file_that_must_not_be_printed_leaves_nothing_on_the_card(
    reach: Reach, tmp_path: Path
) -> None:
    simulated, printer = reach(from_card=True)
    path = tmp_path / "bad.gcode"
    path.write_text("G28\nM112\nG1 X5\n")
    with pytest.raises(PrinterError, match="M112"):
        upload(printer, order(path))
    assert simulated.ask("state")["sd_files"] == {}
    assert not simulated.ask("state")["killed"]


@either_way
def test_an_upload_that_was_cut_off_is_ended_by_the_next_connection(
    reach: Reach, tmp_path: Path, options: tuple[str, ...]
) -> None:
    simulated, printer = reach(*options, from_card=True, speed=20.0)
    path = written(tmp_path, 5000)

    def unplug_half_way(part: float) -> None:
        if part > 0.1:
            simulated.ask("unplug", seconds=0.1)

    with pytest.raises(PrinterError):
        printer.transfer(order(path), unplug_half_way)
    until(simulated.link.exists)
    printer.connect()
    assert printer.status().activity is Activity.IDLE
    until(lambda: simulated.ask("state")["sd_files"] == {}, "the half file to go")
    assert upload(printer, order(written(tmp_path, 20)))[-1] == 1.0


def test_another_process_gets_rid_of_the_half_file_of_one_that_was_killed(
    tmp_path: Path, reach: Reach
) -> None:
    simulated, printer = reach(from_card=True, speed=20.0)
    printer.close()
    killed = subprocess.Popen(
        [
            *(sys.executable, "-c", UPLOADING),
            *(str(simulated.link), str(written(tmp_path, 50_000))),
        ],
        stdout=subprocess.PIPE,
    )
    assert killed.stdout is not None
    assert killed.stdout.readline() == b"half way\n"
    killed.kill()
    killed.wait()
    killed.stdout.close()
    assert simulated.ask("state")["sd_files"] == {card_name("a1"): 0}
    printer.connect()
    assert simulated.ask("state")["sd_files"] == {}
    assert printer.status().activity is Activity.IDLE


UPLOADING = """
import sys, time
from pathlib import Path
from fabcoord.printers.base import PrintOrder
from fabcoord.printers.serial.driver import SerialPrinter
printer = SerialPrinter(sys.argv[1], from_card=True)
printer.connect()
told = []
def progress(part):
    if part > 0.02 and not told:
        told.append(part)
        print("half way", flush=True)
printer.transfer(PrintOrder("a1", Path(sys.argv[2]), "", "fc-a1.gcode"), progress)
"""


@either_way
def test_a_full_card_is_told_and_keeps_no_half_file(
    reach: Reach, tmp_path: Path, options: tuple[str, ...]
) -> None:
    simulated, printer = reach(*options, from_card=True)
    simulated.ask("card_room", bytes=2000)
    with pytest.raises(PrinterError, match="full"):
        upload(printer, order(written(tmp_path)))
    until(lambda: simulated.ask("state")["sd_files"] == {}, "the half file to go")
    simulated.ask("card_room", bytes=1_000_000)
    assert upload(printer, order(written(tmp_path)))[-1] == 1.0


def test_a_firmware_that_promises_packets_and_knows_none_gets_lines(
    reach: Reach, tmp_path: Path
) -> None:
    simulated, printer = reach("--false-promise", "BINARY_FILE_TRANSFER", from_card=True)
    path = written(tmp_path, 50)
    with pytest.raises(PrinterError, match="does not acknowledge"):
        upload(printer, order(path))
    assert upload(printer, order(path))[-1] == 1.0
    assert list(simulated.ask("state")["sd_files"]) == [card_name("a1")]


def test_an_emergency_stop_in_the_middle_of_a_transfer_is_heard(
    reach: Reach, tmp_path: Path
) -> None:
    simulated, printer = reach("--without", "EMERGENCY_PARSER", from_card=True, speed=20.0)

    def stop(part: float) -> None:
        if part > 0.02:
            printer.emergency_stop()

    with pytest.raises(PrinterError):
        printer.transfer(order(written(tmp_path, 5000)), stop)
    until(lambda: simulated.ask("state")["killed"], "the stop")


def test_a_print_that_reports_itself_is_rarely_asked(reach: Reach, tmp_path: Path) -> None:
    simulated, printer = reach(from_card=True, speed=20.0)
    path = written(tmp_path, 3000)
    upload(printer, order(path))
    printer.start(order(path))
    until(lambda: simulated.ask("state")["reports_sd_s"] == 2, "reports of its own")
    printer.cancel("a1")
    status_when(printer, ended)
    assert simulated.ask("state")["reports_sd_s"] == 0


def test_somebody_gives_the_file_up(reach: Reach, tmp_path: Path) -> None:
    class NobodyWantsItError(Exception):
        pass

    def give_up(part: float) -> None:
        if part > 0.05:
            raise NobodyWantsItError

    simulated, printer = reach(from_card=True, speed=20.0)
    with pytest.raises(NobodyWantsItError):
        printer.transfer(order(written(tmp_path, 5000)), give_up)
    until(lambda: simulated.ask("state")["sd_files"] == {}, "the half file to go")
    assert printer.status().activity is Activity.IDLE


# Prints from the card that somebody else started -------------------------------------------


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
