"""The five rules of the lab's one file: transactions, durability, foreign keys, many writers."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fabcoord.store.database import Store, row, rows, value
from fabcoord.store.migrations import _statements, migrate
from fabcoord.store.sqlite import Database

WRITER = """
import sys
from pathlib import Path
from fabcoord.store.database import Store, value
store = Store(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    with store.writing() as db:
        count = int(value(db, "SELECT value FROM settings WHERE name = 'count'"))
        db.conn.execute("UPDATE settings SET value = ? WHERE name = 'count'", (str(count + 1),))
"""


def put(db: Database, name: str, text: str) -> None:
    db.conn.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, text))


def read(store: Store, name: str) -> str | None:
    with store.reading() as db:
        found = value(db, "SELECT value FROM settings WHERE name = ?", (name,))
    return None if found is None else str(found)


def test_what_was_written_is_there_for_the_next_reader(store: Store) -> None:
    with store.writing() as db:
        put(db, "colour", "red")
    assert read(store, "colour") == "red"


def test_an_error_leaves_nothing_behind_and_calls_nobody(store: Store) -> None:
    called = []
    with pytest.raises(RuntimeError), store.writing() as db:  # noqa: PT012
        put(db, "colour", "red")
        db.after_commit.append(lambda: called.append("after commit"))
        raise RuntimeError("in the middle")
    assert read(store, "colour") is None
    assert called == []


def test_after_commit_is_called_once_the_change_can_be_read(store: Store) -> None:
    seen = []
    with store.writing() as db:
        put(db, "colour", "red")
        db.after_commit.append(lambda: seen.append(read(store, "colour")))
        assert seen == []
    assert seen == ["red"]
    with store.writing() as db:
        put(db, "colour", "blue")
    assert seen == ["red"], "what one transaction wants is not called for the next"


def test_a_reader_sees_one_moment_however_much_is_written(store: Store) -> None:
    with store.reading() as db:
        assert value(db, "SELECT count(*) FROM settings") == 0
        with store.writing() as other:
            put(other, "colour", "red")
        assert value(db, "SELECT count(*) FROM settings") == 0
    assert read(store, "colour") == "red"


def test_a_reader_cannot_leave_a_change_behind(store: Store) -> None:
    with store.reading() as db:
        put(db, "colour", "red")
    assert read(store, "colour") is None


def test_a_second_writer_waits_for_the_first(store: Store) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with store.writing() as db:
            put(db, "who", "first")
            inside.set()
            go_on.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    threading.Timer(0.05, go_on.set).start()
    with store.writing() as db:
        assert go_on.is_set(), "the second writer was let in while the first was inside"
        assert value(db, "SELECT value FROM settings WHERE name = 'who'") == "first"
        put(db, "who", "second")
    thread.join()
    assert read(store, "who") == "second"


def test_two_processes_that_count_at_once_lose_nothing(store: Store) -> None:
    with store.writing() as db:
        put(db, "count", "0")
    argv = [sys.executable, "-c", WRITER, str(store.path), "150"]
    writers = [subprocess.Popen(argv) for _ in range(2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert read(store, "count") == "300"


def test_durable_is_synchronous_full_and_the_rest_is_not(store: Store) -> None:
    levels = []
    for durable in (True, False, True):
        with store.writing(durable=durable) as db:
            levels.append(value(db, "PRAGMA synchronous"))
    assert levels == [2, 1, 2]


def test_each_connection_keeps_foreign_keys_waits_and_writes_ahead(store: Store) -> None:
    with store.reading() as one, store.reading() as another:
        for db in (one, another):
            assert value(db, "PRAGMA foreign_keys") == 1
            assert value(db, "PRAGMA busy_timeout") == 20_000
            assert value(db, "PRAGMA journal_mode") == "wal"


def test_a_token_of_nobody_cannot_be_stored(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError), store.writing() as db:
        db.conn.execute(
            "INSERT INTO tokens (id, member_id, hash, created_at) VALUES ('t', 'nobody', 'h', '')"
        )


def test_a_commit_that_fails_does_not_spoil_the_next(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError), store.writing() as db:  # noqa: PT012
        db.conn.execute("PRAGMA defer_foreign_keys = ON")
        db.conn.execute(
            "INSERT INTO tokens (id, member_id, hash, created_at) VALUES ('t', 'nobody', 'h', '')"
        )
    with store.writing() as db:
        put(db, "colour", "red")
        assert value(db, "SELECT count(*) FROM tokens") == 0
    assert read(store, "colour") == "red"


def test_a_rollback_by_sqlite_itself_shows_the_first_error(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError, match="full"), store.writing() as db:  # noqa: PT012
        pages = value(db, "PRAGMA page_count")
        db.conn.execute(f"PRAGMA max_page_count = {pages}")
        for number in range(200):
            put(db, f"big-{number}", "x" * 4000)
    other = Store(store.path)
    assert read(other, "big-0") is None
    other.close()


def test_rows_come_as_dicts_and_row_tells_whether_a_change_applied(store: Store) -> None:
    with store.writing() as db:
        put(db, "a", "1")
        put(db, "b", "2")
        assert rows(db, "SELECT name, value FROM settings ORDER BY name") == [
            {"name": "a", "value": "1"},
            {"name": "b", "value": "2"},
        ]
        change = "UPDATE settings SET value = '3' WHERE name = ? RETURNING value"
        assert row(db, change, ("a",)) == {"value": "3"}
        assert row(db, change, ("nobody",)) is None


def test_migrating_twice_changes_nothing(store: Store) -> None:
    def schema() -> list[str]:
        with store.reading() as db:
            return [item["sql"] for item in rows(db, "SELECT sql FROM sqlite_schema")]

    before = schema()
    with store.writing() as db:
        put(db, "colour", "red")
    migrate(store)
    assert schema() == before
    assert read(store, "colour") == "red"


def test_processes_that_start_together_make_one_schema(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from fabcoord.store.database import Store\n"
        "from fabcoord.store.migrations import migrate\n"
        "migrate(Store(Path(sys.argv[1])))"
    )
    path = tmp_path / "new" / "lab.db"
    argv = [sys.executable, "-c", script, str(path)]
    started = [subprocess.Popen(argv) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4


def test_a_script_is_split_where_its_statements_end() -> None:
    script = """
    CREATE TABLE a (x TEXT DEFAULT ';');
    CREATE TRIGGER t AFTER INSERT ON a BEGIN
        UPDATE a SET x = 1;
        UPDATE a SET x = 2;
    END;
    """
    found = _statements(script)
    assert [text.split()[1] for text in found] == ["TABLE", "TRIGGER"]
