"""Many printers on one machine: the rate of each, and the memory of what drives them.

Eight responders at 115200 baud, driven by eight threads of one process, as the agent does it, and
by eight processes, for comparison. Run it with the lab's own interpreter:
``.venv/bin/python bench/many_printers.py``. Prints a table; nothing here passes or fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil
from serial_stream import PARTS, ROOT, limit, vase

PRINTERS, BAUD, MOVES = 8, 115200, 3000
HOST = str(PARTS / "hosts.py")


def main() -> None:
    moves = vase()[:MOVES]
    most = limit(moves, BAUD, MOVES)
    print(f"| {PRINTERS} printers at {BAUD} baud | slowest | fastest | PSS |")
    print("|---|---:|---:|---:|")
    for name, at_once in (("threads of one process", True), ("processes", False)):
        rates, pss_mb = run(moves, in_threads=at_once)
        shares = [rate / most for rate in rates]
        print(f"| {name} | {min(shares):.0%} | {max(shares):.0%} | {pss_mb:.0f} MB |")


def run(moves: list[str], *, in_threads: bool) -> tuple[list[float], float]:
    """The rate of each printer, and the memory in the middle of it, in MB."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "moves.gcode")
        file.write_text("".join(f"{move}\n" for move in moves))
        links = [str(Path(directory, f"port{number}")) for number in range(PRINTERS)]
        responders = [
            subprocess.Popen(
                [sys.executable, PARTS / "responder.py", link, str(BAUD), str(MOVES), "0"],
                stdout=subprocess.PIPE,
                text=True,
            )
            for link in links
        ]
        groups = [links] if in_threads else [[link] for link in links]
        hosts = []
        try:
            for responder in responders:
                assert responder.stdout is not None
                responder.stdout.readline()
            hosts = [
                subprocess.Popen(
                    [sys.executable, HOST, "window", ",".join(group), str(BAUD), str(file)],
                    stdout=subprocess.DEVNULL,
                    cwd=ROOT,
                )
                for group in groups
            ]
            looked: list[float] = []
            timer = threading.Timer(MOVES / 600, lambda: looked.append(sum(map(pss, hosts))))
            timer.start()
            rates = [json.loads(r.stdout.readline())["lines_per_s"] for r in responders if r.stdout]
            timer.join()
            for host in hosts:
                host.wait()
        finally:
            for process in (*responders, *hosts):
                process.kill()
                process.wait()
    return rates, looked[0]


def pss(process: subprocess.Popen[bytes]) -> float:
    return float(psutil.Process(process.pid).memory_full_info().pss) / 1e6


if __name__ == "__main__":
    main()
