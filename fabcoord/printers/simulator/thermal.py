"""Heaters as first-order models: full power below the target, just enough power at it."""

from __future__ import annotations

import math

AMBIENT_C = 21.0


class Heater:
    """One heater. With full power it would settle ``rise_c`` above the room.

    ``time_constant_s`` is how fast it gets there, and how fast it cools.
    """

    def __init__(self, rise_c: float, time_constant_s: float) -> None:
        self._hottest_c = AMBIENT_C + rise_c
        self._tau_s = time_constant_s
        self._at = 0.0
        self.temperature_c = AMBIENT_C
        self.target_c = 0.0
        self.stuck_on = False  # the transistor has failed: full power whatever the target

    def advance(self, now: float) -> None:
        """Bring the temperature up to date."""
        elapsed_s, self._at = now - self._at, now
        heats = self.stuck_on or self.temperature_c < self.target_c
        goal = self._hottest_c if heats else AMBIENT_C
        before = self.temperature_c
        after = goal + (before - goal) * math.exp(-elapsed_s / self._tau_s)
        crosses = self.target_c > AMBIENT_C and not self.stuck_on
        if crosses and (before - self.target_c) * (after - self.target_c) <= 0:
            after = self.target_c
        self.temperature_c = after

    def reached(self, *, also_cooling: bool) -> bool:
        """Is it at its target, or above when waiting for heating only?"""
        if also_cooling:
            return abs(self.temperature_c - self.target_c) < 1.0
        return self.temperature_c >= self.target_c - 1.0

    @property
    def power(self) -> int:
        """The heater's duty from 0 to 127, as firmware reports it after ``@``."""
        if self.target_c <= AMBIENT_C or self.temperature_c > self.target_c:
            return 0
        if self.temperature_c < self.target_c:
            return 127
        return round(127 * (self.target_c - AMBIENT_C) / (self._hottest_c - AMBIENT_C))


def hotend() -> Heater:
    """About 3 °C/s at first, 200 °C within 80 s."""
    return Heater(rise_c=400.0, time_constant_s=130.0)


def bed() -> Heater:
    """60 °C within two and a half minutes."""
    return Heater(rise_c=110.0, time_constant_s=300.0)


def chamber() -> Heater:
    """A heated box, slow."""
    return Heater(rise_c=60.0, time_constant_s=900.0)


class Heaters:
    """All heaters of one printer: its hot ends, the bed, and a chamber where it has one."""

    def __init__(self, extruders: int = 1, *, heats_chamber: bool = False) -> None:
        self.hotends = [hotend() for _ in range(extruders)]
        self.tool = 0  # the hot end that prints now
        self.bed = bed()
        self.chamber = chamber() if heats_chamber else None

    @property
    def all(self) -> list[Heater]:
        return [*self.hotends, self.bed, *([self.chamber] if self.chamber else [])]

    def advance(self, now: float) -> None:
        for heater in self.all:
            heater.advance(now)

    def off(self) -> None:
        for heater in self.all:
            heater.target_c = 0.0

    def named(self, name: str) -> Heater:
        """``hotend`` (the active one), ``hotend1`` …, ``bed`` or ``chamber``; raises KeyError."""
        known = {"hotend": self.hotends[self.tool], "bed": self.bed}
        known |= {f"hotend{number}": heater for number, heater in enumerate(self.hotends)}
        if self.chamber is not None:
            known["chamber"] = self.chamber
        return known[name]

    def report(self) -> str:
        """The temperatures as M105 and M155 tell them; several hot ends are told one by one."""
        told = [("T", self.hotends[self.tool]), ("B", self.bed)]
        if len(self.hotends) > 1:
            told += [(f"T{number}", heater) for number, heater in enumerate(self.hotends)]
        if self.chamber is not None:
            told.append(("C", self.chamber))
        degrees = " ".join(f"{n}:{h.temperature_c:.2f} /{h.target_c:.2f}" for n, h in told)
        return f"{degrees} @:{self.hotends[self.tool].power} B@:{self.bed.power}"
