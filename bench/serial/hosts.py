"""``hosts.py HOST PORT BAUD FILE``: streams the file, then tells the processor time it took."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
RECEIVE_BUFFER_BYTES = 128


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def framed(file: Path) -> list[bytes]:
    from fabcoord.printers.serial.framing import frame

    commands = ["M110 N0", *file.read_text().splitlines()]
    return [frame(number, command) for number, command in enumerate(commands)]


def bare(port: str, file: Path, window: int) -> float:
    """Read, count, write: what any host has to do at least."""
    lines, fd = framed(file), os.open(port, os.O_RDWR | os.O_NOCTTY)
    before = cpu_s()
    sizes: deque[int] = deque()
    on_way = 0
    for line in lines:
        while sizes and on_way + len(line) > window:
            for _ in range(os.read(fd, 4096).count(b"ok")):
                on_way -= sizes.popleft()
        os.write(fd, line)
        sizes.append(len(line))
        on_way += len(line)
    while sizes:
        for _ in range(os.read(fd, 4096).count(b"ok")):
            sizes.popleft()
    return cpu_s() - before


def fabcoord(port: str, baud: int, file: Path, mode: str) -> float:
    """Prints on one port, or on several with commas between them."""
    from fabcoord.printers.base import PrintOrder
    from fabcoord.printers.serial.driver import SerialPrinter
    from fabcoord.printers.serial.options import FlowMode, WireOptions

    flow = FlowMode.PING_PONG if mode == "ping-pong" else FlowMode.WINDOW
    options = WireOptions(flow, RECEIVE_BUFFER_BYTES, meatpack=mode == "meatpack")
    printers = [SerialPrinter(name, baud, options=options) for name in port.split(",")]
    for printer in printers:
        printer.connect()
    before = cpu_s()
    for printer in printers:
        printer.start(PrintOrder("bench", file, "", "bench.gcode"))
    while any(printer.status().ended is None for printer in printers):
        time.sleep(0.5)  # as the agent does
    used = cpu_s() - before
    for printer in printers:
        printer.close()
    return used


def printcore(port: str, baud: int, file: Path) -> float:
    from printrun import gcoder
    from printrun.printcore import printcore as Printcore

    core = Printcore(port, baud)
    while not core.online:
        time.sleep(0.05)
    gcode = gcoder.LightGCode(file.read_text().splitlines())
    before = cpu_s()
    core.startprint(gcode)
    while core.printing:
        time.sleep(0.05)
    used = cpu_s() - before
    core.disconnect()
    return used


def octoprint(port: str, baud: int, file: Path) -> float:
    import psutil
    import requests

    from tests.peers.octoprint.server import OctoPrintServer

    server = OctoPrintServer(Path(tempfile.mkdtemp()))
    server.start()
    try:
        process = psutil.Process(server._process.pid)
        server.call("/api/settings", {"serial": {"additionalPorts": [port], "baudrate": baud}})
        server.call("/api/connection", {"command": "disconnect"})
        server.call("/api/connection", {"command": "connect", "port": port, "baudrate": baud})
        server._wait_until_operational(time.monotonic() + 60)
        before = sum(process.cpu_times()[:2])
        with file.open("rb") as content:
            requests.post(
                f"{server.url}/api/files/local",
                headers={"X-Api-Key": server.api_key},
                files={"file": ("bench.gcode", content)},
                data={"select": "true", "print": "true"},
                timeout=30,
            ).raise_for_status()
        printed = False
        while True:
            state = str(server.call("/api/job")["state"])
            if printed and state == "Operational":
                break
            printed = printed or state in ("Printing", "Finishing")
            time.sleep(0.5)
        return sum(process.cpu_times()[:2]) - before
    finally:
        server.stop()


def main() -> None:
    host, port, baud, file = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
    if host == "bare-ping-pong":
        used = bare(port, file, 1)
    elif host == "bare-window":
        used = bare(port, file, RECEIVE_BUFFER_BYTES - 1)
    elif host == "printcore":
        used = printcore(port, baud, file)
    elif host == "octoprint":
        used = octoprint(port, baud, file)
    else:
        used = fabcoord(port, baud, file, host)
    print(json.dumps({"cpu_s": used}), flush=True)


if __name__ == "__main__":
    main()
