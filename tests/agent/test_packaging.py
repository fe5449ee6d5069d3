"""The unit for systemd agrees with what the agent does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fabcoord.agent.main import EXIT_LOCKED, EXIT_SUPERSEDED

_UNIT = Path(__file__).parents[2] / "packaging/fabcoord-agent.service"


def test_it_is_not_started_again_where_that_cannot_help() -> None:
    wanted = f"RestartPreventExitStatus={EXIT_SUPERSEDED} {EXIT_LOCKED}"
    assert wanted in _UNIT.read_text().splitlines()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_it() -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", str(_UNIT)], capture_output=True, text=True, timeout=30
    )
    complaints = [
        line
        for line in done.stderr.splitlines()
        if _UNIT.name in line and "is not executable" not in line
    ]
    assert complaints == []
