"""Revisions never change: how one is named by its content, in every lab the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def content_sha256(files: Iterable[tuple[str, str]]) -> str:
    """The name of a revision by its content, the same in every lab.

    ``files`` are pairs of SHA-256 and name. The hash is that of what ``sha256sum`` would print
    for them, sorted by name: ``<sha256>  <name>\\n`` for each.
    """
    lines = sorted((name, sha256) for sha256, name in files)
    text = "".join(f"{sha256}  {name}\n" for name, sha256 in lines)
    return hashlib.sha256(text.encode()).hexdigest()
