"""Checks one mesh with fabcoord and its peers: time, memory, and what each says of it.

``python bench/mesh_check.py MESH.stl [--triangles 1000000] [--install]``: the mesh is subdivided
to the number of triangles, so that any real part serves. trimesh and pymeshlab run in
``.venv-bench``, which ``--install`` makes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fabcoord.designs.meshcheck.soup import Floats

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv-bench"

TOPOLOGY = """
import sys, time
from pathlib import Path
from fabcoord.designs.meshcheck.shells import find_shells
from fabcoord.designs.meshcheck.stl import read_stl
from fabcoord.designs.meshcheck.topology import build_surface
soup = read_stl(Path(sys.argv[1]))
started = time.perf_counter()
surface = build_surface(soup.triangles)
shells = find_shells(surface)
print(time.perf_counter() - started)
print("closed" if surface.edges.paired else f"open edges {int(surface.edges.open.sum())}",
      f"shells {shells.count}")
"""
TRIMESH = """
import sys, trimesh
mesh = trimesh.load(sys.argv[1])
print("closed" if mesh.is_watertight else "open", "winding", mesh.is_winding_consistent,
      f"shells {mesh.body_count}", f"volume {mesh.volume:.0f}")
"""
PYMESHLAB = """
import sys, pymeshlab
meshes = pymeshlab.MeshSet()
meshes.load_new_mesh(sys.argv[1])
meshes.meshing_remove_duplicate_vertices()
said = meshes.get_topological_measures()
print(f"open edges {said['boundary_edges']}", f"shells {said['connected_components_number']}",
      f"volume {meshes.get_geometric_measures().get('mesh_volume', 0):.0f}")
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """How one program did: the median of its runs, the most memory, and its last words."""

    name: str
    wall_s: float
    peak_mb: float
    said: str


def main() -> None:
    """Print a table, one row for each program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("mesh", type=Path)
    parser.add_argument("--triangles", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--install", action="store_true", help="make .venv-bench first")
    parser.add_argument("--write", type=Path, help="only write the subdivided mesh there")
    options = parser.parse_args()
    if options.write:
        write(options.mesh, options.triangles, options.write)
        return
    if options.install:
        install()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mesh.stl"
        # In a process of its own: what is started from a large one is counted as large.
        count = str(options.triangles)
        subprocess.run(
            [sys.executable, __file__, options.mesh, "--triangles", count, "--write", path],
            check=True,
        )
        print(f"{options.mesh.name}, subdivided to {options.triangles:,} triangles\n")
        print("| | wall s | peak MB | says |\n|---|---|---|---|")
        for name, how in programs(path, Path(folder) / "out").items():
            if isinstance(how, str):
                print(f"| {name} | – | – | {how} |")
                continue
            ran = measured(name, how[0], how[1], options.runs)
            print(f"| {ran.name} | {ran.wall_s:.2f} | {ran.peak_mb:.0f} | {ran.said} |", flush=True)


Read = Callable[[str], tuple[str, float | None]]


def programs(path: Path, out: Path) -> dict[str, tuple[list[str], Read] | str]:
    """What is run, and how to read what it says; or how to get it."""
    ours = [sys.executable, "-I"]
    check = [
        *ours, "-m", "fabcoord.designs.meshcheck", "--input", str(path), "--format", "stl",
        "--out", str(out), "--stage", "verdict",
    ]  # fmt: skip
    admesh, slicer = shutil.which("admesh"), shutil.which("prusa-slicer")
    python = str(VENV / "bin/python")
    by_hand = "not here: run with --install"
    return {
        "fabcoord, topology alone": ([*ours, "-c", TOPOLOGY, str(path)], timed_inside),
        "fabcoord, the whole verdict": (check, lambda _: (verdict(out), None)),
        "admesh, full run": ([admesh, str(path)], of_admesh) if admesh else "apt install admesh",
        "prusa-slicer --info": (
            ([slicer, "--info", str(path)], of_slicer) if slicer else "apt install prusa-slicer"
        ),
        "trimesh": ([python, "-c", TRIMESH, str(path)], last_line) if VENV.exists() else by_hand,
        "pymeshlab": (
            ([python, "-c", PYMESHLAB, str(path)], last_line) if VENV.exists() else by_hand
        ),
    }


def measured(name: str, argv: list[str], read: Read, runs: int) -> Ran:
    """Run a program some times, each time as a whole process."""
    walls, peak_mb, said = [], 0.0, ""
    for _ in range(runs):
        started = time.perf_counter()
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        output = process.stdout.read().decode("utf-8", "replace") if process.stdout else ""
        usage = _waited(process)
        wall_s = time.perf_counter() - started
        said, inner_s = read(output)
        walls.append(wall_s if inner_s is None else inner_s)
        peak_mb = max(peak_mb, usage.ru_maxrss / 1024)
    return Ran(name, statistics.median(walls), peak_mb, said or "nothing")


def _waited(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def timed_inside(output: str) -> tuple[str, float | None]:
    """What the topology script prints: its own time, then its finding."""
    first, _, rest = output.partition("\n")
    return rest.strip(), float(first)


def verdict(out: Path) -> str:
    """What the report of the check says, in a line."""
    report = json.loads((out / "report.json").read_text())
    codes = ", ".join(one["code"] for one in report["findings"]) or "no finding"
    measures = f"bodies {report['bodies']}, volume {report['volume_mm3']:.0f}"
    return f"{report['verdict']}; {codes}; {measures}"


def of_admesh(output: str) -> tuple[str, float | None]:
    """admesh's own summary."""
    parts = re.search(r"Number of parts\s*:\s*(\d+)", output)
    open_facets = re.search(r"Total disconnected facets\s*:\s*(\d+)", output)
    volume = re.search(r"Volume\s*:\s*([\d.-]+)", output)
    if not (parts and open_facets and volume):
        return "", None
    said = f"disconnected facets {open_facets[1]}, shells {parts[1]}"
    return f"{said}, volume {float(volume[1]):.0f}", None


def of_slicer(output: str) -> tuple[str, float | None]:
    """What ``--info`` says that the others say, too."""
    found = re.findall(r"^(manifold|number_of_parts|volume) = (\S+)", output, re.MULTILINE)
    return ", ".join(f"{name} {value}" for name, value in found), None


def last_line(output: str) -> tuple[str, float | None]:
    """The last line that a program printed."""
    return (output.strip().splitlines() or [""])[-1], None


def write(mesh: Path, count: int, path: Path) -> None:
    """Write a mesh, subdivided to ``count`` triangles."""
    from fabcoord.designs.meshcheck.stl import read_stl, write_stl

    write_stl(path, subdivided(read_stl(mesh).triangles, count))


def subdivided(triangles: Floats, count: int) -> Floats:
    """The same closed surface in exactly ``count`` triangles (an even number).

    Each into four by the middles of its edges, as often as that fits; then some into three by
    their centres, which keeps every edge shared.
    """
    import numpy as np

    while 4 * len(triangles) <= count:
        a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        triangles = _woven((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    while len(triangles) + 1 < count:
        split = triangles[: (count - len(triangles)) // 2]
        a, b, c = split[:, 0], split[:, 1], split[:, 2]
        centre = (a + b + c) / 3
        three = _woven((a, b, centre), (b, c, centre), (c, a, centre))
        triangles = np.concatenate([three, triangles[len(split) :]])
    return triangles


def _woven(*corners: tuple[Floats, Floats, Floats]) -> Floats:
    """The parts of each triangle beside each other, as an exporter writes them."""
    import numpy as np

    parts: Floats = np.stack([np.stack(three, axis=1) for three in corners], axis=1)
    return parts.reshape(-1, 3, 3)


def install() -> None:
    """Make the environment of the peers."""
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    peers = ["trimesh", "scipy", "networkx", "pymeshlab"]
    subprocess.run([VENV / "bin/pip", "install", "-q", *peers], check=True)


if __name__ == "__main__":
    main()
