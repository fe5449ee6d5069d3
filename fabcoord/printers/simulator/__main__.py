"""``python -m fabcoord.printers.simulator``: a Marlin 2 printer on a pty."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from fabcoord.printers.simulator.loop import Simulator
from fabcoord.printers.simulator.port import take_lock

_LOCK_ATTEMPTS = 20  # somebody may just be looking whether the lock is held


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fabcoord.printers.simulator", description=__doc__)
    parser.add_argument("--link", type=Path, required=True, help="symbolic link to the port")
    parser.add_argument("--speed", type=float, default=1.0, help="times faster than real")
    parser.add_argument("--baud", type=int, default=115200, help="line rate at speed 1")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--sd", type=Path, help="directory that is the SD card (default: memory)")
    parser.add_argument("--control", type=Path, help="Unix socket to look inside and do harm")
    parser.add_argument("--record", type=Path, help="append each command that is carried out")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=["EMERGENCY_PARSER", "SDCARD", "MEATPACK", "BINARY_FILE_TRANSFER"],
        help="a capability that this printer lacks (repeatable)",
    )
    parser.add_argument(
        "--false-promise",
        action="append",
        default=[],
        choices=["BINARY_FILE_TRANSFER"],
        help="a capability that it promises and lacks (repeatable)",
    )
    parser.add_argument("--advanced-ok", action="store_true", help="name line and room in each ok")
    parser.add_argument("--extruders", type=int, default=1, choices=range(1, 9))
    parser.add_argument("--chamber", action="store_true", help="it has a heated chamber")
    parser.add_argument("--reset-on-open", action="store_true", help="as boards with DTR reset")
    parser.add_argument("--exit-when-alone", type=float, metavar="SECONDS")
    return parser.parse_args()


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """End by an exception: a mere flag would wait until the next byte ends the select."""
    sys.exit(0)


def main() -> int:
    options = _arguments()
    if not options.speed > 0 or options.baud < 300:
        print("--speed must be above 0 and --baud at least 300", file=sys.stderr)
        return 2
    for _ in range(_LOCK_ATTEMPTS):
        lock = take_lock(options.link)
        if lock is not None:
            break
        time.sleep(0.05)
    else:
        print(f"another simulator serves {options.link}", file=sys.stderr)
        return 3
    simulator = Simulator(
        options.link,
        speed=options.speed,
        baud=options.baud,
        seed=options.seed,
        sd=options.sd,
        control=options.control,
        record=options.record,
        without=frozenset(options.without) | (frozenset() if options.chamber else {"CHAMBER"}),
        extruders=options.extruders,
        promises=frozenset(options.false_promise),
        advanced_ok=options.advanced_ok,
        reset_on_open=options.reset_on_open,
        exit_when_alone_s=options.exit_when_alone,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    simulator.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
