"""A real OctoPrint for the tests of this folder."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fabcoord.printers.base import PrintOrder
from fabcoord.printers.octoprint import OctoPrintPrinter
from tests.peers.octoprint.server import OctoPrintServer

MakeOrder = Callable[[list[str]], PrintOrder]


@pytest.fixture(scope="session")
def octoprint_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OctoPrintServer]:
    if not OctoPrintServer.installed():
        pytest.skip("OctoPrint is not installed; run script/install-octoprint")
    server = OctoPrintServer(tmp_path_factory.mktemp("octoprint"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def octoprint(octoprint_session: OctoPrintServer) -> Iterator[OctoPrintServer]:
    """The OctoPrint of this session, idle before and after the test."""
    yield octoprint_session
    octoprint_session.make_idle()


@pytest.fixture
def printer(octoprint: OctoPrintServer) -> Iterator[OctoPrintPrinter]:
    printer = OctoPrintPrinter(octoprint.url, octoprint.api_key)
    printer.connect()
    yield printer
    printer.close()


@pytest.fixture
def order(tmp_path: Path) -> MakeOrder:
    """Makes the order of a fresh attempt that prints the given lines."""

    def make(lines: list[str]) -> PrintOrder:
        attempt_id = secrets.token_hex(6)
        path = tmp_path / f"{attempt_id}.gcode"
        path.write_text("\n".join(lines) + "\n")
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return PrintOrder(attempt_id, path, sha256, f"fc-{attempt_id}.gcode")

    return make


def eventually(holds: Callable[[], object], within_s: float = 30) -> None:
    """Wait until a thing that happens in another process has happened."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)
