"""How fast G-code goes over a serial line: fabcoord beside printcore, OctoPrint and a bare loop.

All stream the same sliced file, a lobed vase of short segments, to the same responder: a process
of its own behind a pseudo-terminal that lets each byte take its time in both directions, as a
UART does, and answers each line when its last byte has arrived. Rates are measured there, between
the first and the last move. Run it on a quiet machine with the lab's own interpreter:
``.venv/bin/python bench/serial_stream.py [--quick]``. It installs printcore and OctoPrint with the
scripts of the tests, prints the table, and writes it with a plot to ``docs/``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import reduce
from operator import xor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ROOT / "bench" / "serial"
CACHE = ROOT / ".cache"
DOCS = ROOT / "docs"
PRINTRUN = ROOT / ".venv-printrun" / "bin" / "python"
UNPACED = 0
REPEATS = 3


@dataclass(frozen=True)
class Host:
    """Something that streams."""

    name: str
    command: tuple[str, ...]
    lines: dict[int, int]  # how many of the file, by baud


@dataclass(frozen=True)
class Result:
    """One run: lines per second at the responder, processor seconds per 1,000 lines."""

    rate: float
    cpu_s: float


def hosts(quick: bool) -> list[Host]:
    python = str(ROOT / ".venv" / "bin" / "python")
    paced = {115200: 1500, 250000: 3000}
    fast, slow = {**paced, UNPACED: 60000}, {**paced, UNPACED: 6000}
    if quick:
        paced = {115200: 500}
        fast = slow = {**paced, UNPACED: 6000}
    part = str(PARTS / "hosts.py")
    return [
        Host("bare loop, ping-pong", (python, part, "bare-ping-pong"), fast),
        Host("bare loop, window", (python, part, "bare-window"), fast),
        Host("fabcoord, ping-pong", (python, part, "ping-pong"), fast),
        Host("fabcoord, window", (python, part, "window"), fast),
        Host("fabcoord, window + MeatPack", (python, part, "meatpack"), paced),
        Host("printcore 2.2", (str(PRINTRUN), part, "printcore"), slow),
        Host("OctoPrint 1.11.8", (python, part, "octoprint"), slow),
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="few lines, one run, nothing written")
    quick = options.parse_args().quick
    for script in ("install-printrun", "install-octoprint"):
        subprocess.run([ROOT / "script" / script], check=True)
    moves = vase()
    results: dict[str, dict[int, Result]] = {}
    loads = []
    for _ in range(1 if quick else REPEATS):
        # One after the other and not each three times: whoever else works here disturbs them all.
        for host in hosts(quick):
            best = results.setdefault(host.name, {})
            for baud, count in host.lines.items():
                result = run(host, baud, moves[:count])
                loads.append(os.getloadavg()[0])
                if baud not in best or result.rate > best[baud].rate:
                    best[baud] = result
                told = f"{host.name} at {baud or 'no'} baud: {result.rate:.0f} lines/s"
                print(f"{told}, {result.cpu_s:.3f} CPU s per 1,000", file=sys.stderr)
    limits = {baud: limit(moves, baud, count) for baud, count in hosts(quick)[1].lines.items()}
    table = as_table(results, limits)
    print(table)
    if not quick:
        sys.path.insert(0, str(PARTS))
        from plot import as_svg

        (DOCS / "serial-rates.svg").write_text(as_svg(results, limits))
        (DOCS / "benchmarks-serial.md").write_text(page(table, sum(loads) / len(loads)))


def run(host: Host, baud: int, moves: list[str]) -> Result:
    """Stream these moves once."""
    with tempfile.TemporaryDirectory() as directory:
        file, link = Path(directory, "moves.gcode"), Path(directory, "port")
        file.write_text("".join(f"{move}\n" for move in moves))
        responder = subprocess.Popen(
            [sys.executable, PARTS / "responder.py", str(link), str(baud), str(len(moves))],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert responder.stdout is not None
        try:
            responder.stdout.readline()  # it is there
            streamed = subprocess.run(
                [*host.command, str(link), str(baud or 115200), str(file)],
                stdout=subprocess.PIPE,
                text=True,
                timeout=300,
                check=True,
                cwd=ROOT,
            )
            heard = json.loads(responder.stdout.readline())
        finally:
            responder.terminate()
            responder.wait()
    if heard["faults"]:
        raise SystemExit(f"{host.name} at {baud} baud: {heard['faults']} lines came damaged")
    cpu_s = json.loads(streamed.stdout.splitlines()[-1])["cpu_s"]
    return Result(heard["lines_per_s"], cpu_s / len(moves) * 1000)


def vase() -> list[str]:
    """The moves of the sliced vase; made once."""
    made = CACHE / "vase.gcode"
    if not made.exists():
        CACHE.mkdir(exist_ok=True)
        model = CACHE / "vase.stl"
        subprocess.run([sys.executable, PARTS / "vase.py", str(model)], check=True)
        subprocess.run(
            [
                *("prusa-slicer", "--export-gcode", "--layer-height", "0.2"),
                *("--fill-pattern", "gyroid", "--fill-density", "15%"),
                *("--output", str(made), str(model)),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    moves = (line.partition(";")[0].strip() for line in made.read_text().splitlines())
    return [move for move in moves if move.startswith("G1 ")]


def limit(moves: list[str], baud: int, count: int) -> float:
    """Lines per second that the line can carry, each with its number and checksum."""
    if baud == UNPACED:
        return 0.0
    size = 0
    for number, move in enumerate(moves[:count], 1):
        body = f"N{number} {move}".encode()
        size += len(b"%s*%d\n" % (body, reduce(xor, body)))
    return baud / 10 * min(count, len(moves)) / size


def as_table(results: dict[str, dict[int, Result]], limits: dict[int, float]) -> str:
    heads = [
        f"{baud} baud: lines/s (of {limits[baud]:.0f})" if baud else "no pace: lines/s"
        for baud in limits
    ]
    rows = [
        "| | " + " | ".join(heads) + " | CPU s per 1,000 lines |",
        "|---|" + "---:|" * (len(heads) + 1),
    ]
    for name, by_baud in results.items():
        cells = [cell(by_baud.get(baud), limits[baud]) for baud in limits]
        cpu = " / ".join(f"{r.cpu_s:.3f}" for b in limits if (r := by_baud.get(b)) is not None)
        rows.append(f"| {name} | {' | '.join(cells)} | {cpu} |")
    return "\n".join(rows)


def cell(result: Result | None, most: float) -> str:
    if result is None:
        return "–"
    share = f" ({result.rate / most:.0%})" if most else ""
    return f"{result.rate:,.0f}{share}"


def page(table: str, load: float) -> str:
    """The page with this table in it; what other benchmarks say further down stays."""
    before = (DOCS / "benchmarks-serial.md").read_text()
    cores = os.cpu_count()
    return f"""# Streaming over a serial line

What `bench/serial_stream.py` measured on {time.strftime("%Y-%m-%d")} ({platform.system()},
Python {platform.python_version()}, {cores} shared cores, everything at normal priority, best of
three runs; the mean number of processes that wanted a core, those of the benchmark among them, was
{load:.1f}). The file is a lobed vase of short segments; the responder lets each byte take its
time in both directions and answers a line when its last byte has arrived. In brackets: the share
of what the line can carry when each line has its number and checksum. MeatPack carries more than
that, because it packs them. Processor time is in the order of the columns.

{table}

![Lines per second](serial-rates.svg)

The bare loops are a dozen lines each that read, count and write lines prepared before: what this
machine can do at all. OctoPrint was asked over its REST API to print the file and serves its pages
beside; its processor time is that of its whole process.

{before[before.index("## ") :]}"""


if __name__ == "__main__":
    main()
