#!/usr/bin/env python3
"""Times what is made to look at: pictures and light meshes, also of a million triangles.

``.venv/bin/python bench/preview.py [PART.stl]``; without a part, a knurled sphere of 82,000
triangles. Each stage is the process that a worker starts, its start included. Where ``f3d`` and
``xvfb-run`` are installed, one picture by them stands beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import trimesh

from fabcoord.designs.meshcheck.soup import Floats
from fabcoord.designs.meshcheck.stl import read_stl, write_stl

MILLION = 1_000_000


def main() -> None:
    part = _part()
    print("| mesh | stage | time | memory | result |\n|---|---|---|---|---|")
    for triangles in (part, _subdivided(part, MILLION)):
        with tempfile.TemporaryDirectory() as directory:
            _time_all(triangles, Path(directory))


def _time_all(triangles: Floats, out: Path) -> None:
    name = f"{len(triangles):,} triangles"
    write_stl(out / "mesh.stl", triangles)
    module = [sys.executable, "-m", "fabcoord.designs.meshcheck", "--out", str(out), "--stage"]
    seconds, megabytes = _run([*module, "pictures"])
    viewer = (out / "light.bin").stat().st_size
    print(f"| {name} | usual picture, light meshes | {seconds:.1f} s | {megabytes:.0f} MB | "
          f"mesh for the viewer {viewer / 1e6:.2f} MB |")  # fmt: skip
    seconds, megabytes = _run([*module, "views"])
    pictures = list(out.glob("*.png"))
    size = sum(path.stat().st_size for path in pictures)
    print(f"| {name} | five more angles, two themes | {seconds:.1f} s | {megabytes:.0f} MB | "
          f"{len(pictures)} pictures, {size / 1e6:.2f} MB in all |")  # fmt: skip
    if shutil.which("f3d") and shutil.which("xvfb-run"):
        picture = str(out / "f3d.png")
        command = ["xvfb-run", "-a", "f3d", "--output", picture, "--resolution", "640,640"]
        seconds, megabytes = _run([*command, str(out / "mesh.stl")])
        print(
            f"| {name} | one picture by f3d under Xvfb | {seconds:.1f} s | {megabytes:.0f} MB | |"
        )
    else:
        print(f"| {name} | one picture by f3d under Xvfb | not installed here | | |")


def _run(command: list[str]) -> tuple[float, float]:
    """Wall time in s and the most memory of one process in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.perf_counter() - started, used.ru_maxrss / 1024


def _part() -> Floats:
    if len(sys.argv) > 1:
        return read_stl(Path(sys.argv[1])).triangles
    sphere = trimesh.creation.icosphere(6, 30.0)
    points = np.asarray(sphere.vertices)
    sphere.vertices = points * (1 + 0.05 * np.sin(points[:, :1]) * np.cos(points[:, 1:2]))
    return np.asarray(sphere.triangles, np.float32)


def _subdivided(triangles: Floats, least: int) -> Floats:
    while len(triangles) < least:
        a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        quarters = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
        triangles = np.concatenate([np.stack(one, axis=1) for one in quarters])
    return triangles


main()
