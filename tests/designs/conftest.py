"""A store on a real file, with the lab's schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fabcoord.store.database import Store
from fabcoord.store.migrations import migrate


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "lab.db")
    migrate(store)
    yield store
    store.close()
