"""A disk that can be full, and whose every change is written down: `disk.c`, preloaded."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADER = struct.Struct("=IIQQqQII")
_MAGIC = 0x4B534944
_SOURCE = Path(__file__).with_name("disk.c")


def why_not() -> str:
    """Why no such disk can be had here; empty when it can."""
    if shutil.which("cc") is None:
        return "no C compiler (cc) to build tests/faults/disk.c with"
    return "" if os.uname().sysname == "Linux" else "LD_PRELOAD as on Linux is needed"


def build(directory: Path) -> Path:
    """Compile the library; returns where it is."""
    library = directory / "disk.so"
    subprocess.run(
        ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return library


@dataclass(frozen=True, slots=True)
class Change:
    """One record: ``kind`` is w(rite), t(runcate), c(reate), r(ename), l(ink), u(nlink),
    m(kdir), d (rmdir), s and S (an fsync begins and is done; ``other`` is "/" for one of a
    directory), or a (somebody was told)."""

    kind: str
    inode: int
    thread: int
    offset: int
    path: str
    other: str
    data: bytes


def read_log(path: Path) -> Iterator[Change]:
    """The records in their order."""
    with path.open("rb") as log:
        while head := log.read(HEADER.size):
            magic, kind, inode, thread, offset, size, path_size, other_size = HEADER.unpack(head)
            assert magic == _MAGIC, "the log of the disk is broken"
            name, other = log.read(path_size).decode(), log.read(other_size).decode()
            yield Change(chr(kind), inode, thread, offset, name, other, log.read(size))


class Told:
    """What somebody was told is done: kept in order, and in the disk's log where there is one.

    Each is a small JSON object with ``kind``; `consistency.py` knows what it promises.
    """

    def __init__(self, log: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._all: list[dict[str, Any]] = []
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if log else None

    def note(self, **said: Any) -> None:
        with self._lock:
            self._all.append(said)
            if self._log is not None:
                data = json.dumps(said).encode()
                head = HEADER.pack(_MAGIC, ord("a"), 0, 0, 0, len(data), 0, 0)
                os.write(self._log, head + data)

    def so_far(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._all)
