"""Writes the vase of the benchmark: five lobes, twisted, 720 facets a ring."""

from __future__ import annotations

import sys

import numpy as np
import trimesh

FACETS, RINGS = 720, 40
HEIGHT_MM, RADIUS_MM, LOBE_MM, TWIST = 20.0, 18.0, 4.0, 0.6


def main(path: str) -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, FACETS, endpoint=False)
    rings = []
    for height in np.linspace(0.0, 1.0, RINGS):
        radius = RADIUS_MM + LOBE_MM * np.sin(5.0 * (angle + TWIST * height))
        z = np.full(FACETS, height * HEIGHT_MM)
        rings.append(np.column_stack([radius * np.cos(angle), radius * np.sin(angle), z]))
    points = [*np.vstack(rings), [0.0, 0.0, 0.0], [0.0, 0.0, HEIGHT_MM]]
    bottom, top = FACETS * RINGS, FACETS * RINGS + 1
    faces = []
    for facet in range(FACETS):
        beside = (facet + 1) % FACETS
        for ring in range(RINGS - 1):
            low, high = ring * FACETS, (ring + 1) * FACETS
            faces.append([low + facet, low + beside, high + beside])
            faces.append([low + facet, high + beside, high + facet])
        faces.append([bottom, beside, facet])
        last = (RINGS - 1) * FACETS
        faces.append([top, last + facet, last + beside])
    trimesh.Trimesh(points, faces).export(path)


if __name__ == "__main__":
    main(sys.argv[1])
