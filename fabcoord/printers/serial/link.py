"""The serial port itself: opened for us alone, read and written without waiting."""

from __future__ import annotations

import errno
import os
import select
import termios
import time
from contextlib import suppress

import serial

from fabcoord.errors import PrinterOffline

_READ_AT_MOST = 65536


class LinkLost(Exception):
    """The port went away under us: cable pulled, printer off, simulator ended."""


class SerialLink:
    """An open serial port.

    Opened exclusively, so that no second program talks into a print, and with HUPCL cleared, so
    that closing it does not pull DTR, which resets many boards.

    Raises PrinterOffline with what to do when the port cannot be opened.
    """

    def __init__(self, port: str, baud: int) -> None:
        try:
            self._serial = serial.Serial(port, baud, timeout=0, write_timeout=0, exclusive=True)
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise PrinterOffline(
                f"The port {port} cannot be opened: {error}.", hint=_advice(port, error)
            ) from error
        self.fd: int = self._serial.fileno()
        try:
            settings = termios.tcgetattr(self.fd)
            settings[2] &= ~termios.HUPCL
            settings[6][termios.VMIN] = 1  # so that reading nothing can only mean a hang-up
            termios.tcsetattr(self.fd, termios.TCSANOW, settings)
        except termios.error as error:
            self._serial.close()
            raise PrinterOffline(
                f"The port {port} does not behave as a serial port: {error}."
            ) from error
        self._unsent = bytearray()
        self._poll = select.poll()
        self._poll.register(self.fd, select.POLLIN)
        self._wake_fd = -1
        self._poll_out = False  # also wait until the port takes more

    def wait(self, wake_fd: int, timeout_s: float | None) -> tuple[bool, bool]:
        """Until something has arrived or somebody wants us; sends on what waits meanwhile.

        Args:
            wake_fd: a pipe; what comes out of it is read and ends the wait.
            timeout_s: None for ever.

        Returns whether something has arrived (or the port is gone), and whether we were woken.
        Raises LinkLost.
        """
        if wake_fd != self._wake_fd:
            self._wake_fd = wake_fd
            self._poll.register(wake_fd, select.POLLIN)
        if self._poll_out is not bool(self._unsent):
            self._poll_out = bool(self._unsent)
            events = select.POLLIN | select.POLLOUT if self._poll_out else select.POLLIN
            self._poll.modify(self.fd, events)
        arrived = woken = False
        for fd, event in self._poll.poll(None if timeout_s is None else timeout_s * 1000.0):
            if fd == wake_fd:
                os.read(wake_fd, 4096)
                woken = True
                continue
            arrived = event != select.POLLOUT
            if event & select.POLLOUT:
                self.flush()
        return arrived, woken

    def read(self) -> bytes:
        """What has arrived, empty when nothing has. Raises LinkLost."""
        try:
            data = os.read(self.fd, _READ_AT_MOST)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise LinkLost(os.strerror(error.errno or errno.EIO)) from error
        if not data:
            raise LinkLost("the port was closed at the other end")
        return data

    def write(self, data: bytes) -> None:
        """Send; what the port does not take now waits for `flush`. Raises LinkLost."""
        if self._unsent:
            self._unsent += data
        elif data:
            self._unsent += data[self._put(data) :]

    def flush(self) -> None:
        """Send what waits. Raises LinkLost."""
        del self._unsent[: self._put(bytes(self._unsent))]

    def cut_in(self, data: bytes) -> None:
        """Send before all that waits, which is dropped. Raises LinkLost."""
        self._unsent = bytearray(data[self._put(data) :])

    @property
    def waits(self) -> bool:
        """Is there something that the port has not taken yet?"""
        return bool(self._unsent)

    def _put(self, data: bytes) -> int:
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise LinkLost(os.strerror(error.errno or errno.EIO)) from error

    def pulse_dtr(self) -> None:
        """Pull the line that resets many boards; a no-op where there is none."""
        with suppress(OSError):
            self._serial.dtr = False
            time.sleep(0.05)
            self._serial.dtr = True

    def close(self) -> None:
        with suppress(OSError):  # gone already; the descriptor is released all the same
            self._serial.close()


def _advice(port: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EACCES:
        return "Add the user that runs the agent to the group dialout and sign in again."
    if number in (errno.EAGAIN, errno.EBUSY):
        return "Another program has it open: close it, or stop it from starting by itself."
    if number == errno.ENOENT:
        return "Is the printer on and plugged in? Stable names are in /dev/serial/by-path."
    return f"Check the cable and that {port} is the printer."
