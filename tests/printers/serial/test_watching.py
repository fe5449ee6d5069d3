"""When silence is an emergency and when the printer is only busy, decided without a printer."""

from __future__ import annotations

from typing import cast

import pytest

from fabcoord.printers import profiles
from fabcoord.printers.base import Activity
from fabcoord.printers.serial.ahead import Heard
from fabcoord.printers.serial.connection import Connection
from fabcoord.printers.serial.flow import Flow
from fabcoord.printers.serial.parser import Heat, Ok
from fabcoord.printers.serial.session import Session

HEATING = Heat(150.0, 200.0, 25.0, 0.0)


class Line:
    """As much of a connection as the session asks for; waits for the answer to ``front``."""

    def __init__(self, *, reports: bool) -> None:
        self.profile = profiles.default()
        self.firmware = "Marlin"
        self.heat = HEATING
        self.capabilities: dict[str, bool] = {}
        self.ready, self.halted, self.heard_busy, self.has_sd = True, False, False, True
        self.alarm_at: float | None = None
        self.stops = 0
        self.flow = Flow(self.profile)
        self.flow.restart(1000.0)
        self.flow.hear(Ok(), 1000.0)
        self._reports = reports

    def can(self, capability: str) -> bool:
        return self._reports and capability == "AUTOREPORT_TEMP"

    def emergency_stop(self) -> bool:
        self.stops += 1
        self.halted = True
        return False


def watched(*, reports: bool, front: str, seconds: int) -> tuple[Session, Line]:
    """A heating printer that has told its temperature and then works on ``front``, silently."""
    session, line = Session(), Line(reports=reports)
    session.connected(cast("Connection", line))
    session.hear(Heard(Ok(None, HEATING), ["M105"]), 1000.0)
    if front:
        line.flow.send(front, 1000.0)
    for tenth in range(seconds * 10):
        session.watch_heat(1000.0 + tenth / 10)
    return session, line


@pytest.mark.parametrize("reports", [True, False])
def test_no_word_while_it_waits_for_heat_is_an_emergency(reports: bool) -> None:
    session, line = watched(reports=reports, front="M109 S200", seconds=65)
    assert line.stops == 1
    assert session.status(1065.0).activity is Activity.ATTENTION


def test_no_word_from_one_that_promised_reports_is_an_emergency() -> None:
    assert watched(reports=True, front="G29", seconds=65)[1].stops == 1


def test_one_that_has_to_be_asked_may_probe_its_bed_for_long() -> None:
    assert watched(reports=False, front="G29", seconds=600)[1].stops == 0


def test_a_minute_is_not_up_before_it_is_up() -> None:
    assert watched(reports=True, front="M109 S200", seconds=59)[1].stops == 0


def test_it_is_asked_when_its_reports_stop() -> None:
    session, _ = watched(reports=True, front="", seconds=5)
    assert session.next_command(1005.0) != "M105"
    assert session.next_command(1015.0) == "M105"
    session.hear(Heard(Ok(None, HEATING), ["M105"]), 1015.1)
    assert session.next_command(1016.0) != "M105"
    assert session.next_command(1021.0) == "M105", "from now on every five seconds"
