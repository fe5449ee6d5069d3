"""A simulator that a test can look into, through its control channel."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class ControlledSimulator:
    """A printer of the demo that a test can look into: a simulator with its control channel."""

    def __init__(
        self, link: Path, control: Path, speed: float, environment: Mapping[str, str]
    ) -> None:
        link.parent.mkdir(parents=True, exist_ok=True)
        self.link, self._control = link, control
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-m", "fabcoord.printers.simulator"),
                *("--link", str(link), "--speed", str(speed), "--control", str(control)),
            ],
            env=dict(environment),
            start_new_session=True,
        )
        deadline = time.monotonic() + 10
        while not (link.is_symlink() and control.exists()):
            assert self.process.poll() is None, "the simulator did not start"
            assert time.monotonic() < deadline, "the simulator is slow to start"
            time.sleep(0.02)  # a process that makes a file tells nobody

    def ask(self, verb: str, **more: object) -> Json:
        """One request of the control channel, and its answer."""
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(10)
            channel.connect(str(self._control))
            channel.sendall(json.dumps({"do": verb, **more}).encode() + b"\n")
            with channel.makefile("rb") as answers:
                answer: Json = json.loads(answers.readline())
        assert answer["ok"], answer
        return answer

    def has_printed_once(self, gcode: Path) -> bool:
        """Whether all it ever carried out since the log was cleared is this file, once.

        Questions of the host aside, and with the M400 that a host sends at the end.
        """
        commands = [*_commands(gcode), "M400"]
        expected = hashlib.sha256("".join(f"{command}\n" for command in commands).encode())
        log = self.ask("log")
        return (log["count"], log["sha256"]) == (len(commands), expected.hexdigest())

    def reap(self) -> None:
        """Leave no zombie when it has ended."""
        self.process.poll()


def _commands(gcode: Path) -> list[str]:
    """The commands of a file, comments aside."""
    lines = (line.partition(";")[0].strip() for line in gcode.read_text().splitlines())
    return [line for line in lines if line]
