"""What goes on at one printer: our print, prints that we did not start, errors; and what to say
next. Knows no threads and no port; outlives a lost connection."""

from __future__ import annotations

from fabcoord.errors import PrinterBusy, PrinterError, PrinterOffline
from fabcoord.printers.base import (
    Activity,
    EndedPrint,
    Found,
    Outcome,
    PrintOrder,
    RunningPrint,
    Status,
    Temperatures,
)
from fabcoord.printers.serial.connection import Connection, Heard
from fabcoord.printers.serial.job import Job, Phase
from fabcoord.printers.serial.parser import (
    Action,
    Busy,
    Failure,
    Message,
    Ok,
    SdFile,
    SdIdle,
    SdProgress,
    Started,
)

LOOK_EVERY_S = 2.0  # while idle: does it live, does a print run that we did not start?
_OUTCOMES_KEPT = 100
_NOT_CONNECTED = "Not connected yet."


class Start:
    """A wish to start, decided when the printer has answered one more look."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.decided = False
        self.refusal: PrinterError | None = None
        self.look_sent = False


class Session:
    """The state of one printer, whichever connection it is reached by."""

    def __init__(self) -> None:
        self.offline_because = _NOT_CONNECTED
        self.interrupt_wanted = False  # stop what moves and heats now, then go on
        self._connection: Connection | None = None
        self._job: Job | None = None
        self._start: Start | None = None
        self._ended: EndedPrint | None = None
        self._outcomes: dict[str, Outcome] = {}
        self._cool_first = False  # a print of ours was cut off: heat off before all else
        self._errands: list[str] = []
        self._forget_printer()

    def _forget_printer(self) -> None:
        """What was known of the printer itself, before it was reset or unplugged."""
        self._halted_because = ""
        self._panel_waits = False  # for somebody to press the button there
        self._paused_at_printer = False  # it said that it paused by itself
        self._sd_print: RunningPrint | None = None  # one that we did not start
        self._sd_name = ""
        self._look_at = self._heat_at = 0.0

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
        self._cool_first = self._cool_first or job is not None
        if job is not None and job.phase is Phase.ENDING:
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
        try:
            job = Job(order, self._connection.profile, now)
        except OSError as error:
            raise PrinterError(f"The G-code {order.path} cannot be read: {error}.") from error
        self._start = Start(job)
        return self._start

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
        if self._panel_waits:
            raise PrinterError(
                "The printer waits for somebody at its panel.", hint="Do there what it asks for."
            )
        self._paused_at_printer = False
        job.resume()

    def _our_job(self, verb: str) -> Job:
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
            self._paused_at_printer = False
            self.interrupt_wanted = True

    # What to say next ----------------------------------------------------------------------

    def next_command(self, now: float) -> str | None:
        """The next command for a printer that has taken all before; None for none."""
        connection = self._connection
        if connection is None or self._halted_because:
            return None
        if self._cool_first:
            self._cool_first = False
            self._errands = connection.profile.script("cool")
        if self._errands:
            return self._errands.pop(0)
        if self._start is not None:
            if not self._start.look_sent:
                self._start.look_sent = True
                return self._look(now)
            self._decide_by_look()
        if now >= self._heat_at and not connection.can("AUTOREPORT_TEMP"):
            self._heat_at = now + connection.profile.temperature_poll_s
            return "M105"
        command = self._next_of_job(connection)
        if command is None and now >= self._look_at:
            command = self._look(now)
        return command

    def _look(self, now: float) -> str:
        self._look_at = now + LOOK_EVERY_S
        connection = self._connection
        streaming = self._job is not None
        return "M27" if connection is not None and connection.has_sd and not streaming else "M105"

    def _next_of_job(self, connection: Connection) -> str | None:
        job = self._job
        if job is None or self._paused_at_printer:
            return None
        command = job.next_command(connection.position)
        if job.over:
            self._end(job.outcome or Outcome.FAILED, job.reason)
        return command

    def next_at(self) -> float:
        """When `next_command` should be asked again, if nothing is heard before."""
        connection = self._connection
        if connection is None or connection.can("AUTOREPORT_TEMP"):
            return self._look_at
        return min(self._look_at, self._heat_at)

    def _decide_by_look(self) -> None:
        """The look has been answered: nothing runs there, or something does."""
        assert self._start is not None  # noqa: S101 - for the type checker
        if self._sd_print is not None:
            self._decide(PrinterBusy("A print from the printer's own SD card is running."))
            return
        self._job, self._ended = self._start.job, None
        self._decide(None)

    def _decide(self, refusal: PrinterError | None) -> None:
        start, self._start = self._start, None
        if start is None:
            return
        start.decided, start.refusal = True, refusal
        if refusal is not None:
            start.job.close()

    # What it says --------------------------------------------------------------------------

    def hear(self, heard: Heard) -> None:
        """Take in one message."""
        message = heard.message
        if heard.taken:
            self._panel_waits = False
        if isinstance(message, Ok):
            return
        if isinstance(message, Busy):
            self._panel_waits = message.what.startswith("paused")
        elif isinstance(message, Failure):
            if message.fatal:
                self._halt(message.text)
        elif isinstance(message, Started):
            self._restarted()
        elif isinstance(message, Action):
            self._act(message.name)
        else:
            self._hear_sd(message)

    def _hear_sd(self, message: Message) -> None:
        """Follow a print from the printer's own card."""
        if isinstance(message, SdFile):
            self._sd_name = message.name
        elif self._job is not None:
            return
        elif isinstance(message, SdProgress):
            progress = min(1.0, message.byte / message.size) if message.size else 0.0
            self._sd_print = RunningPrint(None, self._sd_name or "SD card", progress)
            self._ended = None
        elif isinstance(message, SdIdle) and self._sd_print is not None:
            ended, self._sd_print = self._sd_print, None
            whole = message.finished or ended.progress >= 1.0
            outcome = Outcome.FINISHED if whole else Outcome.CANCELLED
            reason = "A print from the printer's own SD card."
            self._ended = EndedPrint(None, ended.file_name, outcome, reason)

    def _halt(self, text: str) -> None:
        """It has switched itself off; only a person may decide what comes next."""
        if self._connection is not None:
            self._connection.halted = True
        if not self._halted_because:
            self._halted_because = f"The printer halted itself: {text}"
        self._end(Outcome.FAILED, self._halted_because)
        self._decide(PrinterError(self._halted_because))

    def _restarted(self) -> None:
        self._forget_printer()
        self._end(Outcome.FAILED, "The printer restarted in the middle of the print.")
        self._decide(PrinterOffline("The printer has just restarted."))

    def _act(self, name: str) -> None:
        """What the printer asks of us, or tells us that it did."""
        if name == "start" and self._job is None:
            # Some firmware says so of its own print; the next look tells how that goes on.
            self._look_at = 0.0
        if self._job is None:
            return
        if name == "pause":
            self._job.pause("Paused at the printer.")
        elif name == "paused":
            self._paused_at_printer = True
        elif name in ("resume", "resumed"):
            self._paused_at_printer = False
            self._job.resume()
        elif name == "cancel":
            self._clear_up(Outcome.CANCELLED, "Cancelled at the printer.")

    def _end(self, outcome: Outcome, reason: str) -> None:
        """Our print, if there is one, is over."""
        job, self._job = self._job, None
        if job is None:
            return
        job.close()
        order = job.order
        self._ended = EndedPrint(order.attempt_id, order.file_name, outcome, reason)
        self._outcomes[order.attempt_id] = outcome
        while len(self._outcomes) > _OUTCOMES_KEPT:
            del self._outcomes[next(iter(self._outcomes))]
        self._panel_waits = self._paused_at_printer = self.interrupt_wanted = False

    # What others see -----------------------------------------------------------------------

    @property
    def starting(self) -> bool:
        """Is a wish to start still undecided?"""
        return self._start is not None

    @property
    def printing(self) -> bool:
        """Does a print of ours run or wait to go on?"""
        return self._job is not None

    def find(self, attempt_id: str) -> Found:
        if self._job is not None and self._job.order.attempt_id == attempt_id:
            return Found.RUNNING
        outcome = self._outcomes.get(attempt_id)
        if outcome is None:
            return Found.UNKNOWN
        return Found.FINISHED if outcome is Outcome.FINISHED else Found.FAILED

    def status(self, now: float) -> Status:
        connection = self._connection
        activity, reason, running = self._activity(now)
        if connection is None:
            return Status(activity, reason, ended=self._ended)
        heat = connection.heat
        return Status(
            activity=activity,
            reason=reason,
            temperatures=Temperatures(
                heat.hotend_c, heat.hotend_target_c, heat.bed_c, heat.bed_target_c
            ),
            print=running,
            ended=self._ended,
            firmware=connection.firmware,
            metrics=self._metrics(connection, now),
        )

    def _activity(self, now: float) -> tuple[Activity, str, RunningPrint | None]:
        connection, job = self._connection, self._job
        if connection is None:
            return Activity.OFFLINE, self.offline_because, None
        if self._halted_because:
            return Activity.ATTENTION, self._halted_because, None
        if job is not None:
            running = job.running(now)
            if self._panel_waits:
                return Activity.PAUSED, "The printer waits for somebody at its panel.", running
            if self._paused_at_printer:
                return Activity.PAUSED, "Paused at the printer.", running
            paused = job.phase in (Phase.PARKING, Phase.PAUSED)
            return Activity.PAUSED if paused else Activity.PRINTING, job.reason, running
        if self._sd_print is not None:
            return Activity.PRINTING, "A print from the printer's own SD card.", self._sd_print
        if connection.ready:
            return Activity.IDLE, "", None
        if connection.heard_busy:
            unknown = RunningPrint(None, "", 0.0)
            return Activity.PRINTING, "It works on something that we did not start.", unknown
        return Activity.OFFLINE, "The printer is starting.", None

    def _metrics(self, connection: Connection, now: float) -> dict[str, float]:
        flow, job = connection.flow, self._job
        metrics = {
            "resends": float(flow.resends),
            "lost_answers": float(flow.lost_answers),
        }
        if job is not None and now > job.started_at:
            metrics["lines_per_s"] = round(job.lines_sent / (now - job.started_at), 1)
        return metrics
