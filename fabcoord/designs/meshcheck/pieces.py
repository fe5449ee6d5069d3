"""Which faces hang together: the connected pieces of a surface."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fabcoord.designs.meshcheck.soup import Indices


def components(one: Indices, other: Indices, count: int) -> Indices:
    """For each of ``count`` things the number of its group, where these pairs hang together."""
    links = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(count, count))
    label: Indices = connected_components(links, directed=False)[1].astype(np.int64)
    return label


def pieces(faces: Indices, vertex_count: int) -> Indices:
    """For each face the number, from 0, of the piece that it hangs together with by corners."""
    a, b, c = faces.T
    label = components(np.concatenate([a, b]), np.concatenate([b, c]), vertex_count)
    number: Indices = np.unique(label[a], return_inverse=True)[1].reshape(-1).astype(np.int64)
    return number
