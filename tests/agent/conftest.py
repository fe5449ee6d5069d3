"""A whole agent in a thread of the test, with its server and its printers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fabcoord.agent.identity import Identity
from fabcoord.agent.main import run_agent
from fabcoord.agent.messages import PrinterConfig
from fabcoord.agent.stance import Stance
from fabcoord.printers.base import Printer

from .doubles import Desk, FakePrinter, FakeServer, Machine, printer


@dataclass
class RunningAgent:
    """An agent in a thread; ``stop`` ends it as signals would."""

    data_dir: Path
    server: FakeServer
    machines: dict[str, Machine]
    stance: Stance = field(default_factory=Stance)
    said: list[str] = field(default_factory=list)
    exit_code: int | None = None

    def start(self) -> RunningAgent:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def _run(self) -> None:
        def make(config: PrinterConfig, _data_dir: Path) -> Printer:
            return FakePrinter(self.machines[config.printer_id])

        identity = Identity(self.server.url, "ag1", self.server.token)
        self.exit_code = run_agent(
            self.data_dir, identity=identity, make=make, say=self.said.append, stance=self.stance
        )

    def stop(self, timeout_s: float = 10.0) -> int | None:
        self.stance.cancel()
        self.thread.join(timeout_s)
        assert not self.thread.is_alive(), "the agent does not end"
        return self.exit_code


@pytest.fixture
def server() -> Iterator[FakeServer]:
    server = FakeServer(Desk((printer("p1"),)))
    yield server
    server.close()


@pytest.fixture
def start_agent(tmp_path: Path, server: FakeServer) -> Iterator[Callable[..., RunningAgent]]:
    """Starts agents on one data directory; all are ended after the test."""
    started: list[RunningAgent] = []

    def start(*machines: Machine) -> RunningAgent:
        named = {f"p{number}": machine for number, machine in enumerate(machines, 1)}
        agent = RunningAgent(tmp_path / "agent", server, named).start()
        started.append(agent)
        return agent

    yield start
    for agent in started:
        if agent.thread.is_alive():
            agent.stop()
