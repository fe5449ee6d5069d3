"""Drivers by name, the virtual printer through the whole agent, and how light the agent is."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fabcoord.agent.drivers import make_printer
from fabcoord.errors import PrinterError
from fabcoord.printers.serial.driver import SerialPrinter

from .doubles import FakeServer, Machine, offer, printer
from .file_machine import MachineFile

_ROOT = Path(__file__).parents[2]

_AGENT = """
import sys, logging
from pathlib import Path
from fabcoord.agent.identity import Identity
from fabcoord.agent.main import run_agent
logging.basicConfig(level=logging.INFO)
sys.exit(run_agent(Path(sys.argv[1]), identity=Identity(sys.argv[2], "ag1", "secret-token")))
"""


@pytest.fixture
def agent(tmp_path: Path, server: FakeServer) -> Iterator[subprocess.Popen[bytes]]:
    """A real agent process with real drivers."""
    process = subprocess.Popen([sys.executable, "-c", _AGENT, str(tmp_path), server.url])
    yield process
    for _ in range(2):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(8)
            except subprocess.TimeoutExpired:
                continue
    process.kill()
    process.wait()


def test_each_driver_by_its_name(tmp_path: Path) -> None:
    made = make_printer(printer("p1", "serial", port="/dev/ttyUSB9"), tmp_path)
    assert isinstance(made, SerialPrinter)
    made.close()


@pytest.mark.parametrize(
    "config",
    [
        printer("p1", "serial"),
        printer("p1", "serial", port="/dev/ttyUSB9", baud="fast"),
        printer("p1", "octoprint", url="http://octopi.local"),
        printer("../p1", "virtual"),
        printer("p1", "teleport"),
    ],
    ids=["no port", "no number", "no key", "no file name", "no such driver"],
)
def test_settings_that_cannot_be_used_are_named(config: object, tmp_path: Path) -> None:
    with pytest.raises(PrinterError, match="P1"):
        make_printer(config, tmp_path)  # type: ignore[arg-type]


def test_an_agent_imports_only_the_drivers_in_use() -> None:
    code = (
        "import sys, fabcoord.agent.main; heavy = {'octorest', 'requests', 'serial', 'flask',"
        " 'sqlite_utils', 'numpy', 'scipy', 'trimesh', 'huey'} & set(sys.modules);"
        " print(*heavy); sys.exit(bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_virtual_printer_prints_to_the_end(
    server: FakeServer, agent: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    server.desk.printers = (printer("p1", "virtual", speed=500),)
    server.desk.wait_for(
        lambda: (
            any(p.activity == "idle" for p in server.desk.requests[-1].printers)
            if server.desk.requests
            else False
        ),
        timeout_s=30,
    )
    server.desk.offer(offer())
    server.wake()
    server.desk.wait_state("a1", "finished", timeout_s=60)
    assert server.desk.kinds("a1") == [
        *("accepted", "transferring", "starting", "printing", "finished")
    ]
    simulators = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in _line(p)]
    agent.terminate()
    assert agent.wait(10) == 0
    left = [p for p in simulators if p.pid != agent.pid and p.is_running()]
    assert not left, "the simulator goes when the agent goes"


def _line(process: psutil.Process) -> str:
    return " ".join(process.info["cmdline"] or ())


def test_the_agent_is_light(server: FakeServer, tmp_path: Path) -> None:
    machine = MachineFile(tmp_path / "machine.json")
    machine.save(Machine())
    server.desk.interval_s = 10
    arguments = [str(tmp_path / "agent"), server.url, str(machine.path)]
    agent = subprocess.Popen(
        [sys.executable, "-m", "tests.agent.file_machine", *arguments], cwd=_ROOT
    )
    try:
        server.desk.wait_for(lambda: len(server.desk.requests) > 1)
        rollup = Path(f"/proc/{agent.pid}/smaps_rollup").read_text()
        pss_kb = next(int(line.split()[1]) for line in rollup.splitlines() if line[:4] == "Pss:")
        # The double drags in the test server's modules, about 3 MB, on top of the agent.
        assert pss_kb < 30_000
    finally:
        agent.kill()
        agent.wait()
