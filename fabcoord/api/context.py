"""The lab that the present request belongs to."""

from __future__ import annotations

from flask import current_app

from fabcoord.lab import Lab


def lab() -> Lab:
    """The lab of the running application."""
    found: Lab = current_app.extensions["fabcoord"]
    return found
