"""Works on closed bodies through manifold3d: union of what overlaps, fewer triangles."""

from __future__ import annotations

import fast_simplification
import manifold3d
import numpy as np

from fabcoord.designs.meshcheck.repair.mend import Piece, all_pieces
from fabcoord.designs.meshcheck.soup import Floats
from fabcoord.designs.meshcheck.topology import build_surface

_FIRST_TOLERANCE = 1e-4  # of the extent
_TRIES = 8


def united(triangles: Floats) -> Floats | None:
    """One surface around all bodies of (n, 3, 3) closed triangles; None where that fails."""
    surface = build_surface(triangles)
    parts = all_pieces(surface.vertices, surface.faces)
    volumes = [one.volume_mm3 for one in parts]
    bodies = [one for one, volume in zip(parts, volumes, strict=True) if volume > 0]
    hollows = [one for one, volume in zip(parts, volumes, strict=True) if volume < 0]
    hosts: list[list[Piece]] = [[one] for one in bodies]
    for hollow in hollows:
        around = [i for i, body in enumerate(bodies) if _holds(body, hollow)]
        if not around:
            return None
        nearest = min(around, key=lambda i: bodies[i].volume_mm3)
        hosts[nearest].append(hollow)
    solids = [_solid(group) for group in hosts]
    if not solids or any(one.status() != manifold3d.Error.NoError for one in solids):
        return None
    whole = manifold3d.Manifold.batch_boolean(solids, manifold3d.OpType.Add)
    return None if whole.is_empty() else _triangles(whole)


def fewer_triangles(triangles: Floats, count: int) -> Floats | None:
    """About the same shape in at most ``count`` triangles, still closed; None where that fails."""
    surface = build_surface(triangles)
    reduced, faces = fast_simplification.simplify(
        surface.vertices, surface.faces.astype(np.int32), target_count=count
    )[:2]
    light = np.asarray(reduced, np.float32)[np.asarray(faces, np.int64)]
    if len(light) <= count and len(light) and _closed(light):
        return light
    # Slower and coarser, but what it makes of a closed mesh is closed.
    solid = manifold3d.Manifold(manifold3d.Mesh(surface.vertices, surface.faces.astype(np.uint32)))
    if solid.status() != manifold3d.Error.NoError:
        return None
    tolerance = _FIRST_TOLERANCE * float(np.ptp(surface.vertices, axis=0).max())
    for _ in range(_TRIES):
        simpler = solid.simplify(tolerance)
        if simpler.num_tri() <= count:
            return None if simpler.is_empty() else _triangles(simpler)
        tolerance *= 2
    return None


def _closed(triangles: Floats) -> bool:
    surface = build_surface(triangles)
    return bool(np.array_equal(surface.edges.forward, surface.edges.backward))


def _solid(group: list[Piece]) -> manifold3d.Manifold:
    triangles = np.concatenate([one.vertices[one.faces] for one in group])
    surface = build_surface(triangles)
    return manifold3d.Manifold(manifold3d.Mesh(surface.vertices, surface.faces.astype(np.uint32)))


def _triangles(solid: manifold3d.Manifold) -> Floats:
    mesh = solid.to_mesh()
    corners: Floats = np.asarray(mesh.vert_properties, np.float32)[:, :3][
        np.asarray(mesh.tri_verts, np.int64)
    ]
    return corners


def _holds(body: Piece, inner: Piece) -> bool:
    low, high = body.box
    inner_low, inner_high = inner.box
    return bool((low <= inner_low).all() and (high >= inner_high).all())
