"""From the request on the agent to M112 on the wire, whatever is queued.

A Marlin that is deep in a long heating answers nothing; lines stand in its buffer and in ours. The
command is handed to the agent's runner as the sync does it, and the time is taken when the bytes
are at the other end of the pseudo-terminal. Run it from the checkout:
``PYTHONPATH=. .venv/bin/python bench/emergency_stop.py``
"""

from __future__ import annotations

import datetime as dt
import statistics
import tempfile
import time
from pathlib import Path

from fabcoord.agent.journal import Journal
from fabcoord.agent.knowledge import Heard
from fabcoord.agent.messages import Command, PrinterConfig
from fabcoord.agent.runner import Runner
from fabcoord.agent.spool import Spool
from fabcoord.agent.stance import Stance
from fabcoord.printers.base import Activity, PrintOrder
from fabcoord.printers.serial.driver import SerialPrinter
from fabcoord.printers.serial.link import SerialLink

from tests.printers.simulated import Simulated, status_when  # isort: skip

TIMES = 10


def main() -> None:
    took_ms = sorted(once() for _ in range(TIMES))
    print("| request on the agent to M112 on the wire | ms |")
    print("|---|---:|")
    print(f"| median of {TIMES} | {statistics.median(took_ms):.1f} |")
    print(f"| worst | {took_ms[-1]:.1f} |")


def once() -> float:
    """One print that heats for long, one stop; milliseconds."""
    written: list[float] = []
    put = SerialLink.cut_in

    def cut_in(self: SerialLink, data: bytes) -> None:
        put(self, data)
        if b"M112" in data:
            written.append(time.monotonic())

    simulated = Simulated(speed=1.0)
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        file = here / "long.gcode"
        file.write_text("G4 S600\n" + "G1 X10 F600\nG1 X20\n" * 5000)
        printer = SerialPrinter(str(simulated.link))
        journal = Journal(here / "journal.sqlite")
        runner = Runner(
            PrinterConfig("p1", "Bench", "serial", "demo"),
            make=lambda: printer,
            client=lambda: None,  # type: ignore[arg-type,return-value]
            journal=journal,
            spool=Spool(here / "spool"),
            stance=Stance(),
            notify=lambda: None,
        )
        SerialLink.cut_in = cut_in  # type: ignore[method-assign]
        try:
            runner.start()
            status_when(printer, lambda status: status.activity is Activity.IDLE)
            printer.start(PrintOrder("a1", file, "", "fc-a1.gcode"))
            time.sleep(0.3)
            until = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)).isoformat()
            asked = time.monotonic()
            runner.hear(Heard(commands=(Command("c1", "emergency", "p1", "", until),)))
            deadline = asked + 10
            while not written and time.monotonic() < deadline:
                time.sleep(0.0002)
        finally:
            SerialLink.cut_in = put  # type: ignore[method-assign]
            runner.stop()
            runner.join(5.0)
            journal.close()
            simulated.stop()
    return (written[0] - asked) * 1000


if __name__ == "__main__":
    main()
