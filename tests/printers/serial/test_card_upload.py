"""Files brought to the card in the printer, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fabcoord.errors import PrinterError
from fabcoord.printers.base import Activity, Outcome
from fabcoord.printers.serial.sdcard import card_name
from tests.printers.serial.card import bare, either_way, upload, written
from tests.printers.serial.conftest import Reach
from tests.printers.simulated import ended, order, status_when, until


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
