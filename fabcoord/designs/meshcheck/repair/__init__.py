"""Mends a mesh without losing any of it, as a program of its own in the sandbox.

``… -m fabcoord.designs.meshcheck.repair --input F --format stl --out DIR --options JSON``
"""
