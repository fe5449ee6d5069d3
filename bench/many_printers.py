"""Many printers on one machine: the rate of each, and the memory of what drives them.

Eight responders at 115200 baud take the same file: from one real agent, with a thread for each
printer; from the same agent while one printer is pulled out; and from a process for each printer,
for comparison. The agent's server is a small double in this process. Run it from the checkout on a
quiet machine: ``PYTHONPATH=. .venv/bin/python bench/many_printers.py``. Prints a table.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from serial_stream import PARTS, ROOT, limit, vase

from tests.agent.doubles import Desk, FakeServer, offer, printer

PRINTERS, BAUD, MOVES = 8, 115200, 3000
GOAL_SHARE, GOAL_MB = 0.95, 64
LOOK_AFTER_S = MOVES / 600  # in the middle
HOST = str(PARTS / "hosts.py")
AGENT = """
import sys
from pathlib import Path
from fabcoord.agent.identity import Identity
from fabcoord.agent.main import run_agent
sys.exit(run_agent(Path(sys.argv[1]), identity=Identity(sys.argv[2], "ag1", "secret-token")))
"""
Responder = subprocess.Popen[str]
Drive = Callable[[Path, list[str], str], "list[subprocess.Popen[bytes]]"]


def main() -> None:
    moves = vase()[:MOVES]
    most = limit(moves, BAUD, MOVES)
    heads = ("slowest", "fastest", "CPU s per 1,000 lines", "PSS", "")
    print(f"| {PRINTERS} printers at {BAUD} baud | {' | '.join(heads)} |")
    print("|---|---:|---:|---:|---:|---|")
    runs = (
        ("one agent", with_agent, False),
        ("one agent, another printer pulled out", with_agent, True),
        ("a process for each", with_processes, False),
    )
    for name, drive, pull in runs:
        rates, used_s, in_use_mb = run(moves, drive, pull=pull)
        slowest, fastest = min(rates) / most, max(rates) / most
        good = slowest >= GOAL_SHARE and in_use_mb < GOAL_MB
        told = "passes" if good else "fails"
        goal = f"{told}: ≥ {GOAL_SHARE:.0%} each, < {GOAL_MB} MB"
        shares = f"{slowest:.1%} | {fastest:.1%} | {used_s:.3f}"
        print(f"| {name} | {shares} | {in_use_mb:.0f} MB | {goal} |", flush=True)


def run(moves: list[str], drive: Drive, *, pull: bool) -> tuple[list[float], float, float]:
    """The rate of each printer that stayed, processor seconds per 1,000 lines, memory in MB.

    The processor's time is that of the second half, the memory that of its beginning.
    """
    gcode = "".join(f"{move}\n" for move in moves)
    with tempfile.TemporaryDirectory() as directory, responding(Path(directory)) as responders:
        links = [str(Path(directory, f"port{number}")) for number in range(PRINTERS)]
        hosts = drive(Path(directory), links, gcode)
        looked: list[float] = []

        def look() -> None:
            looked.extend((sum(map(pss_mb, hosts)), sum(map(cpu_s, hosts)), time.monotonic()))
            if pull:
                responders[0].kill()

        timer = threading.Timer(LOOK_AFTER_S, look)
        timer.start()
        try:
            stayed = responders[1:] if pull else responders
            rates = [json.loads(r.stdout.readline())["lines_per_s"] for r in stayed if r.stdout]
            timer.join()
            in_use_mb, before_s, at = looked
            lines = sum(rates) * (time.monotonic() - at)
            used_s = sum(map(cpu_s, hosts)) - before_s
        finally:
            for host in hosts:
                host.kill()
                host.wait()
    return rates, used_s / lines * 1000, in_use_mb


@contextmanager
def responding(directory: Path) -> Iterator[list[Responder]]:
    """As many printers, each behind a pseudo-terminal."""
    responders = [
        subprocess.Popen(
            [
                *(sys.executable, PARTS / "responder.py", str(directory / f"port{number}")),
                *(str(BAUD), str(MOVES), "0"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PRINTERS)
    ]
    try:
        for responder in responders:
            assert responder.stdout is not None
            responder.stdout.readline()
        yield responders
    finally:
        for responder in responders:
            responder.kill()
            responder.wait()


def with_agent(directory: Path, links: list[str], gcode: str) -> list[subprocess.Popen[bytes]]:
    """One agent that has been offered a print for each of its printers."""
    configs = [
        printer(f"p{number}", "serial", port=link, baud=BAUD, flow="window")
        for number, link in enumerate(links)
    ]
    server = FakeServer(Desk(tuple(configs)))
    process = subprocess.Popen([sys.executable, "-c", AGENT, directory / "agent", server.url])
    deadline = time.monotonic() + 30
    while not all_idle(server):
        if time.monotonic() > deadline:
            raise SystemExit("the printers were not found")
        time.sleep(0.1)
    content = gcode.encode()
    digest = hashlib.sha256(content).hexdigest()
    server.gcode[digest] = content
    for config in configs:
        attempt_id = f"a-{config.printer_id}"
        server.desk.offer(
            offer(attempt_id, config.printer_id, gcode_sha256=digest, size=len(content))
        )
    server.wake()
    return [process]


def all_idle(server: FakeServer) -> bool:
    requests = server.desk.requests
    seen = requests[-1].printers if requests else ()
    return len(seen) == PRINTERS and all(one.activity == "idle" for one in seen)


def with_processes(directory: Path, links: list[str], gcode: str) -> list[subprocess.Popen[bytes]]:
    file = directory / "moves.gcode"
    file.write_text(gcode)
    return [
        subprocess.Popen(
            [sys.executable, HOST, "window", link, str(BAUD), str(file)],
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
        )
        for link in links
    ]


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    return sum(psutil.Process(process.pid).cpu_times()[:2])


def pss_mb(process: subprocess.Popen[bytes]) -> float:
    """Of a process and all that it has started."""
    parent = psutil.Process(process.pid)
    tree = [parent, *parent.children(recursive=True)]
    return sum(float(one.memory_full_info().pss) for one in tree) / 1e6


if __name__ == "__main__":
    main()
