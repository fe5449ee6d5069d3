"""Watches temperatures: what is an emergency, and what has been hot for too long without a print.

Pure: it is told readings and times, and says what to do. Software is no safety device; the
firmware's own protection and a person come first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.parser import Heat

_READINGS = 64
_WARM_C = 50.0  # above this something heats, even if the firmware tells no target


@dataclass(frozen=True, slots=True)
class HeatRules:
    """The limits. Times are seconds, temperatures °C.

    A single reading never raises an alarm: what a printer says carries no checksum.
    """

    max_hotend_c: float = 300.0
    max_bed_c: float = 130.0
    max_chamber_c: float = 100.0
    overshoot_c: float = 10.0  # past the maximum, for a heater that has just reached it
    hotend_off_after_s: float = 600.0  # on, without a print
    bed_off_after_s: float = 1800.0
    silent_s: float = 60.0  # heating, and no temperature is told
    rise_c: float = 20.0  # by so much within ``rise_s``, with the heater off
    rise_s: float = 60.0
    settle_s: float = 20.0  # after the heater was switched off, before a rise counts


@dataclass(frozen=True, slots=True)
class Reading:
    """One heater at one moment; ``target_c`` None where the firmware does not tell it."""

    at_s: float
    temperature_c: float
    target_c: float | None


def danger(
    name: str, history: Sequence[Reading], max_c: float, rules: HeatRules, silent_s: float
) -> str:
    """Why this heater is an emergency, in one sentence; empty when it is none.

    Args:
        name: of the heater, as the sentence names it.
        history: the readings of the last minute or so, oldest first.
        max_c: the hottest that it may be.
        silent_s: for how long a reading has been expected in vain.
    """
    if not history:
        return ""
    last = history[-1]
    if last.target_c and silent_s > rules.silent_s:
        return (
            f"The {name} is heating to {last.target_c:.0f} °C, and no temperature has been told "
            f"for {silent_s:.0f} s."
        )
    newest = history[-2:]
    limit_c = max_c + rules.overshoot_c
    cools = last.target_c == 0 and last.temperature_c < newest[0].temperature_c
    too_hot = len(newest) == 2 and all(reading.temperature_c > limit_c for reading in newest)
    if too_hot and not cools:
        return f"The {name} is at {last.temperature_c:.0f} °C; its maximum is {max_c:.0f} °C."
    return _rises_by_itself(name, history, rules)


def _rises_by_itself(name: str, history: Sequence[Reading], rules: HeatRules) -> str:
    off: list[Reading] = []
    for reading in reversed(history):
        if reading.target_c is None or reading.target_c > 0:
            break
        off.append(reading)
    if not off:
        return ""
    settled_at = off[-1].at_s + (rules.settle_s if len(off) < len(history) else 0.0)
    since = max(settled_at, off[0].at_s - rules.rise_s)
    window = [reading.temperature_c for reading in off if reading.at_s >= since]
    if len(window) < 4:
        return ""
    low_c = sorted(window)[1]  # the second lowest: one reading may be garbled
    still_rises = window[0] > window[1] > window[2] > window[3]
    if still_rises and window[0] - low_c > rules.rise_c:
        return f"The {name} is off, and has risen from {low_c:.0f} to {window[0]:.0f} °C."
    return ""


HOTEND, BED, CHAMBER = "T0", "B", "C"


def title(heater: str) -> str:
    """What a person calls a heater that firmware calls T0, T1 …, B or C."""
    if heater in (BED, CHAMBER):
        return "bed" if heater == BED else "chamber"
    return "hot end" if heater == HOTEND else f"hot end {int(heater[1:]) + 1}"


def off_command(heater: str, *, several: bool) -> str:
    """What switches one heater off; of ``several`` hot ends the bare M104 means the active one."""
    if heater in (BED, CHAMBER):
        return "M140 S0" if heater == BED else "M141 S0"
    return f"M104 {heater} S0" if several else "M104 S0"


def cooling_all(profile: FirmwareProfile, heat: Heat) -> FirmwareProfile:
    """The profile for a printer with these heaters: its script ``cool`` reaches them all."""
    if not heat.others:
        return profile
    heaters = [HOTEND, *(heater.name for heater in heat.others)]
    cool = profile.scripts.get("cool", ())
    more = [off_command(heater, several=True) for heater in heaters]
    scripts = {**profile.scripts, "cool": (*more, *(line for line in cool if line not in more))}
    return replace(profile, scripts=scripts)


@dataclass(slots=True)
class _Heater:
    """One heater's last minute, and since when it is on without a print."""

    readings: deque[Reading]
    on_since: float | None = None


class HeatWatch:
    """Keeps the short history of one printer's heaters. All times are seconds of one clock."""

    def __init__(self, rules: HeatRules | None = None) -> None:
        self.rules = rules or HeatRules()
        self._heaters: dict[str, _Heater] = {}
        self._heard_at: float | None = None
        self._looked_at: float | None = None

    def forget(self) -> None:
        """The printer was reset, or was away: begin anew. How long it was hot still counts."""
        for heater in self._heaters.values():
            heater.readings.clear()
        self._heard_at = None

    def hear(self, heat: Heat, now: float) -> None:
        """Take in one report; None means that it says nothing of this heater."""
        self._heard_at = now
        self._add(HOTEND, heat.hotend_c, heat.hotend_target_c, now)
        self._add(BED, heat.bed_c, heat.bed_target_c, now)
        for other in heat.others:
            self._add(other.name, other.temperature_c, other.target_c, now)
        told = {HOTEND, BED, *(other.name for other in heat.others)}
        for name in [n for n, h in self._heaters.items() if len(h.readings) < 2 and n not in told]:
            del self._heaters[name]  # told of once, and not again: a letter was garbled

    def _add(self, name: str, now_c: float | None, target_c: float | None, at_s: float) -> None:
        if now_c is None:
            return
        if name not in self._heaters:
            self._heaters[name] = _Heater(deque(maxlen=_READINGS))
        history = self._heaters[name].readings
        if target_c is None and history:
            target_c = history[-1].target_c
        thin_s = self.rules.rise_s / _READINGS * 1.5
        if len(history) > 1 and at_s - history[-2].at_s < thin_s:
            history.pop()  # many reports a second must not push the last minute out
        history.append(Reading(at_s, now_c, target_c))

    def silent_s(self, now: float) -> float:
        """For how long no temperature has been told; 0 while none ever was."""
        return 0.0 if self._heard_at is None else now - self._heard_at

    def danger(
        self, now: float, *, excused: bool, ceilings_c: tuple[float, float] = (1e4, 1e4)
    ) -> str:
        """The emergency there is, in one sentence; empty when there is none.

        Args:
            excused: the printer works on something during which it is not able to report.
            ceilings_c: the hottest that this firmware knows of, hot end and bed; the rules may
                say less.
        """
        looked_at, self._looked_at = self._looked_at, now
        asleep = looked_at is not None and now - looked_at > self.rules.silent_s / 3
        if (excused or asleep) and self._heard_at is not None:
            self._heard_at = now  # this process may have been stopped; the printer was not
        silent_s = self.silent_s(now)
        for name, heater in self._heaters.items():
            max_c = self._max_c(name, ceilings_c)
            readings = tuple(heater.readings)
            found = danger(title(name), readings, max_c, self.rules, silent_s)
            if found:
                return found
        return ""

    def _max_c(self, name: str, ceilings_c: tuple[float, float]) -> float:
        hotend_c, bed_c = ceilings_c
        if name == CHAMBER:
            return self.rules.max_chamber_c
        if name == BED:
            return min(self.rules.max_bed_c, bed_c)
        return min(self.rules.max_hotend_c, hotend_c)

    def next_at(self, now: float) -> float | None:
        """When to look for silence again; None while nothing heats."""
        heating = any(h.readings and h.readings[-1].target_c for h in self._heaters.values())
        return now + self.rules.silent_s / 10 if heating and self._heard_at is not None else None

    def switch_off(self, now: float, *, live: bool) -> list[str]:
        """What to say now to a printer on which nothing prints and which is hot nevertheless.

        Args:
            live: a print runs or is paused, ours or not.
        """
        several = "T1" in self._heaters
        commands = []
        for name, heater in self._heaters.items():
            heater.on_since = _on_since(heater.readings, heater.on_since, now, live)
            after_s = self.rules.hotend_off_after_s
            if name in (BED, CHAMBER):
                after_s = self.rules.bed_off_after_s
            if _is_due(heater.on_since, after_s, now):
                heater.on_since = now  # where it does not help, it is said again
                commands.append(off_command(name, several=several))
        return commands


def _on_since(
    history: Sequence[Reading], since: float | None, now: float, live: bool
) -> float | None:
    if live:
        return None
    if not history:
        return since
    last = history[-1]
    on = last.temperature_c > _WARM_C if last.target_c is None else last.target_c > 0
    return (now if since is None else since) if on else None


def _is_due(since: float | None, after_s: float, now: float) -> bool:
    return since is not None and now - since >= after_s
