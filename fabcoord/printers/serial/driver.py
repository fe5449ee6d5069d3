"""`SerialPrinter`: a printer on a serial port, as the agent sees it.

A thread of its own talks with the printer; the methods leave their wish in the session, under
its lock, and wake that thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from fabcoord.errors import PrinterError, PrinterOffline
from fabcoord.printers.base import Found, PrintOrder, Status
from fabcoord.printers.profiles import FirmwareProfile
from fabcoord.printers.serial.connection import Connection
from fabcoord.printers.serial.heat import HeatRules
from fabcoord.printers.serial.link import LinkLost
from fabcoord.printers.serial.options import WireOptions
from fabcoord.printers.serial.session import Session

GREETING_S = 3.0  # for a printer that is up
GREETING_WHILE_BOOTING_S = 12.0  # for one that was heard to start
START_S = 10.0
UPLOAD_LOOK_S = 0.5


class SerialPrinter:
    """Implements `fabcoord.printers.base.Printer` for Marlin and its kin.

    Args:
        port: the device, best one of ``/dev/serial/by-path``.
        baud: line rate.
        profile: the firmware's dialect; None finds it out from M115.
        options: how lines travel, as the lab wants it.
        from_card: print from the card in the printer, which then needs no host.
        rules: what counts as dangerous or forgotten heat.
    """

    def __init__(
        self,
        port: str,
        baud: int = 115200,
        profile: FirmwareProfile | None = None,
        options: WireOptions | None = None,
        *,
        from_card: bool = False,
        rules: HeatRules | None = None,
    ) -> None:
        self._port = port
        self._baud = baud
        self._profile = profile
        self._options = options
        self._from_card = from_card
        self._session = Session(from_card=from_card, rules=rules)
        self._changed = threading.Condition()  # guards the session; notified when it changes
        self._connection: Connection | None = None
        self._thread: threading.Thread | None = None
        self._closing = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def __del__(self) -> None:
        for fd in (self._wake_read, self._wake_write):
            with suppress(OSError):
                os.close(fd)

    # The protocol --------------------------------------------------------------------------

    def connect(self) -> None:
        """Open the port and greet the printer: 3 s at most, 12 s when it is just starting."""
        with self._changed:
            if self._connection is not None:
                return
        self._disconnect()
        connection = Connection(
            *(self._port, self._baud, self._profile),
            options=self._options,
            closes_file=self._from_card,
        )
        with self._changed:
            self._connection = connection
            self._session.connected(connection)
            self._thread = threading.Thread(
                target=self._talk, args=(connection,), name=f"serial {self._port}", daemon=True
            )
            self._thread.start()
            greeted = self._await_greeting(connection)
            reason = "" if greeted else self._why_not(connection)
        if not greeted:
            self._disconnect()
            with self._changed:
                self._session.offline_because = reason
            raise PrinterOffline(reason)

    @property
    def present(self) -> bool:
        """Is there a device of that name? Not before the printer is plugged in and on."""
        return os.path.exists(self._port)

    def status(self) -> Status:
        with self._changed:
            return self._session.status(time.monotonic())

    def transfer(self, order: PrintOrder, progress: Callable[[float], None]) -> None:
        """Write the file to the card where it is printed from there; else it stays where it is."""
        if self._from_card:
            self._upload(order, progress)
        progress(1.0)

    def _upload(self, order: PrintOrder, progress: Callable[[float], None]) -> None:
        with self._changed:
            upload = self._session.want_upload(order, time.monotonic())
            self._wake()
        try:
            while not upload.over:
                progress(upload.progress)  # may raise: nobody wants the file any more
                with self._changed:
                    self._changed.wait_for(lambda: upload.over, UPLOAD_LOOK_S)
        except BaseException:
            with self._changed:
                upload.give_up("Given up.")
                self._wake()
                self._changed.wait_for(lambda: upload.over, START_S)
            raise
        finally:
            with self._changed:
                self._session.drop_upload(upload)
        if upload.failure:
            raise PrinterError(f"The file did not get onto the printer's card. {upload.failure}")

    def start(self, order: PrintOrder) -> None:
        with self._changed:
            start = self._session.want_start(order, time.monotonic())
            if start is None:
                return
            self._wake()
            self._changed.wait_for(lambda: start.decided, START_S)
            self._session.withdraw(start)
            if start.refusal is not None:
                raise start.refusal

    def pause(self) -> None:
        """Stop at the next line and go aside; what is under way, such as heating, ends first."""
        with self._changed:
            self._session.pause()
            self._wake()

    def resume(self) -> None:
        with self._changed:
            self._session.resume()
            self._wake()

    def cancel(self, attempt_id: str) -> None:
        with self._changed:
            self._session.cancel(attempt_id)
            self._wake()

    def emergency_stop(self, reason: str = "Somebody asked for an emergency stop.") -> None:
        """Stop everything at once, whatever is queued; ends only when a person resets it."""
        with self._changed:
            self._session.stop_wanted = reason
            self._wake()

    def answer(self, choice: int) -> None:
        """Answer the printer's question, `Status.prompt`, with the choice of this index."""
        with self._changed:
            self._session.answer(choice)
            self._wake()

    def find(self, attempt_id: str) -> Found:
        """What this very object knows, or the card says; one that is streamed to knows nothing."""
        with self._changed:
            return self._session.find(attempt_id)

    def close(self) -> None:
        """Let go of the port. A print that we stream stops by that, so its heat goes off."""
        self._disconnect()

    # Inside --------------------------------------------------------------------------------

    def _await_greeting(self, connection: Connection) -> bool:
        """Wait until the printer is known, or is at least seen to be at work."""
        begun = time.monotonic()
        while self._connection is connection and not connection.ready:
            # One that prints by itself answers between two moves: slowly, but it answers.
            slow = connection.booting or connection.answers
            limit_s = GREETING_WHILE_BOOTING_S if slow else GREETING_S
            left_s = begun + limit_s - time.monotonic()
            if left_s <= 0:
                return connection.heard_busy
            self._changed.wait(left_s)
        return self._connection is connection

    def _why_not(self, connection: Connection) -> str:
        where = f"The printer on {self._port}"
        if self._connection is None:
            return f"{where} went away. {self._session.offline_because}"
        if connection.heard_noise and not connection.heard_anything:
            return f"{where} says nothing readable at {self._baud} baud: is that its rate?"
        if connection.heard_anything:
            return f"{where} speaks, but did not answer in time. Reset it if it shows an error."
        return (
            f"{where} does not answer. Check its power, the cable and the baud rate "
            f"({self._baud}), and reset it if it shows an error."
        )

    def _disconnect(self) -> None:
        thread = self._thread
        if thread is not None:
            self._closing = True
            self._wake()
            thread.join()
            self._closing = False
            self._thread = None

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # a full pipe wakes as well
            os.write(self._wake_write, b"!")

    def _talk(self, connection: Connection) -> None:
        """The thread: carries lines both ways until the connection ends, one way or another."""
        reason = "The driver itself failed; its log says why."
        try:
            self._converse(connection)
            reason = "The connection was closed."
        except LinkLost as lost:
            reason = f"Connection lost: {lost}."
        finally:
            with self._changed:
                if self._session.printing:
                    self._say_last_words(connection)
                self._connection = None
                self._session.lost(reason)
                self._changed.notify_all()
            connection.close()

    def _converse(self, connection: Connection) -> None:
        session = self._session
        while not self._closing:
            heard = connection.step(self, session.next_at(), self._wake_read)
            now = time.monotonic()
            with self._changed:
                for message in heard:
                    session.hear(message, now)
                if session.stop_wanted:
                    session.emergency(session.stop_wanted, now)
                session.watch_heat(now)
                if session.interrupt_wanted:
                    session.interrupt_wanted = False
                    connection.interrupt()
                while session.interjections:
                    connection.interject(session.interjections.pop(0))
                self._changed.notify_all()

    # What the connection asks for, from that thread

    def next_command(self, now: float) -> str | None:
        with self._changed:
            starting = self._session.starting
            command = self._session.next_command(now)
            if starting and not self._session.starting:
                self._changed.notify_all()
            return command

    def next_bytes(self, now: float) -> bytes | None:
        with self._changed:
            return self._session.next_bytes(now)

    def next_lines(self, now: float, most: int) -> list[str]:
        with self._changed:
            return self._session.next_lines(now, most)

    def _say_last_words(self, connection: Connection) -> None:
        """Our print ends with this connection: its heat goes off, if the printer still hears."""
        with suppress(LinkLost):
            connection.blurt(connection.profile.script("cool"))
