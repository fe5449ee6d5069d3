"""Registers the pages, their templates and their static files."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add the pages to the application."""
