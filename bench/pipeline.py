"""From a design's POST to `queued`, beside PrusaSlicer alone on the same mesh and settings.

Run it with the lab's own interpreter: ``.venv/bin/python bench/pipeline.py MESH [--runs N]``.
Each run starts with an empty slice cache; slicer and fabcoord take turns, so that a change in the
machine's speed touches both. Prints a table and the ratio; nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

from fabcoord.printers.machines import machine
from fabcoord.slicing.engine import SliceRequest
from fabcoord.slicing.presets import resolve
from fabcoord.slicing.prusaslicer import PrusaSlicer

GOAL_S = 1.5
CACHED_GOAL_S = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mesh", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for _ in range(options.runs):
        alone_s = slicer_alone(options.mesh)
        queued_s, cached_s = fabcoord(options.mesh)
        rows.append((alone_s, queued_s, cached_s))
    print(
        f"{options.mesh.name}, {options.mesh.stat().st_size / 1e6:.1f} MB, {os.cpu_count()} cores"
    )
    print(f"{'run':>4} {'slicer alone s':>15} {'POST to queued s':>17} {'ratio':>6} "
          f"{'over s':>7} {'again, cached s':>16}")  # fmt: skip
    for number, (alone, queued, cached) in enumerate(rows, start=1):
        print(f"{number:>4} {alone:>15.2f} {queued:>17.2f} {queued / alone:>6.2f} "
              f"{queued - alone:>7.2f} {cached:>16.3f}")  # fmt: skip
    over = statistics.median(queued - alone for alone, queued, _ in rows)
    ratio = statistics.median(queued / alone for alone, queued, _ in rows)
    cached = statistics.median(cached for _, _, cached in rows)
    print(f"median: ratio {ratio:.2f}, {over:.2f} s over the slicer (goal {GOAL_S} s), "
          f"again {cached:.3f} s (goal {CACHED_GOAL_S} s)")  # fmt: skip


def slicer_alone(mesh: Path) -> float:
    """Wall seconds of PrusaSlicer's command line with the preset that the demo lab takes."""
    model = machine("demo")
    request = SliceRequest(mesh=mesh, machine=model, preset=resolve(model))
    directory = Path(tempfile.mkdtemp())
    try:
        return PrusaSlicer().slice(request, directory).wall_s
    finally:
        shutil.rmtree(directory)


def fabcoord(mesh: Path) -> tuple[float, float]:
    """Seconds from POST to ``queued`` in a fresh lab, and of the same request once more."""
    data = Path(tempfile.mkdtemp())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    # With approval by staff the job stops where it would be queued, so no printer takes it.
    environment = os.environ | {"FABCOORD_APPROVAL": "staff"}
    command = [sys.executable, "-m", "fabcoord"]
    lab = ["--data", str(data)]
    serve = subprocess.Popen(
        [*command, "serve", "--demo", *lab, "--port", str(port)],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        token = ""
        while not token:
            time.sleep(0.2)
            if _answers(base):
                token = subprocess.run(
                    [*command, "token", "create", "--member", "bench", "--role", "admin", *lab],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout.strip()
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {token}"
        time.sleep(2.0)  # the sample designs are checked by now, as in a lab that is running
        return _ask(session, base, mesh), _ask(session, base, mesh)
    finally:
        serve.send_signal(signal.SIGTERM)
        serve.wait()
        shutil.rmtree(data, ignore_errors=True)


def _ask(session: requests.Session, base: str, mesh: Path) -> float:
    started = time.perf_counter()
    with mesh.open("rb") as file:
        design = session.post(
            f"{base}/api/v1/designs",
            files={"file": (mesh.name, file)},
            data={"title": "bench", "licence": "CC0-1.0"},
        ).json()
    job = session.post(f"{base}/api/v1/jobs", json={"design_id": design["id"]}).json()
    if job["state"] in ("checking", "slicing"):
        _wait(session, base, job["id"])
    return time.perf_counter() - started


def _wait(session: requests.Session, base: str, job_id: str) -> None:
    """Wait by the job's event stream: asking again and again would take the slicer's time."""
    asked = {"job": job_id, "after": "0"}
    with session.get(f"{base}/api/v1/events", params=asked, stream=True) as news:
        for line in news.iter_lines(chunk_size=1, decode_unicode=True):
            if line in ("event: job.queued", "event: job.awaiting_approval"):
                return
            if line in ("event: job.needs_attention", "event: job.failed"):
                raise SystemExit("the job cannot be printed; see its page")


def _answers(base: str) -> bool:
    try:
        return requests.get(f"{base}/healthz", timeout=1).ok
    except requests.RequestException:
        return False


if __name__ == "__main__":
    main()
