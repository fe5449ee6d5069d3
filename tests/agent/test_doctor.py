"""The doctor finds what is wrong on a machine made of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabcoord.agent.doctor import Finding, examine


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    """A machine with one printer and nothing wrong."""
    for path, text in {
        "dev/ttyUSB0": "",
        "proc/1/comm": "systemd",
        "sys/bus/usb-serial/devices/ttyUSB0/latency_timer": "1\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    by_path = tmp_path / "dev/serial/by-path"
    by_path.mkdir(parents=True)
    (by_path / "platform-usb-0:1.2:1.0-port0").symlink_to(tmp_path / "dev/ttyUSB0")
    return tmp_path


def problems(root: Path) -> list[Finding]:
    return [finding for finding in examine(root / "agent", root) if not finding.ok]


def test_nothing_is_wrong(healthy: Path) -> None:
    assert problems(healthy) == []
    whats = " ".join(finding.what for finding in examine(healthy / "agent", healthy))
    assert "→ ttyUSB0" in whats
    assert not (healthy / "agent").exists(), "looking changes nothing"


@pytest.mark.parametrize(
    ("path", "text", "what", "mend"),
    [
        ("proc/42/comm", "brltty\n", "braille", "apt remove brltty"),
        ("proc/42/comm", "ModemManager\n", "modem commands", "99-fabcoord.rules"),
        ("sys/bus/usb-serial/devices/ttyUSB0/latency_timer", "16\n", "16 ms", "rules"),
        ("sys/devices/platform/soc/soc:firmware/get_throttled", "50005", "too low now", "supply"),
        ("sys/devices/platform/soc/soc:firmware/get_throttled", "50000", "been too low", "supply"),
    ],
    ids=["brltty", "ModemManager", "latency", "voltage", "voltage before"],
)
def test_what_is_wrong_is_named_with_its_cure(
    healthy: Path, path: str, text: str, what: str, mend: str
) -> None:
    (healthy / path).parent.mkdir(parents=True, exist_ok=True)
    (healthy / path).write_text(text)
    (problem,) = problems(healthy)
    assert what in problem.what
    assert mend in problem.mend


def test_no_printer_plugged_in(healthy: Path) -> None:
    next((healthy / "dev/serial/by-path").iterdir()).unlink()
    (problem,) = problems(healthy)
    assert "no serial port" in problem.what
