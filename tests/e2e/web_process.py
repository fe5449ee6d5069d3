"""Only the web server of a lab, as a process of its own that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import psutil
import requests

from .lab import free_port

_STARTS_WITHIN_S = 30.0


class WebProcess:
    """`fabcoord web` on a data directory, on one port for all its lives."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self.port = data_dir, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.token = subprocess.run(
            [
                *(sys.executable, "-m", "fabcoord", "token", "create", "--member", "Ada"),
                *("--role", "member", "--data", str(data_dir)),
            ],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def start(self) -> Self:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "fabcoord", "web", "--data", str(self.data_dir)),
                *("--port", str(self.port)),
            ],
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while True:
            try:
                requests.get(f"{self.url}/healthz", timeout=1)
            except requests.RequestException:
                assert time.monotonic() < deadline, "the web server does not start"
                time.sleep(0.05)
            else:
                return self

    def kill(self) -> None:
        """kill -9 of everything, as a power switch would."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for child in self.workers():
            child.wait(5)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)

    def workers(self) -> list[psutil.Process]:
        """The server's processes."""
        assert self._process is not None
        try:
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def pss_bytes(self) -> int:
        """The memory of all of them, each shared page counted once."""
        return sum(one.memory_full_info().pss for one in self.workers())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
