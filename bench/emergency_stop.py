"""From the request to M112 on the wire, whatever is queued.

A Marlin that is deep in a long command answers nothing; lines stand in its buffer and in ours. The
command is handed to the agent's runner as the sync does it, and the time is taken where the bytes
are read, at the other end of the pseudo-terminal. The last row is a whole lab: from the request of
the API to a simulated printer that has halted. Run it from the checkout:
``PYTHONPATH=. .venv/bin/python bench/emergency_stop.py``
"""

from __future__ import annotations

import datetime as dt
import statistics
import subprocess
import sys
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

from tests.e2e.lab import RunningLab  # isort: skip
from tests.printers.simulated import Simulated, status_when, until  # isort: skip

TIMES = 10
GOAL_MS = 50
RELAY = Path(__file__).parent / "serial" / "relay.py"
# A long wait that it does not answer; a wait for heat; moves that come one after the other.
SITUATIONS = {
    "in a dwell of ten minutes, lines queued": "G4 S600\n" + "G1 X10 F600\nG1 X20\n" * 5000,
    "while it waits for heat, lines queued": "M109 S200\n" + "G1 X10 F600\nG1 X20\n" * 5000,
    "in the middle of streaming": "G28\n" + "G1 X10 F6000\nG1 X20\n" * 20_000,
}


def main() -> None:
    print("| | median, ms | worst, ms | |")
    print("|---|---:|---:|---|")
    for name, gcode in SITUATIONS.items():
        took_ms = sorted(once(gcode) for _ in range(TIMES))
        verdict = "passes" if took_ms[-1] <= GOAL_MS else "fails"
        goal = f"{verdict}: at most {GOAL_MS} ms"
        row(f"request on the agent → M112 read at the far end, {name}", took_ms, goal)
    row("request of the API → agent → printer halted", sorted(through_the_server()), "no goal")


def row(name: str, took_ms: list[float], verdict: str) -> None:
    print(f"| {name} | {statistics.median(took_ms):.1f} | {took_ms[-1]:.1f} | {verdict} |")


def once(gcode: str) -> float:
    """One print, one stop; milliseconds."""
    simulated = Simulated(speed=1.0)
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        file, link = here / "long.gcode", here / "port"
        file.write_text(gcode)
        relay = subprocess.Popen(
            [sys.executable, RELAY, link, simulated.link], stdout=subprocess.PIPE, text=True
        )
        assert relay.stdout is not None
        relay.stdout.readline()  # it is there
        printer = SerialPrinter(str(link))
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
        try:
            runner.start()
            status_when(printer, lambda status: status.activity is Activity.IDLE)
            printer.start(PrintOrder("a1", file, "", "fc-a1.gcode"))
            time.sleep(0.3)
            asked = time.monotonic()
            runner.hear(Heard(commands=(Command("c1", "emergency", "p1", "", in_a_minute()),)))
            read_at = float(relay.stdout.readline())
        finally:
            runner.stop()
            runner.join(5.0)
            journal.close()
            relay.kill()
            relay.wait()
            simulated.stop()
    return (read_at - asked) * 1000


def in_a_minute() -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)).isoformat()


def through_the_server() -> list[float]:
    """Both printers of a demo lab, asked to stop over the API; milliseconds."""
    with tempfile.TemporaryDirectory() as directory, RunningLab(Path(directory), speed=1) as lab:
        lab.prepare()
        lab.put_up_simulators()
        lab.start()
        took_ms = []
        for name, simulator in lab.simulators.items():
            printer = lab.printer(name)
            asked = time.monotonic()
            lab.post(f"/printers/{printer['id']}/emergency-stop", {}, status=202)
            until(lambda there=simulator: there.ask("state")["killed"], "the stop")
            took_ms.append((time.monotonic() - asked) * 1000)
    return took_ms


if __name__ == "__main__":
    main()
