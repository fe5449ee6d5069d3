"""Memory of an idle lab, process by process, beside the limit and beside one OctoPrint.

Run it with the lab's own interpreter: ``.venv/bin/python bench/memory.py``. PSS counts each shared
page once over the processes that share it, so the figures add up. OctoPrint is measured when
``script/install-octoprint`` has installed it. Prints tables; nothing here passes or fails.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import requests

LAB_GOAL_MB = 200
AGENT_GOAL_MB = 40
ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    sys.path.insert(0, str(ROOT))
    lab()
    octoprint()


def lab() -> None:
    """The demo lab: web, worker, agent and two simulated printers, ten seconds after its start."""
    data, port = Path(tempfile.mkdtemp()), free_port()
    serve = subprocess.Popen(
        [
            *(sys.executable, "-m", "fabcoord", "serve", "--demo"),
            *("--data", str(data), "--port", str(port)),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz")
        time.sleep(10)
        processes = tree(serve.pid)
        print("an idle lab with two virtual printers (--demo)")
        total = 0.0
        for process in processes:
            pss = pss_mb(process)
            total += pss
            print(f"  {pss:>6.1f} MB  {role(process)}")
        print(f"  {total:>6.1f} MB  in all, {total / LAB_GOAL_MB:.2f} of the goal {LAB_GOAL_MB} MB")
        agent = next(one for one in processes if role(one) == "agent")
        # One printer is one simulator fewer; a real printer has no simulator at all.
        alone = pss_mb(agent)
        print(f"the agent with its two printers' drivers: {alone:.1f} MB, "
              f"{alone / AGENT_GOAL_MB:.2f} of the goal {AGENT_GOAL_MB} MB")  # fmt: skip
    finally:
        serve.send_signal(signal.SIGTERM)
        serve.wait()


def octoprint() -> None:
    """One OctoPrint with its virtual printer, which is one printer of a lab."""
    from tests.peers.octoprint.server import OctoPrintServer

    if not OctoPrintServer.installed():
        print("OctoPrint is not installed; script/install-octoprint installs it")
        return
    server = OctoPrintServer(Path(tempfile.mkdtemp()))
    server.start()
    try:
        time.sleep(5)
        owner = next(
            one for one in psutil.process_iter(["cmdline"])
            if str(server.basedir) in (one.info["cmdline"] or [])
        )  # fmt: skip
        total = sum(pss_mb(process) for process in tree(owner.pid))
        print(f"one OctoPrint with one virtual printer: {total:.1f} MB")
    finally:
        server.stop()


def tree(pid: int) -> list[psutil.Process]:
    """A process and all that it started, agents and simulators included."""
    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]


def pss_mb(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / 1e6


def role(process: psutil.Process) -> str:
    words = process.cmdline()
    if "fabcoord.printers.simulator" in words:
        return "simulated printer"
    return words[words.index("fabcoord") + 1] if "fabcoord" in words else words[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str) -> None:
    while True:
        try:
            if requests.get(url, timeout=1).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)


if __name__ == "__main__":
    main()
