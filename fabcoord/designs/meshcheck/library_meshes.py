"""Reads PLY and STEP through trimesh and cascadio, and checks what those leave unsaid."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from fabcoord.designs.meshcheck.soup import Soup, from_indexed, refuse_too_many
from fabcoord.errors import UnreadableFile

_ELEMENT = re.compile(rb"^element\s+(vertex|face)\s+(\d+)\s*$", re.MULTILINE)
_MM_PER_M = 1000.0


def read_ply(path: Path) -> Soup:
    """The faces of a PLY, text or binary.

    Raises UnreadableFile when it holds fewer points or faces than its header says.
    """
    header = path.open("rb").read(64 * 1024).partition(b"end_header")[0]
    promised = {name.decode(): int(count) for name, count in _ELEMENT.findall(header)}
    if "vertex" not in promised:
        raise UnreadableFile("The PLY has no header that lists its points.")
    if not promised.get("face"):  # a cloud of points, which trimesh would hand over without them
        return from_indexed(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    refuse_too_many(promised["face"])
    import trimesh  # takes 0.6 s, and most files need none of it

    try:
        mesh = trimesh.load_mesh(path, file_type="ply", process=False)
        vertices = np.asarray(mesh.vertices, np.float64).reshape(-1, 3)
        faces = np.asarray(getattr(mesh, "faces", ()), np.int64).reshape(-1, 3)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableFile(
            "The PLY cannot be read: its data does not fit its header.",
            hint="Export or download it again.",
        ) from error
    if len(vertices) < promised["vertex"] or len(faces) < promised["face"]:
        raise UnreadableFile(
            f"The PLY says {promised['vertex']} points and {promised['face']} faces, but "
            f"holds {len(vertices)} and {len(faces)}: it has lost its end or is damaged.",
            hint="Export or download it again.",
        )
    return from_indexed(vertices, faces)


def read_step(path: Path) -> Soup:
    """The surface of all solids of a STEP file as triangles.

    cascadio writes metres into a GLB and each face of the solid on its own; welding joins them.
    """
    import cascadio
    import trimesh

    with TemporaryDirectory() as folder:
        glb = Path(folder) / "converted.glb"
        cascadio.step_to_glb(str(path), str(glb))
        if not glb.exists() or glb.stat().st_size == 0:
            raise UnreadableFile(
                "The STEP file cannot be read.",
                hint="Export it again as STEP (AP203, AP214 or AP242), or as STL or 3MF.",
            )
        scene = trimesh.load_scene(glb, file_type="glb", process=False)
        mesh = scene.to_mesh()
    vertices = np.asarray(getattr(mesh, "vertices", ()), np.float64).reshape(-1, 3)
    faces = np.asarray(getattr(mesh, "faces", ()), np.int64).reshape(-1, 3)
    return from_indexed(vertices * _MM_PER_M, faces, has_unit=True)
