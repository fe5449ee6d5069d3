"""All printers of this agent: makes and retires their runners, speaks for them to the server."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict

from fabcoord.agent.held import UNMARKED, Stage
from fabcoord.agent.journal import Journal
from fabcoord.agent.knowledge import Heard
from fabcoord.agent.messages import (
    CommandResult,
    LiveAttempt,
    PrinterConfig,
    PrinterTelemetry,
    SyncAnswer,
)
from fabcoord.agent.runner import Runner

_LOG = logging.getLogger(__name__)


class Fleet:
    """The runners, by printer. Methods may be called from any thread."""

    def __init__(self, journal: Journal, make_runner: Callable[[PrinterConfig], Runner]) -> None:
        self._journal, self._make_runner = journal, make_runner
        self._lock = threading.RLock()
        self._runners: dict[str, Runner] = {}
        self._leaving: dict[str, Runner] = {}

    def configure(self, configs: tuple[PrinterConfig, ...]) -> None:
        """Drive these printers. A runner with an attempt in hand stays as it is until it ends."""
        wanted = {config.printer_id: config for config in configs}
        with self._lock:
            for printer_id, runner in list(self._runners.items()):
                if wanted.get(printer_id) != runner.config and not runner.held:
                    _LOG.info("%s: no longer driven as it was", runner.config.name)
                    runner.stop()
                    self._leaving[printer_id] = self._runners.pop(printer_id)
            for printer_id, runner in list(self._leaving.items()):
                # Two drivers must never hold one port: wait until the old one has let go.
                if runner.join(1.0):
                    del self._leaving[printer_id]
            for printer_id, config in wanted.items():
                if printer_id not in self._runners and printer_id not in self._leaving:
                    self._runners[printer_id] = self._make_runner(config)
                    self._runners[printer_id].start()

    def learn(self, configs: tuple[PrinterConfig, ...]) -> None:
        """Take the server's list of printers, keep it for a start without the server."""
        if configs != self._journal.printers():
            self._journal.set_printers(tuple(asdict(config) for config in configs))
        self.configure(configs)
        self._settle_orphans()

    def _settle_orphans(self) -> None:
        """Attempts of printers that the server has taken away while this agent was not running."""
        for held in self._journal.held():
            if held.printer_id in self._runners or held.printer_id in self._leaving:
                continue
            reason = "The printer was taken away from this agent."
            if held.stage in UNMARKED:
                self._journal.move(held.attempt_id, Stage.ENDED, "failed", reason)
            elif held.stage is not Stage.UNKNOWN:
                self._journal.move(held.attempt_id, Stage.UNKNOWN, "unknown", reason)

    def hear(self, answer: SyncAnswer, server_ahead_s: float) -> None:
        """Hand the server's answer to the runners that it concerns."""
        words = {item.attempt_id: item.state for item in answer.attempts}
        listed = {config.printer_id for config in answer.printers}
        with self._lock:
            for printer_id, runner in self._runners.items():
                runner.hear(
                    Heard(
                        words=words,
                        offers=tuple(o for o in answer.offers if o.printer_id == printer_id),
                        commands=tuple(c for c in answer.commands if c.printer_id == printer_id),
                        server_ahead_s=server_ahead_s,
                        removed=printer_id not in listed,
                    )
                )
            known = {result.command_id for result in self._journal.command_results()}
            for command in answer.commands:
                if command.printer_id not in self._runners and command.command_id not in known:
                    reason = "This agent does not drive that printer."
                    self._journal.finish_command(CommandResult(command.command_id, False, reason))

    def telemetry(self) -> tuple[PrinterTelemetry, ...]:
        """Every printer as last seen."""
        with self._lock:
            return tuple(runner.telemetry() for runner in self._runners.values())

    def attempts(self) -> tuple[LiveAttempt, ...]:
        """Every attempt that this agent answers for."""
        with self._lock:
            in_hand = {h.attempt_id: h for r in self._runners.values() for h in r.held}
        orphans = {h.attempt_id: h for h in self._journal.held()}
        return tuple(LiveAttempt(h.attempt_id, h.token) for h in (orphans | in_hand).values())

    @property
    def live(self) -> list[str]:
        """The names of printers on which a print of ours may be running."""
        with self._lock:
            return [runner.config.name for runner in self._runners.values() if runner.live]

    @property
    def undecided(self) -> bool:
        """Whether an attempt that has not started waits to be given back."""
        with self._lock:
            return any(h.stage in UNMARKED for r in self._runners.values() for h in r.held)

    def poke(self) -> None:
        """Let every runner look again now."""
        with self._lock:
            for runner in self._runners.values():
                runner.poke()

    def stop(self, *, timeout_s: float = 1.0) -> None:
        """End the runners, then the simulators of virtual printers; hanging ones are left."""
        with self._lock:
            runners = [*self._runners.values(), *self._leaving.values()]
        for runner in runners:
            runner.stop()
        deadline = time.monotonic() + timeout_s
        for runner in runners:
            if runner.join(max(0.0, deadline - time.monotonic())):
                runner.end_simulator()
