"""The second look at a mesh: what takes longer than the verdict and only changes the advice.

Run as a program of its own, ``… -m fabcoord.designs.meshcheck.deep``, in the sandbox.
"""
