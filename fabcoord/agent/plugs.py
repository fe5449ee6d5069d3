"""Smart plugs that measure a printer's energy, and can take its power in an emergency.

The agent asks them, as it stands in the same network: Tasmota, Shelly of the first generation, and
Shelly of the second and later ones.
https://tasmota.github.io/docs/Commands/ https://shelly-api-docs.shelly.cloud/
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from fabcoord.errors import PrinterError, PrinterOffline

_LOG = logging.getLogger(__name__)

_TIMEOUT_S = 3.0
_READ_EVERY_S = 10.0
_OFF_AGAIN_S = 1.0
_LARGEST_ANSWER = 64_000
_MWH = {"kWh": 1e6, "Wh": 1e3, "W·min": 1e3 / 60}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a plug told: its counter of energy, which may begin anew, and the present power."""

    energy_mwh: int
    power_w: float | None


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of plug is asked. Paths are filled with the channel and the password."""

    read: str
    off: str
    counter: Callable[[Any, int], tuple[float, str, Any]]  # amount, unit, present power


def _tasmota(told: Any, _channel: int) -> tuple[float, str, Any]:
    energy = told["StatusSNS"]["ENERGY"]
    power = energy.get("Power")
    return energy["Total"], "kWh", sum(power) if isinstance(power, list) else power


def _shelly1(told: Any, channel: int) -> tuple[float, str, Any]:
    meter = told["meters"][channel]
    return meter["total"], "W·min", meter.get("power")


def _shelly2(told: Any, _channel: int) -> tuple[float, str, Any]:
    return told["aenergy"]["total"], "Wh", told.get("apower")


KINDS = {
    "tasmota": Kind("/cm?{login}cmnd=Status%208", "/cm?{login}cmnd=Power{number}%20Off", _tasmota),
    "shelly1": Kind("/status", "/relay/{channel}?turn=off", _shelly1),
    "shelly2": Kind(
        "/rpc/Switch.GetStatus?id={channel}", "/rpc/Switch.Set?id={channel}&on=false", _shelly2
    ),
}


class Plug:
    """One plug.

    Args:
        kind: one of `KINDS`.
        url: its address, ``http://…``.
        channel: which of its sockets, from 0.
        password: of its web page; empty where it has none. Not for ``shelly2``, whose logins
            this program does not speak: leave that plug open in a network of its own.
    """

    def __init__(self, kind: str, url: str, channel: int = 0, password: str = "") -> None:
        parts = urlsplit(url)
        if kind not in KINDS or parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"plug {kind} at {url}")
        self._kind, self._channel, self._password = KINDS[kind], channel, password
        self._host, self._port = parts.hostname, parts.port or 80
        self._is_tasmota = kind == "tasmota"

    def read(self) -> Reading:
        """Raises PrinterOffline where it does not answer, PrinterError where that is nonsense."""
        told = self._get(self._kind.read)
        try:
            amount, unit, power = self._kind.counter(told, self._channel)
            energy_mwh = round(float(amount) * _MWH[unit])
            power_w = None if power is None else float(power)
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise PrinterError(
                f"The plug at {self._host} measures no energy: {error!r}."
            ) from error
        if energy_mwh < 0 or energy_mwh >= 1 << 53 or not math.isfinite(power_w or 0.0):
            raise PrinterError(f"The plug at {self._host} measures {amount} {unit}.")
        return Reading(energy_mwh, power_w)

    def off(self) -> None:
        """Take the power. Raises PrinterOffline or PrinterError."""
        self._get(self._kind.off)

    def _get(self, path: str) -> Any:
        login = ""
        headers = {"Connection": "close"}
        if self._password and self._is_tasmota:
            login = f"user=admin&password={quote(self._password, safe='')}&"
        elif self._password:
            word = base64.b64encode(f"admin:{self._password}".encode()).decode()
            headers["Authorization"] = f"Basic {word}"
        number = self._channel + 1 if self._channel else ""
        path = path.format(channel=self._channel, number=number, login=login)
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", path, headers=headers)
            reply = connection.getresponse()
            body = reply.read(_LARGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise PrinterOffline(f"The plug at {self._host} does not answer: {error}.") from error
        finally:
            connection.close()
        if reply.status != 200:
            raise PrinterError(f"The plug at {self._host} answers {reply.status}.")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise PrinterError(f"The plug at {self._host} answers no JSON.") from error


def plug_of(settings: Mapping[str, Any]) -> Plug | None:
    """The plug that a printer's settings name. Raises ValueError where they cannot be used."""
    if not settings.get("plug_url"):
        return None
    channel = int(settings.get("plug_channel") or 0)
    if not 0 <= channel < 8:
        raise ValueError(f"plug_channel {channel}")
    password = str(settings.get("plug_password") or "")
    return Plug(str(settings.get("plug") or ""), str(settings["plug_url"]), channel, password)


class PlugWatch:
    """A thread that reads one plug every ten seconds, and takes its power when told to."""

    def __init__(self, plug: Plug, name: str) -> None:
        self._plug, self._name = plug, name
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._off_wanted = threading.Event()
        self._metrics: dict[str, float] = {}
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name=f"plug of {name}", daemon=True)
        self._thread.start()

    @property
    def metrics(self) -> dict[str, float]:
        """``plug_energy_mwh`` and ``plug_power_w`` as last read; nothing while it is silent."""
        return self._metrics

    @property
    def trouble(self) -> str:
        """Why it cannot be read, in one sentence; empty while it can."""
        return self._trouble

    def off(self) -> None:
        """Take the power now; what fails is tried again every second.

        Raises PrinterOffline or PrinterError when it did not work at once.
        """
        _LOG.warning("%s: its plug is switched off in an emergency", self._name)
        try:
            self._plug.off()
        except (PrinterOffline, PrinterError):
            self._off_wanted.set()
            self._wake.set()
            raise

    def off_soon(self) -> None:
        """The same without waiting for the plug."""
        self._off_wanted.set()
        self._wake.set()

    def close(self) -> None:
        self._stopped.set()
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            try:
                if self._off_wanted.is_set():
                    self._plug.off()
                    self._off_wanted.clear()
                told = self._plug.read()
                found = {"plug_energy_mwh": float(told.energy_mwh)}
                if told.power_w is not None:
                    found["plug_power_w"] = told.power_w
                self._metrics, self._trouble = found, ""
            except (PrinterOffline, PrinterError) as error:
                if not self._trouble:
                    _LOG.warning("%s: %s", self._name, error)
                self._metrics, self._trouble = {}, str(error)
            self._wake.wait(_OFF_AGAIN_S if self._off_wanted.is_set() else _READ_EVERY_S)
