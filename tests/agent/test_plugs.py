"""Plugs: each kind is read and switched off, and power is taken in an emergency only."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from fabcoord.agent.plugged import plugged
from fabcoord.agent.plugs import Plug, PlugWatch, plug_of
from fabcoord.errors import PrinterError, PrinterOffline
from fabcoord.printers.base import Activity, Status

from .plug_server import FakePlug


@pytest.fixture(params=["tasmota", "shelly1", "shelly2"])
def plug(request: pytest.FixtureRequest) -> Iterator[FakePlug]:
    plug = FakePlug(request.param, energy_wh=1250.0, power_w=84.5)
    yield plug
    plug.close()


@pytest.fixture
def shelly() -> Iterator[FakePlug]:
    plug = FakePlug("shelly2", energy_wh=1250.0, power_w=84.5)
    yield plug
    plug.close()


class Driver:
    """A driver that counts its emergency stops."""

    def __init__(self) -> None:
        self.stops, self.stopped_by_us, self.closed = 0, False, False

    def status(self) -> Status:
        metrics = {"resends": 2.0}
        return Status(Activity.PRINTING, metrics=metrics, stopped_by_us=self.stopped_by_us)

    def emergency_stop(self) -> None:
        self.stops += 1

    def close(self) -> None:
        self.closed = True


def until(said: threading.Event) -> None:
    assert said.wait(10.0)


def read(watch: PlugWatch) -> dict[str, float]:
    """Its metrics, once there are any."""
    deadline = time.monotonic() + 10.0
    while not watch.metrics and time.monotonic() < deadline:
        time.sleep(0.01)
    return watch.metrics


def test_every_kind_is_read_in_the_same_unit(plug: FakePlug) -> None:
    told = Plug(plug.kind, plug.url).read()
    assert (told.energy_mwh, told.power_w) == (1_250_000, 84.5)


def test_every_kind_is_switched_off(plug: FakePlug) -> None:
    Plug(plug.kind, plug.url).off()
    assert not plug.is_on


@pytest.mark.parametrize("broken", ["500", "nonsense", "silent"])
def test_what_a_plug_says_wrongly_is_an_error_in_words(plug: FakePlug, broken: str) -> None:
    plug.broken = broken
    with pytest.raises((PrinterError, PrinterOffline), match="plug at 127"):
        Plug(plug.kind, plug.url).read()


def test_a_tasmota_with_a_password_is_asked_with_it() -> None:
    plug = FakePlug("tasmota", energy_wh=5.0, password="a b&c")
    assert Plug("tasmota", plug.url, password="a b&c").read().energy_mwh == 5000
    with pytest.raises(PrinterError, match="measures no energy"):
        Plug("tasmota", plug.url).read()
    plug.close()


def test_settings_that_cannot_be_used_are_refused() -> None:
    assert plug_of({}) is None
    for settings in (
        {"plug": "other", "plug_url": "http://x"},
        {"plug": "tasmota", "plug_url": "ftp://x"},
        {"plug": "tasmota", "plug_url": "http://x", "plug_channel": 99},
    ):
        with pytest.raises(ValueError, match="plug"):
            plug_of(settings)


def test_a_printers_status_says_what_its_plug_counts(shelly: FakePlug) -> None:
    driver = Driver()
    watch = PlugWatch(Plug("shelly2", shelly.url), "Left")
    printer = plugged(driver, watch)  # type: ignore[arg-type]
    read(watch)
    metrics = printer.status().metrics
    assert metrics == {"resends": 2.0, "plug_energy_mwh": 1_250_000, "plug_power_w": 84.5}
    assert shelly.is_on
    printer.close()
    assert driver.closed
    assert shelly.is_on


def test_an_emergency_stop_stops_the_printer_and_takes_its_power(shelly: FakePlug) -> None:
    driver = Driver()
    printer = plugged(driver, PlugWatch(Plug("shelly2", shelly.url), "Left"))  # type: ignore[arg-type]
    printer.emergency_stop()  # type: ignore[attr-defined]
    assert (driver.stops, shelly.is_on) == (1, False)
    shelly.is_on = True  # a person switches it on again, and it stays so
    driver.stopped_by_us = True
    printer.status()
    assert shelly.is_on
    printer.close()


def test_a_stop_that_the_driver_made_by_itself_takes_the_power_once(shelly: FakePlug) -> None:
    driver = Driver()
    printer = plugged(driver, PlugWatch(Plug("shelly2", shelly.url), "Left"))  # type: ignore[arg-type]
    driver.stopped_by_us = True
    printer.status()
    until(shelly.switched_off)
    printer.close()


def test_a_plug_that_does_not_answer_is_told_again(shelly: FakePlug) -> None:
    shelly.broken = "500"
    printer = plugged(Driver(), PlugWatch(Plug("shelly2", shelly.url), "Left"))  # type: ignore[arg-type]
    with pytest.raises(PrinterError):
        printer.emergency_stop()  # type: ignore[attr-defined]
    shelly.broken = ""
    until(shelly.switched_off)
    printer.close()


def test_a_lab_may_keep_the_power_on_in_an_emergency(shelly: FakePlug) -> None:
    driver = Driver()
    watch = PlugWatch(Plug("shelly2", shelly.url), "Left")
    printer = plugged(driver, watch, cuts_power=False)  # type: ignore[arg-type]
    printer.emergency_stop()  # type: ignore[attr-defined]
    read(watch)
    assert (driver.stops, shelly.is_on) == (1, True)
    printer.close()
