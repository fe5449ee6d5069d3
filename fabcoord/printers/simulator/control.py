"""The control channel: tests and people look inside the simulator, and put trouble in.

A Unix socket; each line is one JSON object ``{"do": verb, …}``, each answer one JSON object with
``ok``. Verbs: ``state``; ``log`` (count, hash and last of the executed commands, and how many were
executed unchecked besides) and ``clear_log``; ``fault`` (``kind`` of `wire.Faults.KINDS` with
``rate`` or ``count``); ``garbage`` (``length``); ``say`` (``text``, a line to the host as if the
firmware said it); ``hang`` (``seconds``, real ones); ``unplug`` (``seconds``); ``reset``; ``kill``
(``reason``); ``put`` (``name``, ``text``: a file onto the SD card); ``file`` (``name``: the text of
one on the card); ``card_room`` (``bytes``, then the card is full); ``print`` (``name``: start it
from the front panel); ``panel`` (``what``: ``pause``, ``resume`` or ``abort`` the print from the
card, or ``preheat``); ``press`` (the button that M0, M1 and M600 wait for); ``heater`` (``name``,
``stuck``: full power whatever the target); ``silence`` (``on``: no temperatures are told);
``quit``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path

Answer = Callable[[dict[str, object]], dict[str, object]]
_LONGEST_LINE = 64 << 20  # an SD file travels in one line


# What a host asks to look after the printer, not to print: left out of the log of executed
# commands, so that the log can be compared with a file.
_CHATTER = frozenset({"M105", "M110", "M113", "M115", "M155", "M27"})
# Pieces of broken lines pass unchecked when they have lost their number. Marlin answers nearly all
# of them as unknown commands, and does nothing; one that begins at the command is executed.
_COMMAND = re.compile(r"([GMT]\d+)(?:[ A-Z][^*]*)?")


class ExecutedLog:
    """Which commands were executed, in order: how many, as a hash, and the last few."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._count = self._unchecked = 0
        self._hash = hashlib.sha256()
        self._last: deque[str] = deque(maxlen=40)

    def add(self, command: str) -> None:
        match = _COMMAND.fullmatch(command)
        if match is not None and match[1] not in _CHATTER:
            self._count += 1
            self._hash.update(command.encode("ascii", "replace") + b"\n")
            self._last.append(command)
        elif "*" in command and command[0] in "GMT":
            self._unchecked += 1

    def report(self) -> dict[str, object]:
        return {
            "count": self._count,
            "unchecked": self._unchecked,
            "sha256": self._hash.hexdigest(),
            "last": list(self._last),
        }


class Record:
    """A file to which each executed command is appended, questions of the host aside.

    It survives the simulator, as what lies on a plate survives the printer's power.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    def add(self, command: str) -> None:
        match = _COMMAND.fullmatch(command)
        if match is not None and match[1] not in _CHATTER:
            self._file.write(f"{command}\n")


class Control:
    """Listens on a Unix socket; the main loop calls `accept` and `read` when select says so."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self.log = ExecutedLog()
        path.unlink(missing_ok=True)
        self._path = path
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(before)
        self._listener.listen(4)
        self._clients: dict[int, tuple[socket.socket, bytearray]] = {}

    def filenos(self) -> list[int]:
        return [self._listener.fileno(), *self._clients]

    def ready(self, fd: int) -> None:
        """Something can be read on ``fd``, one of `filenos`."""
        if fd == self._listener.fileno():
            client, _ = self._listener.accept()
            self._clients[client.fileno()] = (client, bytearray())
        else:
            self._read(fd)

    def _read(self, fd: int) -> None:
        client, waiting = self._clients[fd]
        try:
            data = client.recv(65536)
        except OSError:
            data = b""
        if not data or len(waiting) > _LONGEST_LINE:
            client.close()
            del self._clients[fd]
            return
        waiting += data
        while (end := waiting.find(b"\n")) >= 0:
            line = bytes(waiting[:end])
            del waiting[: end + 1]
            try:
                client.sendall(json.dumps(self._reply(line)).encode() + b"\n")
            except OSError:
                return  # the next read finds it closed

    def _reply(self, line: bytes) -> dict[str, object]:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise TypeError("a request is a JSON object")
            return {"ok": True} | self._answer(request)
        except (ValueError, KeyError, TypeError) as error:
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}

    def close(self) -> None:
        self._listener.close()
        self._path.unlink(missing_ok=True)
