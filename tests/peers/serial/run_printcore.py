"""``run_printcore.py PORT FILE``: prints with printcore; runs in Printrun's own environment."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from printrun import gcoder
from printrun.printcore import printcore as Printcore


def main(port: str, file: str) -> None:
    core = Printcore(port, 115200)
    while not core.online:
        time.sleep(0.02)
    core.startprint(gcoder.LightGCode(Path(file).read_text().splitlines()))
    while core.printing:
        time.sleep(0.02)
    core.disconnect()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
