"""Looks at the machine that an agent runs on: what hinders printing over USB, how to mend it."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ENOUGH_FREE_BYTES = 1_000_000_000
_UNDER_VOLTAGE_NOW, _UNDER_VOLTAGE_SINCE_BOOT = 1 << 0, 1 << 16
# Programs that grab or probe serial ports, and how to be rid of them.
_MEDDLERS = {
    "brltty": (
        "brltty takes ports with a CH340 or CP210x chip for braille displays.",
        "sudo apt remove brltty",
    ),
    "ModemManager": (
        "ModemManager writes modem commands to new ports, in the middle of a print too.",
        "sudo systemctl disable --now ModemManager, or install packaging/99-fabcoord.rules",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``mend`` says what to do when it is not ok."""

    ok: bool
    what: str
    mend: str = ""


def examine(data_dir: Path, root: Path = Path("/")) -> list[Finding]:
    """Look at everything; nothing is changed.

    Args:
        data_dir: the agent's directory.
        root: where ``/dev``, ``/proc`` and ``/sys`` are looked for.
    """
    return [
        *_ports(root),
        *_meddlers(root / "proc"),
        *_latency(root / "sys"),
        *_power(root / "sys"),
        _directory(data_dir),
    ]


def _ports(root: Path) -> Iterator[Finding]:
    named = sorted((root / "dev/serial/by-path").glob("*"))
    if not named:
        yield Finding(
            False,
            "no serial port has a name in /dev/serial/by-path",
            "Switch the printer on and plug it in; try another cable, some only charge.",
        )
    for port in named:
        usable = os.access(port, os.R_OK | os.W_OK)
        user = pwd.getpwuid(os.geteuid()).pw_name
        yield Finding(
            usable,
            f"{port} → {port.resolve().name}" + ("" if usable else f": {user} may not open it"),
            f"sudo usermod -aG {_group_of(port)} {user}, then sign in again",
        )


def _group_of(port: Path) -> str:
    try:
        return grp.getgrgid(port.stat().st_gid).gr_name
    except (KeyError, OSError):
        return "dialout"


def _meddlers(proc: Path) -> Iterator[Finding]:
    running = {_read(comm) for comm in proc.glob("[0-9]*/comm")}
    for name, (harm, mend) in _MEDDLERS.items():
        # The kernel cuts names of processes to 15 letters.
        there = name[:15] in running
        yield Finding(not there, harm if there else f"{name} does not run", mend)


def _latency(sys: Path) -> Iterator[Finding]:
    for timer in sorted((sys / "bus/usb-serial/devices").glob("*/latency_timer")):
        value = _read(timer)
        yield Finding(
            value == "1",
            f"{timer.parent.name} holds answers back for {value} ms",
            "Install packaging/99-fabcoord.rules, which sets 1 ms; curves print smoother.",
        )


def _power(sys: Path) -> Iterator[Finding]:
    """A Raspberry Pi tells whether its supply was too weak."""
    for throttled in sorted(sys.glob("devices/platform/soc/*/get_throttled")):
        try:
            flags = int(_read(throttled), 16)
        except ValueError:
            continue
        now, before = flags & _UNDER_VOLTAGE_NOW, flags & _UNDER_VOLTAGE_SINCE_BOOT
        text = "is too low now" if now else "has been too low" if before else "is enough"
        yield Finding(
            not (now or before),
            f"the supply voltage {text}",
            "Use the supply made for this Pi and a short cable; tape off the 5 V pin to a board "
            "that draws power from the Pi.",
        )


def _directory(data_dir: Path) -> Finding:
    place = next(one for one in (data_dir, *data_dir.resolve().parents) if one.exists())
    if not os.access(place, os.W_OK):
        return Finding(False, f"{data_dir} cannot be written", "Give it to the agent's user.")
    stats = os.statvfs(place)
    free_bytes = stats.f_bavail * stats.f_frsize
    return Finding(
        free_bytes >= _ENOUGH_FREE_BYTES,
        f"{data_dir} has {free_bytes / 1e9:.1f} GB free",
        "G-code is kept there while it prints: make room, 1 GB at least.",
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
