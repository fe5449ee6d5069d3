"""Garbage collection: removes the blobs that nothing refers to any more.

What is known to be derived (a check from its file, a slice from its mesh) counts only while that
from which it was made counts. For every other table any text that holds a SHA-256 counts as a
reference, so that a table that is added later is safe before anybody thinks of this module.

It is safe beside uploads of the same bytes: references are read, and what is derived from nothing
is forgotten, inside the one write transaction; a blob is then unlinked only if nobody stored it
anew meanwhile, which `BlobStore.remove_old` decides under the store's lock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Store, rows
from fabcoord.store.events import emit
from fabcoord.store.sqlite import Database
from fabcoord.store.values import in_seconds, now
from fabcoord.work.engine import Commit, Task

COLLECT = "collect-garbage"
EVERY_S = 24 * 3600.0
GRACE_S = 24 * 3600.0
DELETED_KEPT_S = 30 * 24 * 3600.0

_SHA256 = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
# Logs and copies of answers name much that is gone. Files and checks have rules of their own.
_NO_REFERENCES = {
    *("events", "idempotency", "files", "pictures", "checks", "previews", "slices", "vettings"),
    "runs",
    *(
        "designs",
        "documentation",
        "comments",
        "reports",
    ),  # words of people: what they mention keeps nothing
}
# A removed design keeps its bytes for some weeks, and longer where a job may still print them.
_FILES = (
    "SELECT sha256 FROM files JOIN designs ON designs.id = design_id WHERE purged_at IS NULL"
    " UNION SELECT sha256 FROM files JOIN jobs ON jobs.file_id = files.id"
    " WHERE jobs.state NOT IN ('collected', 'cancelled', 'rejected', 'failed')"
)
_PICTURES = (
    "SELECT upload_sha256, sha256, small_sha256 FROM pictures"
    " JOIN designs ON designs.id = design_id"
    " WHERE purged_at IS NULL AND pictures.deleted_at IS NULL"
)
_OF_KEPT_DESIGN = (
    "(design_id IS NULL OR design_id NOT IN (SELECT id FROM designs WHERE purged_at IS NOT NULL))"
)
_RUNS = "SELECT subject FROM runs WHERE state IN ('queued', 'running')"
_MADE_FROM = (
    # table, what identifies a row, which column names the hashes that it is made from
    ("checks", "sha256 || ':' || format", "sha256"),
    ("previews", "sha256 || ':' || format || ':' || kind", "sha256"),
    ("slices", "key", "request"),
)


@dataclass(frozen=True, slots=True)
class Collected:
    """What one collection did."""

    kept: int  # blobs that something refers to, or that are too fresh to judge
    removed: int
    freed_bytes: int
    purged: int  # designs whose files are gone for good now


def collect(
    store: Store,
    blobs: BlobStore,
    *,
    grace_s: float = GRACE_S,
    deleted_kept_s: float = DELETED_KEPT_S,
    stopped: Callable[[], bool] = lambda: False,
) -> Collected:
    """Remove every blob that nothing refers to.

    Args:
        grace_s: a blob that was stored within this time stays: what it is for may be on its way.
        deleted_kept_s: how long a removed design can be brought back.
    """
    with store.writing(durable=True) as db:
        purged = _purge(db, deleted_kept_s)
        referred = _forget_derived(db, _roots(db))
    removed = kept = freed = 0
    for sha256 in blobs.all():
        size = None
        if sha256 not in referred and not stopped():
            size = blobs.remove_old(sha256, grace_s)
        removed, freed = (removed + 1, freed + size) if size is not None else (removed, freed)
        kept += size is None
    blobs.sweep_incoming()
    return Collected(kept, removed, freed, purged)


def drop(store: Store, blobs: BlobStore, sha256: str) -> bool:
    """Remove one blob now, unless something refers to it; whether it is gone."""
    with store.writing() as db:  # nobody stores the same bytes meanwhile
        if sha256 in _closure(db, _roots(db))[0]:
            return False
        return blobs.remove_old(sha256, grace_s=0.0) is not None


def task(store: Store, blobs: BlobStore) -> Task:
    """The kind of run that collects garbage."""

    def work(_subject: str, stopped: Callable[[], bool]) -> Commit:
        done = collect(store, blobs, stopped=stopped)

        def commit(db: Database) -> None:
            emit(db, "garbage.collected", removed=done.removed, freed_bytes=done.freed_bytes,
                 purged=done.purged)  # fmt: skip

        return commit

    return Task(COLLECT, work, lambda db, subject, reason: None, every_s=EVERY_S)


def referred_to(store: Store) -> set[str]:
    """The hashes of all blobs that something refers to now."""
    with store.reading() as db:
        return _closure(db, _roots(db))[0]


def _purge(db: Database, deleted_kept_s: float) -> int:
    """From now on the files of designs that were removed long ago are no references."""
    return db.conn.execute(
        "UPDATE designs SET purged_at = ? WHERE purged_at IS NULL AND deleted_at < ?",
        (now(), in_seconds(-deleted_kept_s)),
    ).rowcount


def _roots(db: Database) -> set[str]:
    found = {sha256 for (sha256,) in db.conn.execute(_FILES)}
    for query in (_PICTURES, _RUNS):
        found |= _hashes(db.conn.execute(query))
    for table, columns in _scanned(db):
        # A column of every table: names come from the schema itself, and are quoted.
        names = ", ".join(f'"{column}"' for column in columns)
        conditions = " OR ".join(f'length("{column}") >= 64' for column in columns)
        if "design_id" in columns and table != "jobs":
            conditions = f"({conditions}) AND {_OF_KEPT_DESIGN}"
        found |= _hashes(
            db.conn.execute(f'SELECT {names} FROM "{table}" WHERE {conditions}')  # noqa: S608
        )
    return found


def _scanned(db: Database) -> list[tuple[str, list[str]]]:
    tables = rows(
        db,
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
        " AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'designs_search%'",
    )
    found = []
    for table in (item["name"] for item in tables):
        if table in _NO_REFERENCES:
            continue
        described = rows(db, "SELECT name, type FROM pragma_table_info(?)", (table,))
        texts = [item["name"] for item in described if item["type"].upper() in ("TEXT", "")]
        if texts:
            found.append((table, texts))
    return found


def _closure(db: Database, roots: set[str]) -> tuple[set[str], dict[str, list[str]]]:
    """All that is referred to, and by table the rows that are made from nothing any more."""
    live, waiting = set(roots), []
    for table, identity, source in _MADE_FROM:
        for row in rows(db, f"SELECT *, {identity} AS identity_ FROM {table}"):  # noqa: S608
            identified = row["identity_"]
            is_asked_for = table == "slices" and identified in live  # a job waits for its key
            everything = set(_SHA256.findall(" ".join(str(value) for value in row.values())))
            sources = set(_SHA256.findall(row[source]))
            waiting.append((table, identified, sources, everything, is_asked_for))
    is_changed = True
    while is_changed:
        is_changed, still = False, []
        for item in waiting:
            _, _, sources, everything, is_asked_for = item
            if is_asked_for or sources <= live:
                live |= everything
                is_changed = True
            else:
                still.append(item)
        waiting = still
    dead: dict[str, list[str]] = {}
    for table, identified, *_ in waiting:
        dead.setdefault(table, []).append(identified)
    return live, dead


def _forget_derived(db: Database, roots: set[str]) -> set[str]:
    live, dead = _closure(db, roots)
    for table, identity, _ in _MADE_FROM:
        db.conn.executemany(
            f"DELETE FROM {table} WHERE {identity} = ?",  # noqa: S608
            [(one,) for one in dead.get(table, [])],
        )
    return live


def _hashes(found: Iterable[tuple[object, ...]]) -> set[str]:
    return {
        sha256
        for row in found
        for value in row
        if isinstance(value, str)
        for sha256 in _SHA256.findall(value)
    }
