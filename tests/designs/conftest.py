"""A store on a real file, with the lab's schema, two members, and who checks files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fabcoord.designs import checks
from fabcoord.members import accounts
from fabcoord.members.roles import Member, Role
from fabcoord.store.blobs import BlobStore
from fabcoord.store.database import Store
from fabcoord.store.migrations import migrate
from fabcoord.work.engine import Engine
from fabcoord.work.sandbox import Limits


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "lab.db")
    migrate(store)
    yield store
    store.close()


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def ben(store: Store) -> Member:
    with store.writing() as db:
        return accounts.create(db, "Ben", Role.MEMBER)


@pytest.fixture
def eve(store: Store) -> Member:
    with store.writing() as db:
        return accounts.create(db, "Eve", Role.MEMBER)


@pytest.fixture
def make_engine(store: Store, blobs: BlobStore, tmp_path: Path) -> Callable[..., Engine]:
    """An engine that checks with these limits; what is queued waits until somebody runs it."""

    def make(**limits: float) -> Engine:
        engine = Engine(store, tmp_path / "work")
        for task in checks.tasks(store, blobs, tmp_path / "runs", Limits(**limits)):  # type: ignore[arg-type]
            engine.register(task)
        store.announce = lambda run_id: None
        return engine

    return make
