"""A very large G-code file through the driver to a printer that takes it as fast as it comes.

``.venv/bin/python bench/large_file.py [MB]`` (500 unless told). The file is made on the spot and
printed with the serial driver, through a pseudo-terminal, to a responder without a pace. The memory
of this process, which holds the driver, is looked at twenty times a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from fabcoord.printers.base import PrintOrder
from fabcoord.printers.serial.driver import SerialPrinter
from fabcoord.printers.serial.options import FlowMode, WireOptions

RESPONDER = Path(__file__).parent / "serial" / "responder.py"
LOOK_EVERY_S = 0.05
BLOCK_LINES = 20_000


def main() -> None:
    size_mb = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    block = "".join(
        f"G1 X{n % 180}.{n % 997:03} Y{n % 170}.{n % 991:03} E.0{n % 89:02}\n"
        for n in range(BLOCK_LINES)
    )
    blocks = size_mb * 1_000_000 // len(block) + 1
    with tempfile.TemporaryDirectory() as directory:
        link, file = Path(directory, "port"), Path(directory, "large.gcode")
        responder = subprocess.Popen(
            [sys.executable, RESPONDER, str(link), "0", str(blocks * BLOCK_LINES)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert responder.stdout is not None
        responder.stdout.readline()  # it is there
        printer = SerialPrinter(str(link), options=WireOptions(FlowMode.WINDOW, 128))
        try:
            printer.connect()
            with file.open("w") as out:
                for _ in range(blocks):
                    out.write(block)
            on_disk = time.monotonic()
            memory = follow(printer, file)
            heard = json.loads(responder.stdout.readline())
        finally:
            printer.close()
            responder.terminate()
            responder.wait()
    first, *later = memory
    print(f"| {size_mb} MB of G-code, {blocks * BLOCK_LINES:,} lines | |")
    print("|---|---:|")
    print(f"| from the file on the disk to its first line at the printer | "
          f"{(heard['first_at'] - on_disk) * 1000:.0f} ms |")  # fmt: skip
    print(f"| memory before, MB | {first / 1e6:.1f} |")
    print(f"| grew by at most, of {len(later):,} looks, MB | {(max(later) - first) / 1e6:.1f} |")
    print(f"| lines per second | {heard['lines_per_s']:,.0f} |")


def follow(printer: SerialPrinter, file: Path) -> list[int]:
    """Print it; the memory of this process before and all the time, in bytes."""
    me = psutil.Process()
    memory = [me.memory_info().rss]
    printer.start(PrintOrder("a1", file, "", "large.gcode"))
    while printer.status().ended is None:
        memory.append(me.memory_info().rss)
        time.sleep(LOOK_EVERY_S)
    return memory


if __name__ == "__main__":
    main()
