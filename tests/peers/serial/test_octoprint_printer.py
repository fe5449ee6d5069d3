"""Our driver prints on OctoPrint's virtual printer: somebody else's idea of a printer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fabcoord.printers.base import Outcome
from fabcoord.printers.serial.driver import SerialPrinter
from fabcoord.printers.serial.options import FlowMode, WireOptions
from tests.peers.octoprint.server import CHECKOUT, OctoPrintServer
from tests.printers.simulated import ended, order, status_when

PYTHON = CHECKOUT / ".venv-octoprint/bin/python"
QUICK = "throttle=0.0"
RECEIVE_BUFFER_BYTES = 64  # its own default
# Left out are "resend_with_timeout" and resend_ratio: with these it counts a line as received
# that it then neither executes nor asks for.
ERRORS = 'simulated_errors=["100:resend", "110:missing_lineno", "115:checksum_mismatch"]'


class VirtualPrinter:
    def __init__(self, directory: Path, *settings: str) -> None:
        self.link, self.moves = directory / "port", directory / "moves"
        script = Path(__file__).with_name("octoprint_printer.py")
        self.process = subprocess.Popen(
            [PYTHON, script, self.link, self.moves, QUICK, ERRORS, *settings],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    if not OctoPrintServer.installed():
        pytest.skip("OctoPrint is not installed; run script/install-octoprint")
    return tmp_path


@pytest.mark.parametrize(
    "settings",
    [
        [],  # asks for lines again, one of them without an ok; complains without asking
        ["okAfterResend=true", "okBeforeCommandOutput=true"],
        ["repetierStyleTargetTemperature=true", "simulated_errors=[]"],
        ["klipperTemperatureReporting=true", "simulated_errors=[]"],
        ["smoothieTemperatureReporting=true", "simulated_errors=[]"],
        # Its B is the room for planned moves, not for commands: nothing may be built on that.
        ['okFormatString="ok N{lastN} P{buffer} B{buffer}"', "okAfterResend=true"],
        ["sendBusy=true", "forceChecksum=true"],
    ],
    ids=lambda settings: ", ".join(settings) or "as it is",
)
@pytest.mark.parametrize("flow", [FlowMode.PING_PONG, FlowMode.WINDOW])
def test_each_move_is_made_once_and_in_order(
    directory: Path, settings: list[str], flow: FlowMode
) -> None:
    virtual = VirtualPrinter(directory, *settings)
    path = directory / "print.gcode"
    # It takes its time for each move, so these are short.
    commands = [f"G1 X{number / 1000:.3f} Y{number % 7 / 1000:.3f}" for number in range(150)]
    path.write_text("\n".join(["G28", "G90", "M82", *commands]) + "\n")
    printer = SerialPrinter(str(virtual.link), options=WireOptions(flow, RECEIVE_BUFFER_BYTES))
    try:
        printer.connect()
        assert "Marlin" in printer.status().firmware
        printer.start(order(path))
        status = status_when(printer, ended)
        assert status.ended is not None
        assert status.ended.outcome is Outcome.FINISHED, status.ended
    finally:
        printer.close()
        virtual.stop()
    assert virtual.moves.read_text().splitlines() == commands
