"""The simulator's end of the serial port: a pty, the link that names it, and who has it open."""

from __future__ import annotations

import fcntl
import os
import select
import tty
from pathlib import Path


class Port:
    """A pty whose other end is found through a symbolic link.

    The simulator does not keep the other end open itself, so the kernel tells when nobody has.
    """

    def __init__(self, link: Path) -> None:
        self._link = link
        self.fd = -1
        self.present = False  # does a client have the other end open?
        self._poll = select.poll()
        self.plug_in()

    def plug_in(self) -> None:
        """Make a new pty and point the link at it."""
        self.fd, other_end = os.openpty()
        tty.setraw(other_end)  # without this the kernel would echo what we say back to us
        os.set_blocking(self.fd, False)
        self._poll.register(self.fd, select.POLLIN)
        fresh = self._link.with_name(self._link.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(other_end))
        fresh.replace(self._link)
        os.close(other_end)

    def unplug(self) -> None:
        """Vanish as a pulled USB cable does: an open client gets an I/O error."""
        if self.fd < 0:
            return
        self._link.unlink(missing_ok=True)
        self._poll.unregister(self.fd)
        os.close(self.fd)
        self.fd, self.present = -1, False

    def look(self) -> bool:
        """True when a client has just opened the port."""
        if self.present or self.fd < 0:
            return False
        self.present = not any(event & select.POLLHUP for _, event in self._poll.poll(0))
        return self.present

    def read(self, limit: int) -> bytes:
        """What has arrived; empty, with ``present`` off, when the client has gone."""
        try:
            return os.read(self.fd, limit)
        except BlockingIOError:
            return b""
        except OSError:
            self.present = False
            return b""

    def write(self, data: bytes) -> None:
        """Send; what a client does not read is lost, as on a real line."""
        try:
            os.write(self.fd, data)
        except BlockingIOError:
            pass
        except OSError:
            self.present = False


def lock_path(link: Path) -> Path:
    """The file that a living simulator keeps locked; it holds the process id."""
    return link.with_name(link.name + ".lock")


def take_lock(link: Path) -> int | None:
    """Lock the link for this process; None when another simulator has it.

    The kernel drops the lock with the process, however it ends: a link left behind by a killed
    simulator, whose pty may belong to somebody else by now, is thus never mistaken for a printer.
    """
    fd = os.open(lock_path(link), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    os.ftruncate(fd, 0)
    os.pwrite(fd, b"%d\n" % os.getpid(), 0)
    return fd


def living_pid(link: Path) -> int | None:
    """The process id of the simulator that serves ``link``, None when there is none alive."""
    try:
        fd = os.open(lock_path(link), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(fd, 32, 0).strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(fd)
    return None
