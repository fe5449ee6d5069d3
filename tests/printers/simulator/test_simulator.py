"""The simulator answers as Marlin does, takes time as a printer does, and costs little."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
import serial

from fabcoord.printers.serial.framing import frame
from fabcoord.printers.simulator import thermal
from fabcoord.printers.simulator.planner import BLOCKS, Planner
from fabcoord.printers.simulator.wire import Inbound, Outbound
from tests.printers.simulated import PATIENCE_S, Simulated, until


class Client:
    """A host that says a line and reads what comes back up to the ok."""

    def __init__(self, simulated: Simulated) -> None:
        self.port = serial.Serial(str(simulated.link), 115200, timeout=PATIENCE_S)

    def say(self, line: str | bytes) -> list[str]:
        self.port.write(line if isinstance(line, bytes) else line.encode() + b"\n")
        heard: list[str] = []
        while not heard or not heard[-1].startswith("ok"):
            heard.append(self.port.readline().decode().strip())
            assert heard[-1], f"no ok after {heard}"
        return heard


@pytest.fixture
def simulated() -> Iterator[Simulated]:
    running = Simulated()
    yield running
    running.stop()


@pytest.fixture
def client(simulated: Simulated) -> Iterator[Client]:
    host = Client(simulated)
    yield host
    host.port.close()


def test_it_says_what_it_is_and_can(client: Client) -> None:
    answer = client.say("M115")
    assert answer[0].startswith("FIRMWARE_NAME:Marlin 2")
    assert "Cap:EMERGENCY_PARSER:1" in answer


def test_a_line_out_of_order_is_asked_for_again(client: Client) -> None:
    client.say(frame(0, "M110 N0"))
    assert client.say(frame(1, "G90")) == ["ok"]
    assert client.say(frame(3, "G91")) == [
        "Error:Line Number is not Last Line Number+1, Last Line: 1",
        "Resend: 2",
        "ok",
    ]


def test_a_wrong_or_missing_checksum_is_noticed(client: Client) -> None:
    client.say(frame(0, "M110 N0"))
    assert "checksum mismatch" in client.say("N1 G90*1")[0]
    assert "No Checksum" in client.say("N1 G90")[0]


def test_a_duplicate_is_swallowed_without_an_ok(client: Client, simulated: Simulated) -> None:
    client.say(frame(0, "M110 N0"))
    client.say(frame(1, "G90"))
    client.port.write(frame(1, "G90"))
    assert client.say(frame(2, "M105"))[0].startswith("ok T:")
    assert simulated.ask("log")["last"] == ["G90"]


def test_a_killed_printer_is_deaf_until_reset(client: Client, simulated: Simulated) -> None:
    client.port.write(b"M112\n")
    assert b"kill() called" in client.port.readline()
    client.port.write(b"M105\n")
    simulated.ask("reset")
    assert client.port.readline() == b"start\n"


def test_a_file_sent_to_the_card_can_be_listed_and_printed(
    client: Client, simulated: Simulated
) -> None:
    client.say("M28 part.gco")
    client.port.reset_input_buffer()
    client.say(frame(1, "G28"))
    client.say(frame(2, "G1 X5"))
    assert "Done saving file." in client.say("M29")
    assert any(line.startswith("PART.GCO ") for line in client.say("M20"))
    client.say("M23 part.gco")
    client.say("M24")
    until(lambda: simulated.ask("log")["last"][-2:] == ["G28", "G1 X5"])
    assert "Not SD printing" in client.say("M27")


def test_it_stays_on_when_its_host_goes_away(client: Client, simulated: Simulated) -> None:
    client.say("G92 X42")
    client.port.close()
    until(lambda: not simulated.ask("state")["open"])
    again = Client(simulated)
    assert again.say("M114")[0].startswith("X:42.00")
    again.port.close()


def test_it_brings_no_library_with_it() -> None:
    """Standard library only, and without a control socket not even much of that."""
    code = (
        "import sys; before = set(sys.modules); import fabcoord.printers.simulator.__main__; "
        "print(*sorted(name for name in sys.modules if name not in before))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    assert loaded <= set(sys.stdlib_module_names) | {"fabcoord"}
    assert not loaded & {"dataclasses", "hashlib", "json", "socket", "asyncio"}


def test_it_sleeps_while_nothing_is_asked_of_it(client: Client, simulated: Simulated) -> None:
    client.say("M105")
    process = psutil.Process(simulated.process.pid)
    before = process.num_ctx_switches().voluntary
    simulated.ask("state")
    assert process.num_ctx_switches().voluntary - before < 20


def test_nobody_serves_a_link_twice(simulated: Simulated) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "fabcoord.printers.simulator", "--link", str(simulated.link)],
        capture_output=True,
        timeout=PATIENCE_S,
    )
    assert second.returncode == 3


def test_it_ends_when_told_to_even_while_its_port_is_open(
    simulated: Simulated, client: Client
) -> None:
    client.say("M105")
    simulated.process.terminate()
    assert simulated.process.wait(PATIENCE_S) == 0
    assert not simulated.link.is_symlink()


def test_it_ends_by_itself_when_nobody_comes() -> None:
    alone = Simulated("--exit-when-alone", "0.2")
    alone.process.wait(PATIENCE_S)
    assert alone.process.returncode == 0
    assert not alone.link.is_symlink()
    alone.stop()


def test_bytes_take_their_time_on_the_line() -> None:
    line = Inbound(baud=100)  # a tenth of a second for each byte
    line.put(b"ab\n", now=0.0)
    assert line.next_at() == pytest.approx(0.3)
    assert line.take(0.15) == b"a"
    assert line.take(0.3) == b"b\n"
    answer = Outbound(baud=100)
    answer.put(b"ok\n", now=1.0)
    assert answer.take(1.2) == b""
    assert answer.take(1.3) == b"ok\n"


def test_moves_take_the_time_of_their_length_and_feed() -> None:
    planner = Planner()
    planner.move({"X": 100.0, "F": 6000.0}, 0.0, may_extrude=True)
    assert planner.empty_at() == pytest.approx(1.0)
    planner.set_relative(True)
    planner.move({"Y": 30.0, "X": 40.0}, 0.0, may_extrude=True)
    assert planner.empty_at() == pytest.approx(1.5)
    assert planner.position["X"] == 140.0


def test_the_planner_holds_sixteen_moves() -> None:
    planner = Planner()
    for number in range(BLOCKS):
        assert not planner.full
        planner.move({"X": float(number + 1), "F": 60.0}, 0.0, may_extrude=True)
    assert planner.full
    planner.advance(planner.room_at())
    assert not planner.full


def test_heaters_take_their_time_and_cool_slowly() -> None:
    heater = thermal.hotend()
    heater.target_c = 200.0
    heater.advance(30.0)
    assert 80 < heater.temperature_c < 150
    heater.advance(120.0)
    assert heater.temperature_c == 200.0
    heater.target_c = 0.0
    heater.advance(180.0)
    assert 100 < heater.temperature_c < 200
