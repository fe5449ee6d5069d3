"""Where PrusaSlicer and the vendor bundles that come with it lie on this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fabcoord.errors import SlicerMissing

BINARY_VARIABLE = "FABCOORD_PRUSASLICER"
PROFILES_VARIABLE = "FABCOORD_SLICER_PROFILES"

_BINARY_NAMES = ("prusa-slicer", "PrusaSlicer", "prusaslicer")
_SHARED = (
    "/usr/share/PrusaSlicer/profiles",
    "/usr/local/share/PrusaSlicer/profiles",
    "/var/lib/flatpak/app/com.prusa3d.PrusaSlicer/current/active/files/share/PrusaSlicer/profiles",
)


def slicer_binary() -> Path:
    """The PrusaSlicer binary; raises SlicerMissing saying how to install it.

    ``FABCOORD_PRUSASLICER`` names it where it is not on the PATH.
    """
    if named := os.environ.get(BINARY_VARIABLE):
        path = Path(named)
        if path.is_file() and os.access(path, os.X_OK):
            return path
        raise SlicerMissing(
            f"{BINARY_VARIABLE} names {named}, which is not a program.",
            hint="Set it to the PrusaSlicer binary, or unset it and install prusa-slicer.",
        )
    for name in _BINARY_NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise SlicerMissing(
        "PrusaSlicer is not installed on this machine.",
        hint="Install it with: sudo apt install prusa-slicer.",
    )


def profile_directories() -> list[Path]:
    """Directories with vendor bundles, the first to look in first; may be empty.

    The one named by ``FABCOORD_SLICER_PROFILES``, then what lies beside the binary (as in an
    unpacked AppImage or archive), then the usual places of packages.
    """
    candidates = [Path(named)] if (named := os.environ.get(PROFILES_VARIABLE)) else []
    try:
        home = slicer_binary().resolve().parent
    except SlicerMissing:
        pass
    else:
        beside = ("profiles", "resources/profiles", "../resources/profiles")
        candidates += [home / one for one in (*beside, "../share/PrusaSlicer/profiles")]
    candidates += [Path(one) for one in _SHARED]
    return list(dict.fromkeys(path.resolve() for path in candidates if path.is_dir()))
