"""The OctoPrint driver against a real OctoPrint with its virtual printer."""

from __future__ import annotations

import hashlib
import logging
import os
import time
import tracemalloc
from pathlib import Path

import pytest

from fabcoord.errors import PrinterBusy, PrinterError, PrinterOffline
from fabcoord.printers.base import Activity, Found, Outcome, PrintOrder
from fabcoord.printers.octoprint import OctoPrintPrinter, driver
from tests.peers.octoprint.conftest import MakeOrder, eventually
from tests.peers.octoprint.proxy import PrefixProxy
from tests.peers.octoprint.server import OctoPrintServer

pytestmark = pytest.mark.octoprint

HEAD = ["M104 S30 ; warm", "M140 S25", "G28", "G90", "M83", "G92 E0"]
SHORT = HEAD + [f"G1 X{n % 2 * 5} Y{n % 3} E0.1 F6000" for n in range(60)] + ["M104 S0", "M140 S0"]
LONG = HEAD + [line for n in range(400) for line in (f"G1 X{n % 2} F6000", "G4 P100")]


def put(printer: OctoPrintPrinter, order: PrintOrder) -> None:
    printer.transfer(order, lambda _: None)
    printer.start(order)


def activity(printer: OctoPrintPrinter) -> Activity:
    return printer.status().activity


@pytest.fixture
def crashed(octoprint: OctoPrintServer, printer: OctoPrintPrinter) -> OctoPrintPrinter:
    """A second driver for the same printer, which remembers nothing: the first one crashed."""
    return OctoPrintPrinter(octoprint.url, octoprint.api_key)


def by_hand(octoprint: OctoPrintServer, lines: list[str]) -> str:
    """Print in OctoPrint itself, as a person at its page does."""
    name = "somebodys-vase.gcode"
    (octoprint.basedir / "uploads" / name).write_text("\n".join(lines))
    octoprint.call(f"/api/files/local/{name}", {"command": "select", "print": True})
    return name


def test_an_idle_printer_shows_temperatures_and_the_version(printer: OctoPrintPrinter) -> None:
    eventually(lambda: printer.status().temperatures.hotend_c is not None)
    status = printer.status()
    assert status.activity is Activity.IDLE
    assert status.print is None
    assert status.firmware.startswith("OctoPrint 1.")
    assert 10 < (status.temperatures.bed_c or 0) < 60


def test_a_print_runs_to_the_end_from_the_very_bytes_of_ours(
    octoprint: OctoPrintServer, printer: OctoPrintPrinter, order: MakeOrder
) -> None:
    ours, steps = order(SHORT), list[float]()
    printer.transfer(ours, steps.append)
    assert activity(printer) is Activity.IDLE
    assert printer.find(ours.attempt_id) is Found.NOT_STARTED
    printer.start(ours)
    running = printer.status()
    assert running.activity is Activity.PRINTING
    assert running.print is not None
    assert running.print.attempt_id == ours.attempt_id
    assert running.ended is None
    eventually(lambda: activity(printer) is Activity.IDLE)
    ended = printer.status().ended
    assert ended is not None
    assert (ended.attempt_id, ended.outcome) == (ours.attempt_id, Outcome.FINISHED)
    assert steps == sorted(steps)
    assert steps[-1] == 1.0
    stored = octoprint.uploaded_path(ours.file_name).read_bytes()
    assert hashlib.sha256(stored).hexdigest() == ours.sha256


def test_a_print_of_one_line_is_seen_to_finish_though_it_is_over_at_once(
    printer: OctoPrintPrinter, order: MakeOrder
) -> None:
    ours = order(["M115"])
    put(printer, ours)
    eventually(lambda: _ended(printer, ours.attempt_id))
    assert _ended(printer, ours.attempt_id) is Outcome.FINISHED


def test_an_attempt_is_never_started_twice(printer: OctoPrintPrinter, order: MakeOrder) -> None:
    ours = order(SHORT)
    put(printer, ours)
    eventually(lambda: activity(printer) is Activity.IDLE)
    printer.transfer(ours, lambda _: None)
    with pytest.raises(PrinterError, match="nothing is started twice"):
        printer.start(ours)
    assert activity(printer) is Activity.IDLE


def test_a_print_pauses_and_resumes(printer: OctoPrintPrinter, order: MakeOrder) -> None:
    ours = order(LONG)
    put(printer, ours)
    printer.pause()
    eventually(lambda: activity(printer) is Activity.PAUSED)
    paused = printer.status().print
    assert paused is not None
    assert paused.attempt_id == ours.attempt_id
    printer.resume()
    eventually(lambda: activity(printer) is Activity.PRINTING)
    eventually(lambda: (printer.status().print or paused).progress > paused.progress)


def test_a_cancelled_print_ends_as_cancelled_with_its_heaters_off(
    octoprint: OctoPrintServer, printer: OctoPrintPrinter, order: MakeOrder
) -> None:
    ours = order(LONG)
    put(printer, ours)
    printer.cancel(ours.attempt_id)
    eventually(lambda: activity(printer) is Activity.IDLE)
    ended = printer.status().ended
    assert ended is not None
    assert (ended.attempt_id, ended.outcome) == (ours.attempt_id, Outcome.CANCELLED)
    eventually(lambda: printer.status().temperatures.hotend_target_c == 0)
    assert printer.find(ours.attempt_id) is Found.FAILED


def test_heaters_are_off_after_a_cancellation_even_if_octoprints_script_leaves_them_on(
    octoprint: OctoPrintServer, printer: OctoPrintPrinter, order: MakeOrder
) -> None:
    script = octoprint.basedir / "scripts/gcode/afterPrintCancelled"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("M117 cancelled\n")
    ours = order(LONG)
    put(printer, ours)
    eventually(lambda: printer.status().temperatures.bed_target_c)
    printer.cancel(ours.attempt_id)
    eventually(lambda: printer.status().ended)
    eventually(lambda: printer.status().temperatures.hotend_target_c == 0)
    assert printer.status().temperatures.bed_target_c == 0
    script.unlink()


def test_cancelling_another_attempt_leaves_the_running_print_alone(
    printer: OctoPrintPrinter, order: MakeOrder
) -> None:
    ours = order(LONG)
    put(printer, ours)
    printer.cancel("another")
    assert printer.find(ours.attempt_id) is Found.RUNNING


def test_a_print_started_in_octoprint_is_foreign_and_stays_untouched(
    octoprint: OctoPrintServer, printer: OctoPrintPrinter, order: MakeOrder
) -> None:
    ours = order(SHORT)
    printer.transfer(ours, lambda _: None)
    name = by_hand(octoprint, LONG)
    with pytest.raises(PrinterBusy, match=name):
        printer.start(ours)
    with pytest.raises(PrinterBusy):
        printer.pause()
    printer.cancel(ours.attempt_id)
    running = printer.status()
    assert running.activity is Activity.PRINTING
    assert running.print is not None
    assert (running.print.attempt_id, running.print.file_name) == (None, name)
    assert printer.find(ours.attempt_id) is Found.NOT_STARTED
    assert octoprint.call("/api/job")["state"] == "Printing"


def test_a_foreign_print_that_ends_is_told_as_foreign(
    octoprint: OctoPrintServer, printer: OctoPrintPrinter
) -> None:
    by_hand(octoprint, LONG)
    eventually(lambda: printer.status().print)
    octoprint.call("/api/job", {"command": "cancel"})
    eventually(lambda: activity(printer) is Activity.IDLE)
    ended = printer.status().ended
    assert ended is not None
    assert (ended.attempt_id, ended.outcome) == (None, Outcome.CANCELLED)


def test_a_print_of_ours_that_someone_prints_once_more_is_foreign(
    octoprint: OctoPrintServer, printer: OctoPrintPrinter, order: MakeOrder
) -> None:
    ours = order(LONG)
    put(printer, ours)
    printer.cancel(ours.attempt_id)
    eventually(lambda: activity(printer) is Activity.IDLE)
    octoprint.call("/api/job", {"command": "start"})
    eventually(lambda: printer.status().print)
    again = printer.status().print
    assert again is not None
    assert again.attempt_id is None
    printer.cancel(ours.attempt_id)
    assert octoprint.call("/api/job")["state"] == "Printing"
    assert printer.find(ours.attempt_id) is Found.FAILED


def test_after_a_crash_a_running_print_is_found_and_followed_to_its_end(
    printer: OctoPrintPrinter, crashed: OctoPrintPrinter, order: MakeOrder
) -> None:
    ours = order(SHORT)
    put(printer, ours)
    crashed.connect()
    assert crashed.find(ours.attempt_id) is Found.RUNNING
    eventually(lambda: crashed.status().ended)
    crashed.close()
    ended = crashed.status().ended
    assert ended is not None
    assert (ended.attempt_id, ended.outcome) == (ours.attempt_id, Outcome.FINISHED)


def test_after_a_crash_ended_prints_are_found_from_octoprints_record(
    printer: OctoPrintPrinter, crashed: OctoPrintPrinter, order: MakeOrder
) -> None:
    cancelled, finished = order(LONG), order(SHORT)
    put(printer, cancelled)
    printer.cancel(cancelled.attempt_id)
    eventually(lambda: activity(printer) is Activity.IDLE)
    put(printer, finished)
    eventually(lambda: printer.status().ended)
    crashed.connect()
    assert crashed.find(finished.attempt_id) is Found.FINISHED
    assert crashed.find(cancelled.attempt_id) is Found.FAILED
    ended = crashed.status().ended
    crashed.close()
    assert ended is not None
    assert (ended.attempt_id, ended.outcome) == (finished.attempt_id, Outcome.FINISHED)


def test_after_a_crash_what_only_waits_was_never_started(
    printer: OctoPrintPrinter, crashed: OctoPrintPrinter, order: MakeOrder
) -> None:
    ours = order(SHORT)
    printer.transfer(ours, lambda _: None)
    assert crashed.find(ours.attempt_id) is Found.NOT_STARTED
    assert crashed.find("never-seen-there") is Found.UNKNOWN


def test_a_file_that_changed_on_the_way_is_not_started(
    octoprint: OctoPrintServer, printer: OctoPrintPrinter, order: MakeOrder
) -> None:
    ours = order(SHORT)
    printer.transfer(ours, lambda _: None)
    stored = octoprint.uploaded_path(ours.file_name)
    good = ours.path.read_text()
    ours.path.write_text(good.replace("E0.1", "E9.9"))
    for _ in range(2):
        with pytest.raises(PrinterError, match="changed on this machine"):
            printer.transfer(ours, lambda _: None)
        with pytest.raises(PrinterError, match="changed on this machine"):
            printer.start(ours)
    ours.path.write_text(good + ";\n")
    with pytest.raises(PrinterError, match="transfer it first"):
        printer.start(ours)
    ours.path.write_text(good)
    printer.transfer(ours, lambda _: None)
    assert stored.read_text() == good
    assert octoprint.call("/api/job")["state"] == "Operational"


def test_a_wrong_key_is_refused_in_words_that_help_and_the_key_is_never_told(
    octoprint: OctoPrintServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    printer = OctoPrintPrinter(octoprint.url, "WRONGKEYWRONGKEY")
    with pytest.raises(PrinterError, match="refuses the API key") as caught:
        printer.connect()
    assert "Application Keys" in caught.value.hint
    assert "WRONGKEY" not in f"{caught.value!r} {caught.value} {caplog.text} {printer!r}"
    assert activity(printer) is Activity.OFFLINE


def test_it_is_reached_below_a_path_behind_a_proxy(
    octoprint: OctoPrintServer, order: MakeOrder
) -> None:
    with PrefixProxy(octoprint.port, "/printer3") as proxy:
        printer = OctoPrintPrinter(f"{proxy.url}/printer3/", octoprint.api_key)
        printer.connect()
        ours = order(SHORT)
        put(printer, ours)
        eventually(lambda: printer.status().ended)
        printer.close()
        assert printer.find(ours.attempt_id) is Found.FINISHED
        assert proxy.strays == []


def test_a_large_file_is_uploaded_in_little_memory(
    octoprint: OctoPrintServer, printer: OctoPrintPrinter, order: MakeOrder
) -> None:
    ours = order(["G28"])
    with ours.path.open("wb") as file:
        file.writelines(
            [b"; a comment that makes the file long, as prints are long\n" * 1024] * 1150
        )
    assert ours.path.stat().st_size > 64 << 20
    sha256 = hashlib.sha256()
    with ours.path.open("rb") as file:
        while piece := file.read(1 << 20):
            sha256.update(piece)
    tracemalloc.start()
    try:
        printer.transfer(
            PrintOrder(ours.attempt_id, ours.path, sha256.hexdigest(), ours.file_name),
            lambda _: None,
        )
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2 << 20
    octoprint.uploaded_path(ours.file_name).unlink()


def test_old_files_of_ours_are_cleared_away_and_other_peoples_stay(
    octoprint: OctoPrintServer,
    printer: OctoPrintPrinter,
    order: MakeOrder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver, "_KEPT_FILES", 2)
    theirs = octoprint.basedir / "uploads/fabcoord/waiting/vase.gcode"
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_text("G28")
    orders = [order(SHORT) for _ in range(4)]
    for age, ours in enumerate(orders):
        printer.transfer(ours, lambda _: None)
        assert printer.find(ours.attempt_id) is Found.NOT_STARTED
        path, now = octoprint.uploaded_path(ours.file_name), time.time()
        os.utime(path, (now, now + age * 10))  # from now on the clock seems to go backwards
    kept = [octoprint.uploaded_path(ours.file_name).exists() for ours in orders]
    assert kept == [False, True, True, True]
    assert theirs.exists()


def test_when_octoprint_dies_in_mid_print_it_is_offline_with_a_reason_and_then_unknown(
    tmp_path: Path, order: MakeOrder
) -> None:
    if not OctoPrintServer.installed():
        pytest.skip("OctoPrint is not installed; run script/install-octoprint")
    octoprint = OctoPrintServer(tmp_path / "octoprint")
    octoprint.start()
    try:
        printer = OctoPrintPrinter(octoprint.url, octoprint.api_key)
        printer.connect()
        ours = order(LONG)
        put(printer, ours)
        octoprint.stop()
        eventually(lambda: activity(printer) is Activity.OFFLINE)
        asked = time.monotonic()
        assert "cannot be reached" in printer.status().reason
        assert time.monotonic() - asked < 1
        with pytest.raises(PrinterOffline):
            printer.find(ours.attempt_id)
        octoprint.start()
        eventually(lambda: activity(printer) is Activity.IDLE)
        printer.close()
        assert printer.status().ended is None
        assert printer.find(ours.attempt_id) is Found.UNKNOWN
    finally:
        octoprint.stop()


def test_an_error_of_the_printer_fails_the_print_and_asks_for_attention(
    octoprint: OctoPrintServer, printer: OctoPrintPrinter, order: MakeOrder
) -> None:
    ours = order(LONG)
    put(printer, ours)
    octoprint.call("/api/printer/command", {"command": "M112"})
    eventually(lambda: activity(printer) is Activity.ATTENTION)
    status = printer.status()
    assert "error" in status.reason
    assert status.ended is not None
    assert (status.ended.attempt_id, status.ended.outcome) == (ours.attempt_id, Outcome.FAILED)
    with pytest.raises(PrinterError, match="error"):
        printer.start(ours)


def test_octoprint_without_its_printer_is_offline_and_not_made_to_connect(
    octoprint: OctoPrintServer, printer: OctoPrintPrinter, order: MakeOrder
) -> None:
    octoprint.call("/api/connection", {"command": "disconnect"})
    eventually(lambda: activity(printer) is Activity.OFFLINE)
    assert "connect it there" in printer.status().reason
    with pytest.raises(PrinterOffline, match="not connected"):
        printer.connect()
    ours = order(SHORT)
    printer.transfer(ours, lambda _: None)
    with pytest.raises(PrinterOffline):
        printer.start(ours)
    assert printer.find(ours.attempt_id) is Found.NOT_STARTED
    assert octoprint.call("/api/job")["state"] == "Offline"


def test_an_upload_that_is_given_up_leaves_nothing_behind(
    octoprint: OctoPrintServer, printer: OctoPrintPrinter, order: MakeOrder
) -> None:
    class GivenUp(Exception):
        pass

    def give_up(_: float) -> None:
        raise GivenUp

    ours = order(SHORT)
    with pytest.raises(GivenUp):
        printer.transfer(ours, give_up)
    assert not octoprint.uploaded_path(ours.file_name).exists()
    printer.transfer(ours, lambda _: None)
    assert printer.find(ours.attempt_id) is Found.NOT_STARTED


def _ended(printer: OctoPrintPrinter, attempt_id: str) -> Outcome | None:
    """How this very print ended: OctoPrint also remembers the one before."""
    ended = printer.status().ended
    return ended.outcome if ended is not None and ended.attempt_id == attempt_id else None
