"""sqlite-utils' Database with what happens after a commit, imported without numpy.

A process that stays must not carry numpy (20 MB each); sqlite-utils treats it as optional.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

_without_numpy = "numpy" not in sys.modules
if _without_numpy:
    sys.modules["numpy"] = None  # type: ignore[assignment]  # makes `import numpy` fail
try:
    import sqlite_utils
    from sqlite_utils import Migrations
finally:
    if _without_numpy:
        del sys.modules["numpy"]


class Database(sqlite_utils.Database):
    """A connection to the lab's database, inside a transaction that the Store opened.

    Attributes:
        before_commit: called in order when all else is done; an error rolls everything back.
        after_commit: called in order once the open transaction is committed, never otherwise.
        announce: tells the background workers that a run waits; set by the Store.
        must_last: set to True by whatever must survive a power cut from its commit on.
        subscribers: by kind of event, what is called in the transaction that emits it.
    """

    before_commit: list[Callable[[], object]]
    after_commit: list[Callable[[], None]]
    announce: Callable[[str], None]
    must_last: bool
    subscribers: Mapping[str, list[Callable[[Database, Any], None]]]


__all__ = ["Database", "Migrations"]
