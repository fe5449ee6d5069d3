"""Mends one connected piece of a surface: the least invasive step that closes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pymeshfix

from fabcoord.designs.meshcheck.pieces import components, pieces
from fabcoord.designs.meshcheck.repair.holes import capped_volume, fill_small
from fabcoord.designs.meshcheck.repair.winding import neighbours, wound_alike
from fabcoord.designs.meshcheck.soup import Doubles, Floats, Indices
from fabcoord.designs.meshcheck.topology import find_edges, weld, without_collapsed

_FLAT = 1e-6  # of what area and extent could enclose: less is no body
_SHRUNK = 0.02  # of the extent


@dataclass(frozen=True, slots=True)
class Piece:
    """A connected piece: (m, 3) vertices in mm and (n, 3) faces of its own."""

    vertices: Floats
    faces: Indices

    @property
    def closed(self) -> bool:
        """Whether each edge is used as often one way as the other."""
        edges = find_edges(self.faces, len(self.vertices))
        return len(self.faces) > 0 and bool(np.array_equal(edges.forward, edges.backward))

    @property
    def volume_mm3(self) -> float:
        """Enclosed when holes are closed straight across; negative when it looks inward."""
        return capped_volume(self.vertices, self.faces)

    @property
    def box(self) -> tuple[Doubles, Doubles]:
        """Its least and greatest corner."""
        used = self.vertices[self.faces.reshape(-1)].astype(np.float64)
        return used.min(axis=0), used.max(axis=0)

    @property
    def encloses_something(self) -> bool:
        """Whether it is a body, and not a sheet or a few loose triangles."""
        if len(self.faces) < 4:
            return False
        low, high = self.box
        corners = self.vertices[self.faces].astype(np.float64)
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        could = float(np.linalg.norm(across, axis=1).sum()) * float((high - low).max())
        return abs(self.volume_mm3) > _FLAT * could

    def kept(self, faces: Indices) -> Piece:
        """The same vertices with other faces."""
        return Piece(self.vertices, faces)


@dataclass
class Mended:
    """A piece after mending. ``lost`` when it could not be closed without losing much of it."""

    piece: Piece
    volume_before_mm3: float  # of the wound surface, holes closed straight across
    steps: Counter[str] = field(default_factory=Counter)
    lost: bool = False


def mend(piece: Piece) -> Mended:
    """Close a piece that encloses something; it comes back as it was if it is closed already."""
    if piece.closed:
        return Mended(piece, piece.volume_mm3)
    done = Mended(piece, 0.0)
    _drop_doubles(done)
    wound, turned = wound_alike(done.piece.faces)
    if turned:
        done.piece = piece.kept(wound)
        done.steps["faces turned to agree with their neighbours"] += turned
    done.volume_before_mm3 = done.piece.volume_mm3
    if done.piece.closed:
        return done
    filled, holes = fill_small(done.piece.vertices, done.piece.faces)
    if holes:
        done.piece = done.piece.kept(filled)
        done.steps["small holes closed"] += holes
    if not done.piece.closed:
        _rebuild(done)
    return done


def _drop_doubles(done: Mended) -> None:
    """Leave out faces that are there twice the same way round."""
    faces = done.piece.faces
    first = faces.argmin(axis=1)
    rows = np.arange(len(faces))[:, None]
    begun = faces[rows, (first[:, None] + np.arange(3)) % 3]
    _, index = np.unique(begun, axis=0, return_index=True)
    if len(index) < len(faces):
        done.steps["double faces left out"] += len(faces) - len(index)
        done.piece = done.piece.kept(faces[np.sort(index)])


def _rebuild(done: Mended) -> None:
    """Let pymeshfix close it: as a whole, and apart where three faces meet; the nearer is kept."""
    wanted, box = abs(done.volume_before_mm3), done.piece.box
    ways = [[done.piece]]
    apart = _cut_apart(done.piece)
    if len(apart) > 1:
        ways.append(apart)
    results = []
    for way in ways:
        rebuilt = [_meshfix(one) for one in way if one.encloses_something]
        closed = [one for one in rebuilt if one is not None]
        if closed:
            whole = _together(closed)
            if whole.closed and not _shrank(box, whole.box):
                results.append(whole)
    if not results:
        done.lost = True
        return
    done.piece = min(results, key=lambda one: abs(abs(one.volume_mm3) - wanted))
    done.steps["pieces rebuilt around larger flaws"] += 1


def _meshfix(piece: Piece) -> Piece | None:
    """What pymeshfix makes of a piece, or None. Nothing is dropped for being small."""
    if piece.closed:
        return piece
    points, faces = pymeshfix.clean_from_arrays(
        piece.vertices.astype(np.float64),
        np.ascontiguousarray(piece.faces, np.int32),
        joincomp=False,
        remove_smallest_components=False,
    )
    if not len(faces):
        return None
    vertices, index = weld(np.asarray(points, np.float32)[np.asarray(faces)].reshape(-1, 3))
    result = Piece(vertices, without_collapsed(index.reshape(-1, 3)))
    if not result.closed:
        return None
    # It may look inward after all; a hollow stays one.
    if (result.volume_mm3 < 0) != (piece.volume_mm3 < 0):
        return result.kept(np.ascontiguousarray(result.faces[:, ::-1]))
    return result


def _cut_apart(piece: Piece) -> list[Piece]:
    """The parts that hang together where exactly two faces meet at an edge."""
    one, other, _ = neighbours(piece.faces)
    return taken_apart(piece, components(one, other, len(piece.faces)))


def taken_apart(piece: Piece, label: Indices) -> list[Piece]:
    """The faces of each label as a piece of its own, with vertices of its own."""
    order = np.argsort(label, kind="stable")
    begins = np.flatnonzero(np.diff(label[order], prepend=-1))
    found = []
    for faces in np.split(piece.faces[order], begins[1:]):
        used, index = np.unique(faces, return_inverse=True)
        found.append(Piece(piece.vertices[used], index.reshape(-1, 3).astype(np.int64)))
    return found


def all_pieces(vertices: Floats, faces: Indices) -> list[Piece]:
    """The connected pieces of a surface."""
    whole = Piece(vertices, faces)
    return taken_apart(whole, pieces(faces, len(vertices))) if len(faces) else []


def _together(parts: list[Piece]) -> Piece:
    offsets = np.cumsum([0, *(len(one.vertices) for one in parts[:-1])])
    faces = [one.faces + offset for one, offset in zip(parts, offsets, strict=True)]
    return Piece(np.concatenate([one.vertices for one in parts]), np.concatenate(faces))


def _shrank(before: tuple[Doubles, Doubles], after: tuple[Doubles, Doubles]) -> bool:
    slack = _SHRUNK * float((before[1] - before[0]).max())
    return bool((after[0] > before[0] + slack).any() or (after[1] < before[1] - slack).any())
