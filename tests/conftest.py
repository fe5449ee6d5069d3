"""Timings never decide a test: a busy machine takes longer, and is not wrong."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("in their own time", deadline=None)
settings.load_profile("in their own time")
