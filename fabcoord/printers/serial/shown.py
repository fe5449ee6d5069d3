"""What the printer itself shows, whoever asked for it: errors, waiting at its panel, prints from
its card, questions, heat. No I/O and no thoughts of prints of ours."""

from __future__ import annotations

from dataclasses import replace

from fabcoord.printers.base import Activity, RunningPrint
from fabcoord.printers.serial.connection import Connection
from fabcoord.printers.serial.heat import HeatRules, HeatWatch
from fabcoord.printers.serial.parser import (
    Action,
    Busy,
    Heat,
    Message,
    Ok,
    Report,
    SdIdle,
    Started,
)
from fabcoord.printers.serial.prompts import Prompts
from fabcoord.printers.serial.sdcard import SOME_FILE, CardWatch

_BUSY_MEANS_PRINTING_S = 30.0  # homing at the panel is over sooner
_OWN_RESET_S = 20.0  # a board that we reset has said so by then
_LONGEST_REASON = 300
AT_PANEL = "The printer waits for somebody at its panel."


class Shown:
    """The state of the printer itself, since it was reached or reset."""

    def __init__(self, rules: HeatRules | None) -> None:
        self.watch = HeatWatch(rules)
        self.card = CardWatch()
        self.forget()

    def forget(self) -> None:
        """It was reset or unplugged."""
        self.halted_because = ""
        self.stopped_by_us = False  # in an emergency
        self._own_reset_until = 0.0
        self.panel_waits = False  # for somebody to press the button there
        self.paused_itself = False  # it said that it paused by itself
        self.busy_since: float | None = None  # with something, unbroken
        self.prompts = Prompts()
        self.card.forget()
        self.watch.forget()

    # What it says --------------------------------------------------------------------------

    def hear(self, message: Message, known: Heat, now: float) -> None:
        """Take in one message; ``known``: all that it ever told of its temperatures."""
        if isinstance(message, Ok | Report):
            told = message.heat
            if told is not None:
                self.watch.hear(
                    replace(
                        told,
                        hotend_target_c=known.hotend_target_c,
                        bed_target_c=known.bed_target_c,
                    ),
                    now,
                )
        elif isinstance(message, Busy):
            self.panel_waits = message.what.startswith("paused")
            self.busy_since = self.busy_since or now
        elif isinstance(message, Action):
            self.prompts.hear(message)
            if message.name in ("pause", "paused", "resume", "resumed"):
                self.card.hear_pause(paused=message.name.startswith("pause"))
        elif isinstance(message, Started):
            self._restarted(now)
        else:
            if isinstance(message, SdIdle) and not self.card.running:
                self.busy_since = None
            self.card.hear(message, hot=bool(known.hotend_target_c))

    def took_something(self) -> None:
        """It has carried out a command, so it does not wait for anybody."""
        self.panel_waits, self.busy_since = False, None

    def halted(self, text: str) -> str:
        """It has switched itself off; what is known of why, from one line or two."""
        if not self.stopped_by_us:  # otherwise it only says that it did what we told it
            if not self.halted_because:
                self.halted_because = f"The printer halted itself: {text}"
            elif text not in self.halted_because:
                self.halted_because += f" / {text}"
                self.halted_because = self.halted_because[:_LONGEST_REASON]
        return self.halted_because

    def stopped(self, reason: str, now: float, *, resets: bool) -> None:
        """We have stopped it; only a person at the printer ends this state.

        Args:
            resets: the stop makes the board start anew, which must not look like that person.
        """
        self.stopped_by_us, self.halted_because = True, reason
        self._own_reset_until = now + _OWN_RESET_S if resets else 0.0

    def _restarted(self, now: float) -> None:
        until, reason = self._own_reset_until, self.halted_because
        self.forget()
        if now < until:
            self.stopped_by_us, self.halted_because, self._own_reset_until = True, reason, until

    # What it is doing ----------------------------------------------------------------------

    def activity(
        self, connection: Connection, now: float
    ) -> tuple[Activity, str, RunningPrint | None]:
        """What goes on there while no print of ours does: state, why, the print."""
        card = self.card
        if card.running:
            running = RunningPrint(None, card.name or SOME_FILE, card.progress)
            activity = Activity.PAUSED if card.paused else Activity.PRINTING
            return activity, "A print from the printer's own SD card.", running
        busy_s = 0.0 if self.busy_since is None else now - self.busy_since
        if connection.ready and busy_s < _BUSY_MEANS_PRINTING_S:
            return Activity.IDLE, "", None
        if connection.ready or connection.heard_busy:
            unknown = RunningPrint(None, "", 0.0)
            if self.panel_waits:
                return Activity.PAUSED, AT_PANEL, unknown
            return Activity.PRINTING, "It works on something that we did not start.", unknown
        return Activity.OFFLINE, "The printer is starting.", None
