"""1,000 printers on 50 agents talk to one server: how long a sync takes, at the pace it dictates.

    .venv/bin/python bench/fleet_sync.py [--printers 1000] [--jobs 20000] [--seconds 60]

Makes a lab in a temporary directory, serves it with `fabcoord web` (the very process of a lab: one,
with gunicorn's threads), and plays the agents from this process: they take offers, report how
prints go on, finish some, and a person clears the plates through the API. The server is one process
on this machine's cores; the agents' share of the processor is named beside its own.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from queue_decision import Lab, quantile

from fabcoord.members import accounts
from fabcoord.members.roles import Role
from fabcoord.slicing.prusaslicer import PrusaSlicer
from fabcoord.store.database import rows
from fabcoord.store.values import new_id, now

GOAL_MS = 250.0


class Fleet:
    """One agent and its printers, as the server sees them."""

    def __init__(self, port: int, agent_id: str, token: str, printers: list[str]) -> None:
        self._port, self._id, self._token = port, agent_id, token
        self._chance = random.Random(agent_id)
        self._work: dict[str, dict[str, Any] | None] = dict.fromkeys(printers)
        self._events: list[dict[str, Any]] = []
        self._seq = 0
        self._said = {"instance": new_id(), "instance_started_at": now(), "epoch": new_id(),
                      "version": "bench"}  # fmt: skip
        self.ended: list[tuple[str, str]] = []  # (printer, attempt): the plate is to be cleared
        self.finish_chance = 0.0
        self.sync_ms: list[float] = []
        self.intervals: list[float] = []
        self.failures = 0

    def run(self, stop: threading.Event) -> None:
        stop.wait(self._chance.random() * 2.0)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not stop.is_set():
            body = json.dumps(self._request())
            began = time.perf_counter()
            try:
                connection.request(
                    "POST", f"/api/v1/agents/{self._id}/sync", body,
                    {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
                )  # fmt: skip
                response = connection.getresponse()
                answer = json.loads(response.read())
            except (OSError, ValueError, http.client.HTTPException):
                connection.close()
                self.failures += 1
                stop.wait(1.0)
                continue
            self.sync_ms.append((time.perf_counter() - began) * 1000.0)
            if response.status != 200:
                self.failures += 1
                stop.wait(1.0)
                continue
            wait_s = 0.05 if self._hear(answer) else answer["interval_s"]
            self.intervals.append(answer["interval_s"])
            stop.wait(wait_s)

    def _request(self) -> dict[str, Any]:
        for printer_id, work in self._work.items():
            if work and work["state"] == "printing" and self._chance.random() < self.finish_chance:
                self._say("finished", work)
                self._work[printer_id] = None
                self.ended.append((printer_id, work["attempt_id"]))
        printing = [work for work in self._work.values() if work and work["state"] == "printing"]
        return self._said | {
            "printers": [self._telemetry(*item) for item in self._work.items()],
            "events": self._events,
            "live": [{"attempt_id": one["attempt_id"], "token": one["token"]} for one in printing],
        }

    def _telemetry(self, printer_id: str, work: dict[str, Any] | None) -> dict[str, Any]:
        said: dict[str, Any] = {
            "printer_id": printer_id, "activity": "ready", "firmware": "Marlin 2.1",
            "temperatures": {"hotend_c": 214.8 + self._chance.random(), "hotend_target_c": 215.0,
                             "bed_c": 60.0, "bed_target_c": 60.0},
            "metrics": {"lines_per_s": 120.0 + self._chance.random()},
        }  # fmt: skip
        if work and work["state"] == "printing":
            work["progress"] = min(0.99, work["progress"] + 0.001)
            said |= {"activity": "printing", "print": {
                "attempt_id": work["attempt_id"], "file_name": work["file_name"],
                "progress": work["progress"], "remaining_s": 3600.0 * (1 - work["progress"]),
            }}  # fmt: skip
        return said

    def _hear(self, answer: dict[str, Any]) -> bool:
        """Take offers, start what was accepted; whether there is something to say at once."""
        self._events = [event for event in self._events if event["seq"] > answer["acked"]]
        states = {one["attempt_id"]: one["state"] for one in answer["attempts"]}
        news = False
        for offer in answer["offers"]:
            known = self._work.get(offer["printer_id"])
            if known is None:
                self._work[offer["printer_id"]] = offer | {"state": "accepting", "progress": 0.0}
                self._say("accepted", offer)
                news = True
        for work in self._work.values():
            is_ours = work is not None and states.get(work["attempt_id"]) == "accepted"
            if work is not None and is_ours and work["state"] == "accepting":
                self._say("printing", work)
                work["state"] = "printing"
                news = True
        return news

    def _say(self, kind: str, work: dict[str, Any]) -> None:
        self._seq += 1
        self._events.append({
            "seq": self._seq, "kind": kind, "attempt_id": work["attempt_id"],
            "token": work["token"], "at": now(), "reason": "",
        })  # fmt: skip


def clear_plates(port: int, token: str, fleets: list[Fleet], stop: threading.Event,
                 took_ms: list[float]) -> None:  # fmt: skip
    """A person who says that plates are clear."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not stop.wait(0.2):
        for fleet in fleets:
            while fleet.ended:
                printer_id, attempt_id = fleet.ended.pop()
                began = time.perf_counter()
                connection.request(
                    "POST", f"/api/v1/printers/{printer_id}/clear",
                    json.dumps({"attempt_id": attempt_id}),
                    {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                )  # fmt: skip
                try:
                    response = connection.getresponse()
                    response.read()
                except (OSError, http.client.HTTPException):
                    connection.close()  # kept open for too long; said again below
                    fleet.ended.insert(0, (printer_id, attempt_id))
                    break
                took_ms.append((time.perf_counter() - began) * 1000.0)
                if response.status == 409:  # its end is not known there yet
                    fleet.ended.insert(0, (printer_id, attempt_id))
                    break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--printers", type=int, default=1000)
    parser.add_argument("--members", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--warm-up", type=float, default=40.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--finish-per-s", type=float, default=2.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        play(Path(directory), options)


def play(directory: Path, options: argparse.Namespace) -> None:
    lab = Lab(directory, options.members, options.printers, options.jobs, PrusaSlicer())
    with lab.store.writing() as db:
        db.conn.execute(
            "UPDATE printers SET plate_clear = 1, state = 'offline', last_seen_at = NULL"
        )
        person = accounts.create_token(db, accounts.create(db, "Grace", Role.STAFF), "bench")
        theirs: dict[str, list[str]] = {}
        for item in rows(db, "SELECT id, agent_id FROM printers"):
            theirs.setdefault(item["agent_id"], []).append(item["id"])
    lab.store.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "fabcoord", "web", "--data", str(directory), "--port", str(port)],
        cwd=Path(__file__).resolve().parent.parent,
    )
    stop = threading.Event()
    fleets = [Fleet(port, agent, lab.tokens[agent], mine) for agent, mine in theirs.items()]
    cleared: list[float] = []
    threads = [threading.Thread(target=fleet.run, args=(stop,)) for fleet in fleets]
    threads.append(
        threading.Thread(target=clear_plates, args=(port, person, fleets, stop, cleared))
    )
    try:
        for thread in threads:
            thread.start()
        time.sleep(options.warm_up)
        watched = tree(server.pid)
        for fleet in fleets:
            fleet.sync_ms.clear()
            fleet.intervals.clear()
            fleet.finish_chance = options.finish_per_s * 2.0 / options.printers
        before_s, mine_s, began = cpu_s(watched), time.process_time(), time.monotonic()
        time.sleep(options.seconds)
        span_s = time.monotonic() - began
        server_s, mine_s = cpu_s(watched) - before_s, time.process_time() - mine_s
        memory_mb = sum(one.memory_full_info().pss for one in watched) / 1e6
    finally:
        stop.set()
        server.terminate()
        for thread in threads:
            thread.join(timeout=70)
        server.wait(timeout=30)
    took = [each for fleet in fleets for each in fleet.sync_ms]
    intervals = [each for fleet in fleets for each in fleet.intervals]
    printing = sum(
        work is not None and work["state"] == "printing"
        for fleet in fleets for work in fleet._work.values()
    )  # fmt: skip
    print(f"{options.printers} printers on {len(fleets)} agents, {options.jobs:,} jobs, "
          f"{os.cpu_count()} cores, {printing} printing at the end")  # fmt: skip
    print(f"syncs: {len(took) / span_s:.1f}/s, interval {quantile(intervals, 0.5):.1f} s; "
          f"p50 {quantile(took, 0.5):.0f} ms, p99 {quantile(took, 0.99):.0f} ms, "
          f"worst {max(took):.0f} ms (goal p99 {GOAL_MS:.0f} ms); "
          f"{sum(fleet.failures for fleet in fleets)} failed")  # fmt: skip
    if cleared:
        print(
            f"plates cleared: {len(cleared) / span_s:.1f}/s, p99 {quantile(cleared, 0.99):.0f} ms"
        )
    print(f"processor: server {100 * server_s / span_s:.0f} %, agents of this bench "
          f"{100 * mine_s / span_s:.0f} % of one core; server PSS {memory_mb:.0f} MB")  # fmt: skip


def tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def cpu_s(watched: list[psutil.Process]) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in watched)


if __name__ == "__main__":
    main()
