"""A printer that hangs, is gone, or comes and goes is nobody's trouble but its own."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

import pytest

from tests.e2e.lab import Json, RunningLab
from tests.e2e.shapes import block

pytestmark = [pytest.mark.faults, pytest.mark.slicer]


def test_a_printer_that_hangs_in_its_print_delays_no_other(lab: RunningLab) -> None:
    hanging = lab.ask(lab.upload(block()), printer_id=lab.printer("Left")["id"])
    lab.until_underway(hanging)
    with standing_still(lab, "Left"):
        for _ in range(2):
            print_one(lab, "Right")
        assert lab.attempt(hanging)["state"] in ("printing", "unknown")
    lab.until(lambda: lab.attempt(hanging)["state"] != "starting", "it is heard of again")


def test_a_printer_that_is_gone_delays_no_other(lab: RunningLab) -> None:
    with standing_still(lab, "Left"):
        waiting = lab.ask(lab.upload(block()), printer_id=lab.printer("Left")["id"])
        print_one(lab, "Right")
        assert lab.job(waiting)["state"] != "awaiting_pickup"


def test_a_printer_that_comes_and_goes_delays_no_other(lab: RunningLab) -> None:
    over = threading.Event()

    def flap() -> None:
        while not over.is_set():
            lab.simulators["Left"].ask("unplug", seconds=0.3)
            over.wait(0.7)

    loose = threading.Thread(target=flap)
    loose.start()
    try:
        for _ in range(2):
            print_one(lab, "Right")
    finally:
        over.set()
        loose.join()
    lab.until_printer("Left", "idle")


def print_one(lab: RunningLab, name: str) -> None:
    printer: Json = lab.printer(name)
    job_id = lab.ask(lab.upload(block()), printer_id=printer["id"])
    [attempt] = lab.until_job(job_id, "awaiting_pickup")["attempts"]
    lab.post(f"/printers/{printer['id']}/clear", {"attempt_id": attempt["id"]})


@contextlib.contextmanager
def standing_still(lab: RunningLab, name: str) -> Iterator[None]:
    """While the block runs, a printer neither reads nor says anything."""
    process = lab.simulators[name].process
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
