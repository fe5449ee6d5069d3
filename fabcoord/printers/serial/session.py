"""What is said to one printer and what its answers mean: wishes taken in, commands given out,
messages followed. Knows no threads and no port; outlives a lost connection."""

from __future__ import annotations

from fabcoord.errors import PrinterBusy, PrinterError, PrinterOffline
from fabcoord.printers.base import Activity, EndedPrint, Outcome, PrintOrder
from fabcoord.printers.serial.ahead import Heard
from fabcoord.printers.serial.cardjob import CardJob
from fabcoord.printers.serial.connection import Connection
from fabcoord.printers.serial.framing import code_of
from fabcoord.printers.serial.job import Job
from fabcoord.printers.serial.parser import (
    Action,
    Failure,
    Message,
    Ok,
    SdFile,
    Started,
)
from fabcoord.printers.serial.printjob import Phase, PrintJob
from fabcoord.printers.serial.sdcard import SOME_FILE
from fabcoord.printers.serial.standing import CARD_REPORTS, Standing, Start

_WATCH_EVERY_S = 0.1
_LOOK_AT_EFFECT_S = 0.2
_TELLS_HEAT = frozenset({"M109", "M190", "M191"})  # while they wait
_DEAF_AFTER_S = 10.0  # without an answer it works on one long command, and tells nothing meanwhile
LOOK_AT_REPORTER_S = 10.0
LOOK_EVERY_S = 2.0  # while idle: does it live, does a print run that we did not start?


class Session(Standing):
    """One printer, whichever connection it is reached by."""

    # Connections ---------------------------------------------------------------------------

    def connected(self, connection: Connection) -> None:
        self._connection = connection
        self._forget_printer()
        self._errands = []

    def lost(self, reason: str) -> None:
        """The connection is gone. A streamed print stops with its stream: it has failed.

        Only when the whole file is over there already can nobody tell from here: then the print
        is forgotten, and `find` says so.
        """
        job = self._job
        self._cool_first = self._cool_first or self.printing
        if self._upload is not None:
            self._cut_off(reason)
        if job is not None and (job.survives or job.phase is Phase.ENDING):
            job.close()
            self._job = None
        elif job is not None:
            stopping = job.phase is Phase.CLEARING_UP
            self._end((stopping and job.outcome) or Outcome.FAILED, reason)
        self._decide(PrinterOffline(reason))
        self._connection = None
        self.offline_because = reason

    # Wishes --------------------------------------------------------------------------------

    def want_start(self, order: PrintOrder, now: float) -> Start | None:
        """Ask for a print; None when it runs already.

        Raises PrinterOffline, PrinterBusy, or PrinterError when the file cannot be read.
        """
        if self._job is not None and self._job.order.attempt_id == order.attempt_id:
            return None
        activity, reason, _ = self._activity(now)
        if activity is Activity.OFFLINE or self._connection is None:
            raise PrinterOffline(f"The printer cannot be reached. {reason}")
        if activity is Activity.ATTENTION:
            raise PrinterError(f"The printer needs a person. {reason}")
        if activity is not Activity.IDLE or self._start is not None:
            raise PrinterBusy(f"Another print runs on this printer. {reason}".strip())
        profile = self._connection.profile
        if self.from_card:
            reports = self._connection.can(CARD_REPORTS)
            card = self._shown.card
            self._start = Start(CardJob(order, profile, card, now, runs=False, reports=reports))
            return self._start
        try:
            self._start = Start(Job(order, profile, now))
        except OSError as error:
            raise PrinterError(f"The G-code {order.path} cannot be read: {error}.") from error
        return self._start

    def answer(self, choice: int) -> None:
        """Answer what the printer asks; raises PrinterError when it asks nothing, or not that."""
        prompt, connection = self._shown.prompts.shown, self._connection
        if prompt is None or connection is None:
            raise PrinterError("The printer asks nothing at the moment.")
        if not 0 <= choice < max(1, len(prompt.choices)):
            raise PrinterError(f"The printer offers no choice number {choice}.")
        self._shown.prompts.shown = None
        if connection.acts_at_once:
            self.interjections.append(f"M876 S{choice}")
        else:
            self._errands.append(f"M876 S{choice}")

    def emergency(self, reason: str, now: float) -> None:
        """Stop everything now. Only a person, at the printer, can end this state."""
        self.stop_wanted = ""
        connection = self._connection
        if connection is None:
            return
        if self._upload is not None:
            connection.cut_in(self._upload.closing)
        resets = connection.emergency_stop()
        self._cut_off(reason)
        self._shown.stopped(reason, now, resets=resets)
        self._end(Outcome.FAILED, reason)
        self._decide(PrinterError(reason))

    def withdraw(self, start: Start) -> None:
        """The printer did not answer the look in time: do not start later, out of the blue."""
        if self._start is start:
            self._decide(
                PrinterBusy(
                    "The printer has not answered the look that goes before each start.",
                    hint="It may be homing or heating by itself; try again when it is idle.",
                )
            )

    def pause(self) -> None:
        self._our_job("paused").pause()

    def resume(self) -> None:
        job = self._our_job("resumed")
        if self._shown.panel_waits:
            raise PrinterError(
                "The printer waits for somebody at its panel.", hint="Do there what it asks for."
            )
        self._shown.paused_itself = False
        job.resume()

    def _our_job(self, verb: str) -> PrintJob:
        job = self._job
        if job is None or job.phase in (Phase.CLEARING_UP, Phase.ENDING):
            raise PrinterError(f"There is no print of ours that could be {verb}.")
        return job

    def cancel(self, attempt_id: str) -> None:
        if self._job is not None and self._job.order.attempt_id == attempt_id:
            self._clear_up(Outcome.CANCELLED, "Cancelled.")

    def _clear_up(self, outcome: Outcome, reason: str) -> None:
        if self._job is not None and self._job.phase is not Phase.CLEARING_UP:
            self._job.clear_up(outcome, reason)
            self._shown.paused_itself = False
            self.interrupt_wanted = True

    # What to say next ----------------------------------------------------------------------

    def next_command(self, now: float) -> str | None:
        """The next command for a printer that has taken all before; None for none."""
        connection = self._connection
        if connection is None or self._shown.halted_because:
            return None
        upload = self._upload
        if upload is not None and (upload.writing or not self._errands):
            command = upload.next_command()
            if command is not None or upload.writing:
                return command
        if self._half_file and not self._shown.card.running:
            # While one prints from the card this would end that print.
            self._errands.append(f"M30 {self._half_file}")
            self._half_file = ""
        if self._cool_first:
            self._cool_first = False
            self._errands = [*connection.profile.script("cool"), *self._errands]
        if self._errands:
            return self._errands.pop(0)
        if self._start is not None:
            if not self._start.look_sent:
                self._start.look_sent = True
                return self._look(now)
            self._decide_by_look()
        if self._heat_is_due(connection, now):
            self._heat_at = now + connection.profile.temperature_poll_s
            return "M105"
        if self._selected_there:
            self._selected_there = False
            return "M27"
        command = self._next_of_job(connection, now)
        if command is None and now >= self._look_at:
            command = self._look(now)
        return command

    def next_lines(self, now: float, most: int) -> list[str]:
        """Lines of our print that may go out at once; none while anything else has to be said."""
        connection, job = self._connection, self._job
        if self._upload is not None:
            return self._upload.next_lines(most)
        if connection is None or not isinstance(job, Job) or self._shown.paused_itself:
            return []
        if (
            self._shown.halted_because
            or self._cool_first
            or self._errands
            or self._start is not None
        ):
            return []
        if self._selected_there or self.interrupt_wanted:
            return []
        if self._heat_is_due(connection, now):
            return []
        return job.next_lines(most)

    def _reports(self, connection: Connection) -> bool:
        """Does it tell its temperatures without being asked?"""
        return connection.can("AUTOREPORT_TEMP") and not self._has_to_ask

    def _heat_is_due(self, connection: Connection, now: float) -> bool:
        """Must it be asked how hot it is? A file may have switched its own reports off."""
        if now < self._heat_at:
            return False
        missed = self._shown.watch.silent_s(now) > self._missed_s
        return missed or not self._reports(connection)

    def _look(self, now: float) -> str:
        self._look_at = now + self._look_every_s()
        connection = self._connection
        if connection is None or not connection.has_sd or isinstance(self._job, Job):
            return "M105"
        return self._shown.card.question()

    def _look_every_s(self) -> float:
        """One that tells by itself how far it is need not be asked, unless it falls silent."""
        job = self._job
        tells = isinstance(job, CardJob) and job.reports and not self._shown.card.in_doubt
        return LOOK_AT_REPORTER_S if tells else LOOK_EVERY_S

    def _next_of_job(self, connection: Connection, now: float) -> str | None:
        job = self._job
        if job is None or self._shown.paused_itself:
            return None
        command = job.next_command(connection.position)
        if command is not None and isinstance(job, CardJob):
            self._look_at = now + _LOOK_AT_EFFECT_S
        if job.over:
            self._end(job.outcome or Outcome.FAILED, job.reason)
        return command

    def next_at(self) -> float:
        """When `next_command` should be asked again, if nothing is heard before."""
        connection = self._connection
        if self._upload is not None and self._upload.deadline is not None:
            return self._upload.deadline
        if connection is None or self._reports(connection):
            return self._look_at
        return min(self._look_at, self._heat_at)

    def _decide_by_look(self) -> None:
        """The look has been answered: nothing runs there, or something does."""
        assert self._start is not None  # noqa: S101 - for the type checker
        if self._shown.card.running:
            self._decide(PrinterBusy("A print from the printer's own SD card is running."))
            return
        self._job, self._ended = self._start.job, None
        self._decide(None)

    # What it says --------------------------------------------------------------------------

    def hear(self, heard: Heard, now: float) -> None:
        """Take in one message."""
        message, job, connection = heard.message, self._job, self._connection
        if heard.taken:
            self._taken_at = now
            self._shown.took_something()
            if job is not None:
                for command in heard.taken:
                    job.took(command)
        if connection is None or (isinstance(message, Ok) and message.heat is None):
            return
        if isinstance(message, Ok) and self._shown.watch.silent_s(now) > self._missed_s:
            self._has_to_ask = True  # it tells when asked, and only then
        card_ran = self._shown.card.running
        self._shown.hear(message, connection.heat, now)
        if isinstance(message, Failure):
            if message.fatal:
                self._halt(message.text)
            elif self._upload is not None:
                self._upload.hear(message, now)
        elif isinstance(message, Started):
            self._restarted()
        elif isinstance(message, Action):
            self._act(message.name)
        elif self._upload is not None:
            self._upload.hear(message, now)
        else:
            self._follow_card(message, card_ran, now)

    def watch_heat(self, now: float) -> None:
        """Ask the watch what is to be done; called whenever something may have changed."""
        connection = self._connection
        if connection is None or not connection.ready or connection.halted or now < self._watch_at:
            return
        self._watch_at = now + _WATCH_EVERY_S
        live = self._activity(now)[0] is not Activity.IDLE or self._start is not None
        self._errands += self._shown.watch.switch_off(now, live=live)
        # Without reports of its own it is asked, and cannot answer while it does something else.
        deaf = (
            not self._reports(connection)
            and now - self._taken_at > _DEAF_AFTER_S
            and code_of(connection.flow.front) not in _TELLS_HEAT
        )
        profile = connection.profile
        reason = self._shown.watch.danger(
            now,
            excused=deaf or self._upload is not None,
            ceilings_c=(profile.max_hotend_c, profile.max_bed_c),
        )
        if reason:
            self.emergency(f"Emergency stop. {reason}", now)
        connection.alarm_at = self._shown.watch.next_at(now)

    def _follow_card(self, message: Message, ran: bool, now: float) -> None:
        """What a print from the printer's own card means for us."""
        card, job = self._shown.card, self._job
        if isinstance(message, SdFile) and message.opened and isinstance(job, Job):
            self._selected_there = True
        if card.running and isinstance(job, Job):
            # Two prints at once on one machine: ours gives way, and touches nothing more.
            self._end(Outcome.FAILED, "Somebody started another print at the printer.")
        if card.in_doubt and isinstance(job, CardJob):
            self._look_at = min(self._look_at, now + LOOK_EVERY_S)
        if card.running and self._job is None:
            self._adopt_or_follow()
            if not card.name:
                self._look_at = 0.0  # ask for it now
        elif ran and not card.running and self._job is None and card.outcome is not None:
            reason = "A print from the printer's own SD card."
            self._ended = EndedPrint(None, card.name or SOME_FILE, card.outcome, reason)

    def _halt(self, text: str) -> None:
        """It has switched itself off; only a person may decide what comes next."""
        if self._connection is not None:
            self._connection.heard_halt()
        reason = self._shown.halted(text)
        self._cut_off(reason)
        self._end(Outcome.FAILED, reason)
        self._decide(PrinterError(reason))

    def _restarted(self) -> None:
        self._selected_there, self._look_at, self._heat_at = False, 0.0, 0.0
        self._end(Outcome.FAILED, "The printer restarted in the middle of the print.")
        self._decide(PrinterOffline("The printer has just restarted."))
        if self._upload is not None:
            self._cut_off("The printer has just restarted.")

    def _act(self, name: str) -> None:
        """What the printer asks of us, or tells us that it did."""
        if name == "start" and self._job is None:
            # Some firmware says so of its own print; the next look tells how that goes on.
            self._look_at = 0.0
        if self._job is None:
            return
        if isinstance(self._job, CardJob):
            if name == "cancel":
                self._look_at = 0.0  # it has done so itself, or will: M27 tells
        elif name == "pause":
            self._job.pause("Paused at the printer.")
        elif name == "paused":
            self._shown.paused_itself = True
        elif name in ("resume", "resumed"):
            self._shown.paused_itself = False
            self._job.resume()
        elif name == "cancel":
            self._clear_up(Outcome.CANCELLED, "Cancelled at the printer.")
