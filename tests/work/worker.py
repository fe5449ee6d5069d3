"""A worker process for the tests: its runs count up in a file, in a sandboxed child."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from fabcoord.store.database import Store
from fabcoord.store.sqlite import Database
from fabcoord.work import sandbox
from fabcoord.work.engine import Commit, Engine, Task
from fabcoord.work.sandbox import Limits

# Says which process it is, then works until it is let go.
CHILD = """
import os, pathlib, sys, time
directory = pathlib.Path(sys.argv[1])
(directory / "child.new").write_text(str(os.getpid()))
(directory / "child.new").rename(directory / "child")
while not (directory / "go").exists():
    time.sleep(0.02)
"""


def make_engine(directory: Path) -> Engine:
    """An engine that knows one kind of run, ``count``."""
    store = Store(directory / "lab.db")
    engine = Engine(store, directory / "work")

    def count(subject: str, stopped: Callable[[], bool]) -> Commit:
        argv = [sys.executable, "-c", CHILD, str(directory)]
        cwd = directory / "run"
        ended = sandbox.run(argv, cwd=cwd, limits=Limits(), cancelled=stopped)
        return lambda db: note(db, f"{subject} {ended.ended_by}")

    def gave_up(db: Database, subject: str, reason: str) -> None:
        note(db, f"{subject} given up: {reason}")

    engine.register(Task("count", count, gave_up))
    return engine


def note(db: Database, text: str) -> None:
    """Keep a result where every further result would show."""
    db.conn.execute("INSERT INTO settings VALUES (hex(randomblob(8)), ?)", (text,))


def main() -> None:
    """Work until told to stop."""
    make_engine(Path(sys.argv[1])).consume(2)
