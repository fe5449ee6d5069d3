"""The schema of the lab's database: each file of schema/ is one step, applied once, in order."""

from __future__ import annotations

import sqlite3
from importlib import resources
from typing import Any

from fabcoord.store.database import Store
from fabcoord.store.sqlite import Database, Migrations


def migrate(store: Store) -> None:
    """Bring the database to the present schema; each step is applied once, whole or not at all.

    A step is a file NNN-name.sql. Steps are known by name; one that was released never changes.
    """
    steps = Migrations("fabcoord")
    files = (file for file in resources.files("fabcoord.store").joinpath("schema").iterdir())
    for file in sorted(files, key=lambda file: file.name):
        if file.name.endswith(".sql"):
            name = file.name.removesuffix(".sql").partition("-")[2]
            steps(name=name)(_step(file.read_text()))
    with store.writing(durable=True) as db:
        steps.apply(db)


def _step(sql: str) -> Any:
    def apply(db: Database) -> None:
        for statement in _statements(sql):
            db.conn.execute(statement)

    return apply


def _statements(sql: str) -> list[str]:
    """Split a script into statements; executescript would commit the open transaction."""
    statements, pending = [], ""
    for line in sql.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements
