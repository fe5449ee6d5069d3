"""The mesh check: what a file would print as, judged in a subprocess of its own.

The server imports only `fabcoord.designs.meshcheck.report` from here; everything else needs
numpy and runs through ``python -m fabcoord.designs.meshcheck`` under `fabcoord.work.sandbox`.
"""
