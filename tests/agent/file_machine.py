"""A printer double whose machine lives in a file, so that it outlives a killed agent.

Run as a program, this is an agent that drives such a printer: ``file_machine.py DATA_DIR SERVER
MACHINE_FILE [DIE_AT]``. With ``DIE_AT`` it kills itself with SIGKILL at that step, once.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fabcoord.agent.identity import Identity
from fabcoord.agent.main import run_agent
from fabcoord.printers.base import EndedPrint, Found, Outcome, PrintOrder, Status

from .doubles import FakePrinter, Machine

_KEPT = ("remembers", "reachable", "running", "foreign", "paused", "attention", "starts", "cancels")


class MachineFile:
    """A `Machine` in a JSON file, changed by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            self.save(Machine())

    @contextmanager
    def open(self) -> Iterator[Machine]:
        """The machine, saved again at the end."""
        with open(self.path.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            machine = self.load()
            yield machine
            self.save(machine)

    def load(self) -> Machine:
        """A copy of the machine as it is now."""
        data = json.loads(self.path.read_text())
        ended = data.pop("ended")
        if ended:
            ended["outcome"] = Outcome(ended["outcome"])
        return Machine(**data, ended=EndedPrint(**ended) if ended else None)

    def save(self, machine: Machine) -> None:
        data: dict[str, Any] = {name: getattr(machine, name) for name in _KEPT}
        data["ended"] = asdict(machine.ended) if machine.ended else None
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(data))
        temporary.replace(self.path)


class FilePrinter:
    """A driver for a `MachineFile` that may kill its own process at a named step."""

    def __init__(self, path: Path, die_at: str) -> None:
        self.file, self.die_at = MachineFile(path), die_at

    @contextmanager
    def _driver(self) -> Iterator[FakePrinter]:
        with self.file.open() as machine:

            def hook(step: str) -> None:
                if step == self.die_at:
                    self.file.save(machine)
                    os.kill(os.getpid(), signal.SIGKILL)

            machine.hook = hook
            yield FakePrinter(machine)

    def connect(self) -> None:
        with self._driver() as driver:
            driver.connect()

    def status(self) -> Status:
        with self._driver() as driver:
            status = driver.status()
        if self.die_at == "end seen" and status.ended is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return status

    def transfer(self, order: PrintOrder, progress: Callable[[float], None]) -> None:
        with self._driver() as driver:
            driver.transfer(order, progress)

    def start(self, order: PrintOrder) -> None:
        with self._driver() as driver:
            driver.start(order)

    def pause(self) -> None:
        with self._driver() as driver:
            driver.pause()

    def resume(self) -> None:
        with self._driver() as driver:
            driver.resume()

    def cancel(self, attempt_id: str) -> None:
        with self._driver() as driver:
            driver.cancel(attempt_id)

    def find(self, attempt_id: str) -> Found:
        with self._driver() as driver:
            return driver.find(attempt_id)

    def close(self) -> None:
        pass


def main() -> int:
    data_dir, server, machine, *rest = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    return run_agent(
        Path(data_dir),
        identity=Identity(server, "ag1", "secret-token"),
        make=lambda _config, _data_dir: FilePrinter(Path(machine), rest[0] if rest else ""),
    )


if __name__ == "__main__":
    sys.exit(main())
