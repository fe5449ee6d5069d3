"""How things stand at one printer: our print, prints that we did not start, errors, what ended."""

from __future__ import annotations

import time
from pathlib import Path

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
from fabcoord.printers.serial.cardjob import CardJob
from fabcoord.printers.serial.connection import Connection
from fabcoord.printers.serial.heat import HeatRules
from fabcoord.printers.serial.printjob import PrintJob
from fabcoord.printers.serial.sdcard import card_name, short_name
from fabcoord.printers.serial.shown import AT_PANEL, Shown
from fabcoord.printers.serial.told import details
from fabcoord.printers.serial.upload import BinaryUpload, Upload

_OUTCOMES_KEPT = 100
CARD_REPORTS = "AUTOREPORT_SD_STATUS"
_NOT_CONNECTED = "Not connected yet."


class Start:
    """A wish to start, decided when the printer has answered one more look."""

    def __init__(self, job: PrintJob) -> None:
        self.job = job
        self.decided = False
        self.refusal: PrinterError | None = None
        self.look_sent = False


class Standing:
    """The state that `session.Session` changes and others ask for.

    Args:
        from_card: print from the printer's own card instead of streaming.
        rules: of the watch over its heat.
    """

    def __init__(self, *, from_card: bool = False, rules: HeatRules | None = None) -> None:
        self.offline_because = _NOT_CONNECTED
        self.stop_wanted = ""  # why to stop everything at once
        self.interrupt_wanted = False  # stop what moves and heats now, then go on
        self.interjections: list[str] = []  # said at once, whatever waits for an answer
        self.from_card = from_card
        self._connection: Connection | None = None
        self._job: PrintJob | None = None
        self._start: Start | None = None
        self._upload: Upload | None = None
        self._half_file = ""  # on the card, to be deleted
        self._no_packets = False  # it promised the binary transfer, and does not know it
        self._ended: EndedPrint | None = None
        self._outcomes: dict[str, Outcome] = {}
        self._card_ids: dict[str, str] = {}  # names on the card that are attempts of ours
        self._cool_first = False  # a print of ours was cut off: heat off before all else
        self._errands: list[str] = []
        self._shown = Shown(rules)
        self._missed_s = self._shown.watch.rules.silent_s / 6  # without reports: has to be asked
        self._watch_at = 0.0
        self._forget_printer()

    def _forget_printer(self) -> None:
        """What was known of the printer itself, before it was reset or unplugged."""
        self._shown.forget()
        self._taken_at = 0.0  # when it last took a command
        self._has_to_ask = False  # its own reports have stopped, and it tells when asked
        self._selected_there = False  # somebody opened a file on the card while we stream
        self._look_at = self._heat_at = 0.0
        self.interjections = []

    # Prints of ours ------------------------------------------------------------------------

    def _decide(self, refusal: PrinterError | None) -> None:
        start, self._start = self._start, None
        if start is None:
            return
        start.decided, start.refusal = True, refusal
        if refusal is not None:
            start.job.close()

    def _adopt_or_follow(self) -> None:
        """A print runs from the card that this session did not start: is it one of ours?"""
        self._ended = None
        attempt_id = self._card_ids.get(short_name(self._shown.card.name))
        if attempt_id is not None:
            self._adopt(attempt_id)

    def _adopt(self, attempt_id: str) -> None:
        connection = self._connection
        if connection is None:
            return
        order = PrintOrder(attempt_id, Path(), "", f"fc-{attempt_id}.gcode")
        self._job = CardJob(
            *(order, connection.profile, self._shown.card, time.monotonic()),
            runs=True,
            reports=connection.can(CARD_REPORTS),
        )

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
        self._shown.panel_waits = self._shown.paused_itself = self.interrupt_wanted = False

    # Files for the card -------------------------------------------------------------------

    def want_upload(self, order: PrintOrder, now: float) -> Upload:
        """Ask for the file to be written to the card; raises as `want_start` does."""
        activity, reason, _ = self._activity(now)
        if activity is Activity.OFFLINE or self._connection is None:
            raise PrinterOffline(f"The printer cannot be reached. {reason}")
        if activity is not Activity.IDLE or self._upload is not None:
            raise PrinterBusy(f"The printer takes no file now. {reason}".strip())
        if not self._connection.has_sd:
            raise PrinterError("The printer says that it has no SD card.")
        try:
            packets = self._connection.can("BINARY_FILE_TRANSFER") and not self._no_packets
            way = BinaryUpload if packets else Upload
            self._upload = way(order, self._connection.profile)
        except OSError as error:
            raise PrinterError(f"The G-code {order.path} cannot be read: {error}.") from error
        return self._upload

    def drop_upload(self, upload: Upload) -> None:
        """The upload is over, one way or another."""
        if self._upload is upload:
            self._upload = None
        if isinstance(upload, BinaryUpload) and upload.not_spoken:
            self._no_packets = True
        upload.close()

    def _cut_off(self, reason: str) -> None:
        """The upload ends here; what there is of the file must not be printed by anybody."""
        if self._upload is not None:
            self._upload.failure, self._upload.over = reason, True
            self._half_file = self._upload.name

    def next_bytes(self, now: float) -> bytes | None:
        """What goes out as it is, beside all lines; None while lines are understood."""
        return self._upload.next_bytes(now) if self._upload is not None else None

    # What others see -----------------------------------------------------------------------

    @property
    def starting(self) -> bool:
        """Is a wish to start still undecided?"""
        return self._start is not None

    @property
    def printing(self) -> bool:
        """Does a print of ours run or wait to go on, that ends with the connection?"""
        return self._job is not None and not self._job.survives

    def find(self, attempt_id: str) -> Found:
        """What became of an attempt; raises PrinterBusy while the card is still being read."""
        if self._job is not None and self._job.order.attempt_id == attempt_id:
            return Found.RUNNING
        if self.from_card and (self._connection is None or not self._connection.ready):
            raise PrinterBusy("The printer has not answered yet what it is doing.")
        if self.from_card and self._shown.card.running:
            self._card_ids[short_name(card_name(attempt_id))] = attempt_id
            if not self._shown.card.name:
                raise PrinterBusy("The printer has not said yet what it prints from its card.")
            self._adopt_or_follow()
            if self._job is not None and self._job.order.attempt_id == attempt_id:
                return Found.RUNNING
        outcome = self._outcomes.get(attempt_id)
        card = self._shown.card
        if outcome is None and short_name(card.name) == short_name(card_name(attempt_id)):
            outcome = card.outcome  # seen to its end before anybody asked whose it was
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
            prompt=self._shown.prompts.shown,
            metrics=self._metrics(connection, now),
            details=details(connection),
            stopped_by_us=self._shown.stopped_by_us,
        )

    def _activity(self, now: float) -> tuple[Activity, str, RunningPrint | None]:
        connection, job = self._connection, self._job
        if connection is None:
            return Activity.OFFLINE, self.offline_because, None
        if self._shown.halted_because:
            return Activity.ATTENTION, self._shown.halted_because, None
        if job is not None:
            running = job.running(now)
            if self._shown.panel_waits:
                return Activity.PAUSED, AT_PANEL, running
            if self._shown.paused_itself:
                return Activity.PAUSED, "Paused at the printer.", running
            if job.paused:
                return Activity.PAUSED, job.reason, running
            return Activity.PRINTING, job.reason or connection.flow.remark, running
        return self._shown.activity(connection, now)

    def _metrics(self, connection: Connection, now: float) -> dict[str, float]:
        flow, job = connection.flow, self._job
        metrics = {
            "resends": float(flow.resends),
            "lost_answers": float(flow.lost_answers),
            "window_bytes": float(flow.window.bytes),
            "window_faults": float(flow.window.faults),
        }
        if flow.planner_free is not None:
            metrics["planner_free"] = float(flow.planner_free)
        if flow.latency_s is not None:
            metrics["latency_ms"] = round(1000.0 * flow.latency_s, 1)
        if job is not None and now > job.started_at:
            metrics["lines_per_s"] = round(job.lines_sent / (now - job.started_at), 1)
        for heater in connection.heat.others:
            metrics[f"temperature_{heater.name.lower()}_c"] = heater.temperature_c
        return metrics
