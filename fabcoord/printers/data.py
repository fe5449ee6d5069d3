"""Where the data of firmware_profiles/ lies: in a checkout beside the package, or in the wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def data_dir() -> Path:
    """The ``firmware_profiles`` directory of this installation."""
    checkout = _PACKAGE.parent / "firmware_profiles"
    return checkout if checkout.is_dir() else _PACKAGE / "_firmware_profiles"
