"""Runs one untrusted piece of work as a subprocess with limits that the kernel keeps."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_OUTPUT_KEPT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one subprocess may use before the kernel, or we, end it."""

    memory_bytes: int = 2 << 30  # address space (RLIMIT_AS)
    cpu_s: int = 300
    file_size_bytes: int = 2 << 30
    wall_s: float = 600.0
    open_files: int = 256
    niceness: int = 0  # 19 yields to everything else: for work that nobody waits for


@dataclass(frozen=True, slots=True)
class Completed:
    """How a sandboxed subprocess ended.

    ``returncode`` is negative for a signal, as in `subprocess`. ``ended_by`` says whether it
    ended by itself or was killed because of the wall-clock limit or a cancellation.
    """

    returncode: int
    stdout: str  # the last 64 KiB
    stderr: str  # the last 64 KiB
    wall_s: float
    ended_by: Literal["itself", "wall", "cancelled"]

    @property
    def signal_name(self) -> str | None:
        """The name of the signal that ended it, for example ``SIGSEGV``, or None."""
        return signal.Signals(-self.returncode).name if self.returncode < 0 else None


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    limits: Limits,
    cancelled: Callable[[], bool] = lambda: False,
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """Run ``argv`` in ``cwd`` (its own directory, made if missing) under ``limits``.

    The process gets a session of its own, a bare environment, no standard input, and dies with
    the thread that started it (PR_SET_PDEATHSIG through ``setpriv``), so call this from a thread
    that lives as long as the process should. When it ends, however it ends, everything left in
    its process group is killed. ``cancelled`` is asked about five times a second. ``on_line`` is
    called with each line of standard output, from another thread.
    """
    cwd.mkdir(parents=True, exist_ok=True)
    command = [
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("prlimit", f"--as={limits.memory_bytes}", f"--cpu={limits.cpu_s}"),
        *(f"--fsize={limits.file_size_bytes}", f"--nofile={limits.open_files}", "--core=0", "--"),
        *("nice", "-n", str(limits.niceness)),
        *(str(part) for part in argv),
    ]
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=_bare_environment(cwd),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    stdout, stderr = _Tail(process.stdout, on_line), _Tail(process.stderr, None)
    ended_by: Literal["itself", "wall", "cancelled"] = "itself"
    deadline = started + limits.wall_s
    try:
        while True:
            try:
                process.wait(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    ended_by = "wall"
                elif cancelled():
                    ended_by = "cancelled"
                else:
                    continue
                break
    finally:
        _kill_group(process.pid)
        returncode = process.wait()
    return Completed(
        returncode=returncode,
        stdout=stdout.text(),
        stderr=stderr.text(),
        wall_s=time.monotonic() - started,
        ended_by=ended_by,
    )


def python_module(module: str) -> list[str]:
    """The start of an argv that runs a module of ours with the interpreter we run on."""
    return [sys.executable, "-I", "-m", module]


def _bare_environment(cwd: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    single_threaded = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}
    return kept | single_threaded | {"HOME": str(cwd), "TMPDIR": str(cwd)}


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class _Tail:
    """Reads a pipe to its end in a thread and keeps the last bytes of it."""

    def __init__(self, pipe: object, on_line: Callable[[str], None] | None) -> None:
        self._kept = bytearray()
        self._on_line = on_line
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe: object) -> None:
        with pipe:  # type: ignore[attr-defined]
            # A line without an end must not grow in our memory.
            for line in iter(lambda: pipe.readline(_OUTPUT_KEPT_BYTES), b""):  # type: ignore[attr-defined]
                self._kept += line
                del self._kept[:-_OUTPUT_KEPT_BYTES]
                if self._on_line is not None:
                    self._on_line(line.decode("utf-8", "replace").rstrip("\n"))

    def text(self) -> str:
        self._thread.join(timeout=5)
        return self._kept.decode("utf-8", "replace")
