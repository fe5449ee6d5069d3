"""When the lab is open, and how long a print that starts now may take; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fabcoord.queue.policy import WEEKDAYS, Hours, minutes


@dataclass(frozen=True, slots=True)
class Window:
    """What may start now.

    Attributes:
        left_s: how long a print may take that has to end while somebody is there; infinite in a
            lab that never closes, 0 while it is closed.
        night: whether prints may go on when the lab is closed without being marked for it.
        marked: whether prints that are marked ``overnight`` may.
        quiet_until: the end of the quiet hours, in which nothing starts; None outside of them.
    """

    left_s: float
    night: bool
    marked: bool
    quiet_until: datetime | None


def window(hours: Hours, at: datetime) -> Window:
    """What may start at ``at`` (any time zone). A span that ends at 24:00 goes on at 00:00."""
    here = at.astimezone(ZoneInfo(hours.timezone))
    night, marked = hours.overnight == "always", hours.overnight != "never"
    quiet = _quiet_until(hours, here)
    left_s = math.inf if not hours.open else _open_left_s(hours, here)
    return Window(left_s, night, marked, quiet)


def opens_at(hours: Hours, at: datetime) -> datetime | None:
    """The next moment at which the lab is open, ``at`` itself included; None when it never is."""
    here = at.astimezone(ZoneInfo(hours.timezone))
    if not hours.open or _open_left_s(hours, here) > 0:
        return here
    for day in range(8):
        date = here + timedelta(days=day)
        for first, _ in _spans(hours, date):
            start = _at_minute(date, first)
            if start > here:
                return start
    return None


def open_s(hours: Hours, first: datetime, last: datetime) -> float:
    """For how many of the seconds from ``first`` to ``last`` the lab is open."""
    zone = ZoneInfo(hours.timezone)
    if not hours.open:
        return max(0.0, last.timestamp() - first.timestamp())
    date, total_s = first.astimezone(zone), 0.0
    for _ in range((last - first).days + 2):
        for opens, closes in _spans(hours, date):
            begin = max(_at_minute(date, opens).timestamp(), first.timestamp())
            end = min(_at_minute(date, closes).timestamp(), last.timestamp())
            total_s += max(0.0, end - begin)
        date += timedelta(days=1)
    return total_s


def _open_left_s(hours: Hours, here: datetime) -> float:
    moment, end = here, here
    for _ in range(8):  # spans that meet at midnight are one
        minute = moment.hour * 60 + moment.minute
        last = next((b for a, b in _spans(hours, moment) if a <= minute < b), None)
        if last is None:
            break
        end = _at_minute(moment, last)
        if last < 1440:
            break
        moment = end
    return max(0.0, (end - here).total_seconds())


def _quiet_until(hours: Hours, here: datetime) -> datetime | None:
    minute = here.hour * 60 + here.minute
    for first_text, last_text in hours.quiet:
        first, last = minutes(first_text), minutes(last_text)
        if first < last and first <= minute < last:
            return _at_minute(here, last)
        if first > last and minute >= first:
            return _at_minute(here + timedelta(days=1), last)
        if first > last and minute < last:
            return _at_minute(here, last)
    return None


def _spans(hours: Hours, date: datetime) -> list[tuple[int, int]]:
    named = hours.open.get(WEEKDAYS[date.weekday()], [])
    return sorted((minutes(first), minutes(last)) for first, last in named)


def _at_minute(date: datetime, minute: int) -> datetime:
    """That minute of the day by the clock on the wall, also where the clock is set forward."""
    midnight = date.replace(hour=0, minute=0, second=0, microsecond=0)
    wall = midnight.replace(tzinfo=None) + timedelta(minutes=minute)
    return wall.replace(tzinfo=date.tzinfo)
