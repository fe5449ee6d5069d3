"""What a bad line costs: the rate that is left, and how long a lost answer or line end stops it.

``python bench/serial_faults.py``: the flow and the simulator's firmware at 115200 baud on a clock
of their own, so that the figures are the same on every machine; and one print on a pseudo-terminal
whose printer is reset in the middle.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).parents[1]))

from fabcoord.printers.serial.driver import SerialPrinter
from tests.printers.serial.line import BAUD, MODES, BadLine, moves
from tests.printers.simulated import Simulated, ended, order, status_when

SEEDS = range(20)
LINES = 1500
DAMAGE = (("flip_in", 0.01), ("flip_in", 0.02), ("lose_in", 0.01), ("lose_in", 0.02))


def share_of_line(mode: str, seed: int, **faults: float) -> float:
    """The rate beside what the line can carry unpacked."""
    line, commands = BadLine(mode, seed, **faults), moves(LINES, seed)
    took_s = line.stream(commands)
    assert not line.flow.failure
    size = sum(len(b"N1234 %s*99\n" % command.encode()) for command in commands)
    return size * 10 / BAUD / took_s


def stopped_s(mode: str, kind: str, seed: int) -> float:
    """How much longer the same lines take when one such fault strikes."""
    whole, line = BadLine(mode, seed), BadLine(mode, seed)
    line.faults.set(kind, None, 1)
    return line.stream(moves(100, seed)) - whole.stream(moves(100, seed))


def reset_noticed_s() -> tuple[float, str]:
    """How long after a reset the print has ended, and the reason that it gives."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "long.gcode"
        path.write_text("G28\n" + "G1 X10 F6000\nG1 X20\n" * 20_000)
        simulated = Simulated(speed=1.0)
        printer = SerialPrinter(str(simulated.link))
        try:
            printer.connect()
            printer.start(order(path))
            status_when(printer, lambda status: status.print and status.print.progress > 0)
            simulated.ask("reset")
            begun = time.monotonic()
            end = status_when(printer, ended).ended
        finally:
            printer.close()
            simulated.stop()
    assert end is not None
    return time.monotonic() - begun, end.reason


def main() -> None:
    print("| share of the line's rate | " + " | ".join(MODES) + " |")
    print("|---|" + "---|" * len(MODES))
    for name, faults in [("clean", {}), *((f"{k} {r:.0%}", {k: r}) for k, r in DAMAGE)]:
        shares = [mean(share_of_line(mode, seed, **faults) for seed in SEEDS) for mode in MODES]
        print(f"| {name} | " + " | ".join(f"{share:.0%}" for share in shares) + " |", flush=True)
    print("\n| longest stop, s | " + " | ".join(MODES) + " |")
    print("|---|" + "---|" * len(MODES))
    for kind in ("lose_ok", "lose_end"):
        stops = [max(stopped_s(mode, kind, seed) for seed in SEEDS) for mode in MODES]
        print(f"| {kind} | " + " | ".join(f"{stop:.2f}" for stop in stops) + " |", flush=True)
    seconds, reason = reset_noticed_s()
    print(f"\nAfter a reset the print had ended within {seconds:.1f} s: {reason}")


if __name__ == "__main__":
    main()
