"""Looks at this machine: what fabcoord needs, what is missing, how to get it."""

from __future__ import annotations

import grp
import os
import shutil
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fabcoord.errors import FabcoordError

_LEAST_FREE_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    ok: bool
    what: str
    mend: str = ""


def examine(data_dir: Path, server: str | None = None) -> list[Finding]:
    """Look at everything; nothing is changed."""
    return [
        _python(),
        _sqlite(),
        *_programs(),
        _slicer(),
        _profiles(),
        _disk(data_dir),
        *_serial(),
        *([_server(server)] if server else []),
    ]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(
        sys.version_info >= (3, 11), f"Python {version}", "fabcoord needs Python 3.11 or newer."
    )


def _sqlite() -> Finding:
    return Finding(
        sqlite3.sqlite_version_info >= (3, 38),
        f"SQLite {sqlite3.sqlite_version}",
        "fabcoord needs SQLite 3.38 or newer; Debian 12 brings it.",
    )


def _programs() -> Iterator[Finding]:
    for program in ("setpriv", "prlimit"):
        found = shutil.which(program)
        yield Finding(
            found is not None,
            f"{program} (limits for untrusted work): {found or 'not found'}",
            "sudo apt install util-linux",
        )


def _slicer() -> Finding:
    from fabcoord.slicing.prusaslicer import PrusaSlicer

    try:
        return Finding(True, f"PrusaSlicer {PrusaSlicer().version()}")
    except FabcoordError:
        return Finding(False, "no slicer: nothing can be sliced", "sudo apt install prusa-slicer")


def _profiles() -> Finding:
    from fabcoord.printers import machines
    from fabcoord.slicing import presets

    missing = []
    for model in machines.all_machines().values():
        try:
            presets.resolve(model, material=model.materials[0])
        except FabcoordError as error:
            missing.append(f"{model.name}: {error.detail}")
    return Finding(
        not missing,
        "presets of every machine model" + (f": {'; '.join(missing)}" if missing else ""),
        "Install prusa-slicer from apt, whose package brings the vendors' bundles.",
    )


def _disk(data_dir: Path) -> Finding:
    existing = next(path for path in (data_dir.resolve(), *data_dir.resolve().parents)
                    if path.exists())  # fmt: skip
    free = shutil.disk_usage(existing).free
    if not os.access(existing, os.W_OK):
        return Finding(
            False, f"{data_dir} cannot be written", f"Give this user the right: chown {existing}"
        )
    return Finding(
        free >= _LEAST_FREE_BYTES,
        f"{free / 1e9:.1f} GB free for {data_dir}",
        "Free some space: designs and G-code need at least 2 GB.",
    )


def _serial() -> Iterator[Finding]:
    """Ports that are here, and whether this user may open them."""
    ports = sorted(Path("/dev").glob("ttyUSB*")) + sorted(Path("/dev").glob("ttyACM*"))
    for port in ports:
        group = _group_of(port)
        yield Finding(
            os.access(port, os.R_OK | os.W_OK),
            f"serial port {port}",
            f"sudo usermod -aG {group} $USER, then sign in again",
        )
    if not ports:
        yield Finding(True, "no USB serial printer is plugged in")
    if shutil.which("brltty"):
        yield Finding(
            False,
            "brltty is installed and takes CH340 and CP210x ports away",
            "sudo apt remove brltty, unless someone uses a Braille display here",
        )


def _group_of(port: Path) -> str:
    try:
        return grp.getgrgid(port.stat().st_gid).gr_name
    except (KeyError, OSError):
        return "dialout"


def _server(server: str) -> Finding:
    try:
        with urllib.request.urlopen(f"{server.rstrip('/')}/healthz", timeout=5) as answer:  # noqa: S310
            return Finding(answer.status == 200, f"the lab at {server} answers")
    except (urllib.error.URLError, OSError, ValueError) as error:
        return Finding(False, f"the lab at {server}: {error}", "Is it running? Is a firewall on?")
