"""The second look and repair: time, memory and findings, beside what other programs offer for it.

Run it with the lab's own interpreter: ``.venv/bin/python bench/mesh_deep.py MESH [MESH …]``. A peer
that is not installed is left out: pymeshlab (self-intersection), pymeshfix with its usual options,
which keep the largest body only, and trimesh's fill_holes. Prints tables; nothing passes or fails.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEERS = {
    "pymeshlab self-intersection": (
        "import sys, pymeshlab as p\nm = p.MeshSet()\nm.load_new_mesh(sys.argv[1])\n"
        "m.compute_selection_by_self_intersections_per_face()\n"
        "print('faces', m.current_mesh().selected_face_number())"
    ),
    "pymeshfix, usual options": (
        "import sys, numpy as np, trimesh, pymeshfix\nm = trimesh.load_mesh(sys.argv[1])\n"
        "v, f = pymeshfix.clean_from_arrays(np.array(m.vertices), np.array(m.faces, np.int32))\n"
        "r = trimesh.Trimesh(v, f)\nprint(f'volume {m.volume:.1f} to {r.volume:.1f}')"
    ),
    "trimesh fill_holes": (
        "import sys, trimesh\nm = trimesh.load_mesh(sys.argv[1])\nbefore = m.volume\n"
        "trimesh.repair.fill_holes(m)\ntrimesh.repair.fix_normals(m)\n"
        "print(f'closed {m.is_watertight}, volume {before:.1f} to {m.volume:.1f}')"
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("meshes", type=Path, nargs="+")
    parser.add_argument("--most-s", type=float, default=300.0, help="then a run is ended")
    options = parser.parse_args()
    print(f"{'mesh':<34} {'what':<28} {'s':>7} {'cpu s':>7} {'MB':>6}  said")
    for mesh in options.meshes:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            for name, argv in _runs(mesh, out).items():
                seconds, cpu, megabytes, said = measure(argv, options.most_s)
                print(f"{mesh.name[:34]:<34} {name:<28} {seconds:>7.2f} {cpu:>7.2f} "
                      f"{megabytes:>6.0f}  {_told(name, out) or said}", flush=True)  # fmt: skip


def _runs(mesh: Path, out: Path) -> dict[str, list[str]]:
    module = [sys.executable, "-m"]
    ours = {
        "fabcoord second look": [
            *module, "fabcoord.designs.meshcheck.deep", "--mesh", str(mesh), "--out", str(out),
        ],
        "fabcoord repair": [
            *module, "fabcoord.designs.meshcheck.repair", "--input", str(mesh),
            "--format", "stl", "--out", str(out),
        ],
    }  # fmt: skip
    peers = {name: [sys.executable, "-c", code, str(mesh)] for name, code in PEERS.items()}
    return ours | peers


def measure(argv: list[str], most_s: float) -> tuple[float, float, float, str]:
    """Wall seconds, processor seconds, peak megabytes, and the last line that a program said."""
    began = time.monotonic()
    script = (
        "import json, resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[2:], capture_output=True, text=True,"
        " timeout=float(sys.argv[1]))\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "said = (done.stdout.strip() or done.stderr.strip()).splitlines()\n"
        "cpu = used.ru_utime + used.ru_stime\n"
        "print(json.dumps([cpu, used.ru_maxrss / 1024, said[-1] if said else '']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(most_s), *argv],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - began
    if done.returncode != 0:
        return seconds, 0.0, 0.0, "ended after the longest time" if seconds >= most_s else "failed"
    cpu, used, said = json.loads(done.stdout)
    return seconds, cpu, used, str(said)


def _told(name: str, out: Path) -> str:
    """What our own programs wrote."""
    if name == "fabcoord second look" and (out / "deep.json").exists():
        findings = json.loads((out / "deep.json").read_text())["findings"]
        return ", ".join(one["code"] for one in findings) or "nothing"
    if name == "fabcoord repair" and (out / "repair.json").exists():
        told = json.loads((out / "repair.json").read_text())
        if not told["after"]:
            return str(told["outcome"])
        volume = f"{told['before']['volume_mm3']:.1f} to {told['after']['volume_mm3']:.1f}"
        bodies = f"{told['before']['bodies']} to {told['after']['bodies']}"
        return f"{told['outcome']}, bodies {bodies}, volume {volume}"
    return ""


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
