"""The Printer protocol over OctoPrint: upload, verify, start once, and never touch others' prints.

An attempt's file waits in ``fabcoord/waiting/`` of OctoPrint's uploads. Starting first moves it to
``fabcoord/``, which OctoPrint does once only, and then prints it from there. So OctoPrint itself
remembers, through any crash of ours: a waiting file was never started, a moved one may have been,
and its print record tells how that ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fabcoord.errors import PrinterBusy, PrinterError, PrinterOffline
from fabcoord.printers.base import Activity, Found, Outcome, PrintOrder, Status
from fabcoord.printers.octoprint.answers import FOLDER, WAITING, Job, file_name
from fabcoord.printers.octoprint.client import Client
from fabcoord.printers.octoprint.multipart import FileBody, hashes_of
from fabcoord.printers.octoprint.session import Refused, TimeLimits
from fabcoord.printers.octoprint.watch import Look, Watch

_WATCH_LIMITS = TimeLimits(connect_s=3.0, read_s=8.0, total_s=10.0)
_KEPT_FILES = 20  # on OctoPrint's disk; `find` needs the file of an attempt that is not settled
_TAKEN_S = 10.0  # how long OctoPrint may take to show a print that it was told to start


class OctoPrintPrinter:
    """A printer behind an OctoPrint (tested with 1.11), as `fabcoord.printers.base.Printer`.

    Args:
        url: as in a browser; may have a path (``http://host/printer3``).
        api_key: of an OctoPrint user or application; never logged or shown.
    """

    def __init__(self, url: str, api_key: str) -> None:
        self._client = Client(url, api_key, TimeLimits())
        self._watching = Client(url, api_key, _WATCH_LIMITS)
        self._watch = Watch(self._watching)

    def connect(self) -> None:
        """Reach OctoPrint and check that the key may do what we need.

        When OctoPrint itself has no connection to its printer, that is for a person to make:
        opening the port resets many printers, even in mid-print.
        """
        firmware = self._client.version()
        missing = self._client.missing_permissions()
        if missing:
            raise PrinterError(
                f"The API key of OctoPrint at {self._client.where} may not {', '.join(missing)}.",
                hint="Give its user these permissions in OctoPrint, Settings, Access Control.",
            )
        self._watch.firmware = firmware
        self._watch.start()
        status = self._watch.status()
        if status.activity is Activity.OFFLINE:
            raise PrinterOffline(status.reason)

    def status(self) -> Status:
        """What the last look found; looks are made by a thread, about once a second."""
        return self._watch.status()

    def transfer(self, order: PrintOrder, progress: Callable[[float], None]) -> None:
        """Upload the file to wait, and verify what OctoPrint stored. Idempotent."""
        name = _name_of(order)
        if any(self._is_there(f"{folder}/{name}", order) for folder in (FOLDER, WAITING)):
            progress(1.0)
            return
        body = FileBody(order.path, name, {"path": WAITING}, progress)
        self._upload(body)
        _require_unchanged(order, body.sha256)
        stored = self._client.file(f"{WAITING}/{name}")
        if stored is None or (stored.size, stored.sha1) != (body.size, body.sha1):
            raise PrinterError(
                f"OctoPrint at {self._client.where} stored other bytes than it was sent.",
                hint="Check its disk, and plugins that change uploaded files.",
            )
        self._client.tidy(_KEPT_FILES, spare=f"{WAITING}/{name}")

    def start(self, order: PrintOrder) -> None:
        """Print the waiting file; returns when OctoPrint shows that it prints.

        Raises PrinterBusy, with nothing started, when something else runs. After any other error
        `find` tells what became of it.
        """
        name = _name_of(order)
        waiting, started = f"{WAITING}/{name}", f"{FOLDER}/{name}"
        _require_idle(self._watch.look().job)
        if self._client.file(started) is not None:
            raise PrinterError(
                f"{name} was started on this OctoPrint before; nothing is started twice."
            )
        if not self._is_there(waiting, order):
            raise PrinterError(f"{name} does not wait on OctoPrint in full; transfer it first.")
        self._client.move(waiting, started)
        try:
            self._client.select_and_print(started)
        except Refused as refusal:
            self._client.move(started, waiting)
            if refusal.http_status != 409:
                raise
            raise PrinterBusy(refusal.detail, hint="Wait until it is free.") from refusal
        except PrinterOffline:
            pass  # the answer is lost, the print may run: look
        self._await_started(order.attempt_id, waiting, started)

    def pause(self) -> None:
        """Pause the running print of ours."""
        if self._ours("pause").job.activity is Activity.PRINTING:
            self._client.pause()
            self._watch.look()

    def resume(self) -> None:
        """Resume the paused print of ours."""
        if self._ours("resume").job.activity is Activity.PAUSED:
            self._client.resume()
            self._watch.look()

    def cancel(self, attempt_id: str) -> None:
        """Cancel this attempt's print; a no-op if it is not running.

        OctoPrint's own script then cools down, unless someone changed it; so the heaters are
        switched off by us too, once OctoPrint shows that the print has ended.
        """
        if self._watch.look().attempt_id != attempt_id:
            return
        self._watch.cancelling = attempt_id
        try:
            self._client.cancel()
        except Refused as refusal:
            # It may have ended by itself just now.
            if refusal.http_status != 409 or self._watch.look().attempt_id == attempt_id:
                raise
        self._watch.look()

    def find(self, attempt_id: str) -> Found:
        """What became of the attempt, from OctoPrint's own record.

        A file that is neither waiting nor started gives UNKNOWN: someone may have deleted it after
        the print. Raises PrinterOffline when OctoPrint cannot be asked.
        """
        look = self._watch.look()
        if look.attempt_id == attempt_id:
            return Found.RUNNING
        name = file_name(attempt_id)
        started = self._client.file(f"{FOLDER}/{name}")
        if started is not None:
            outcome = started.outcome or self._watch.outcome_of(attempt_id)
            if outcome is None:
                return Found.UNKNOWN
            return Found.FINISHED if outcome is Outcome.FINISHED else Found.FAILED
        waits = self._client.file(f"{WAITING}/{name}") is not None
        return Found.NOT_STARTED if waits else Found.UNKNOWN

    def close(self) -> None:
        """Stop looking; what OctoPrint prints goes on."""
        self._watch.stop()
        self._client.close()

    def _upload(self, body: FileBody) -> None:
        try:
            self._client.upload(body)
        except PrinterOffline as error:
            self._client.version()  # raises when it is offline indeed
            raise PrinterError(
                f"OctoPrint at {self._client.where} broke off the upload.",
                hint="Check its disk space and the network, and the limits of a proxy before it.",
            ) from error

    def _is_there(self, path: str, order: PrintOrder) -> bool:
        """Whether OctoPrint holds exactly the bytes that the order is for."""
        stored = self._client.file(path)
        if stored is None or stored.size != order.path.stat().st_size:
            return False
        sha1, sha256 = hashes_of(order.path)
        _require_unchanged(order, sha256)
        return stored.sha1 == sha1

    def _await_started(self, attempt_id: str, waiting: str, started: str) -> None:
        deadline = time.monotonic() + _TAKEN_S
        while True:
            try:
                look = self._watch.look()
                if look.job.active and look.job.path == started:
                    return
                stored = self._client.file(started)
                if stored is not None and stored.printed:  # a short one, over already
                    self._watch.recall(attempt_id)
                    return
                if look.job.active:
                    self._client.move(started, waiting)
                    raise PrinterBusy(
                        f"OctoPrint prints {look.job.name} now, which we did not start.",
                        hint="Wait until it has ended.",
                    )
            except PrinterOffline:
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                raise PrinterError(
                    f"OctoPrint at {self._client.where} was told to print, but shows no print.",
                    hint="Look at the printer before anything else is started.",
                )
            time.sleep(0.1)

    def _ours(self, verb: str) -> Look:
        look = self._watch.look()
        if look.job.active and look.attempt_id is None:
            raise PrinterBusy(
                f"{look.job.name} was not started by fabcoord, which leaves it alone.",
                hint=f"Use OctoPrint's own page to {verb} it.",
            )
        if not look.job.active:
            raise PrinterError(f"Nothing is printing that could {verb}.")
        return look


def _name_of(order: PrintOrder) -> str:
    """The order's file name, which must be the one that `find` looks for later."""
    if order.file_name != file_name(order.attempt_id):
        raise PrinterError(f"{order.file_name!r} does not name attempt {order.attempt_id}.")
    return order.file_name


def _require_unchanged(order: PrintOrder, sha256: str) -> None:
    if sha256 != order.sha256:
        raise PrinterError(f"{order.path.name} changed on this machine after it was checked.")


def _require_idle(job: Job) -> None:
    if job.active:
        raise PrinterBusy(
            f"OctoPrint is busy with {job.name} ({job.state}).", hint="Wait until it has ended."
        )
    if job.activity is Activity.OFFLINE:
        raise PrinterOffline(job.reason)
    if job.activity is not Activity.IDLE:
        raise PrinterError(job.reason)
