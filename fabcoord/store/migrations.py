"""The tables of the lab's database, as small named steps that are each applied once."""

from __future__ import annotations

import sqlite3
from typing import Any

from fabcoord.store.database import Store
from fabcoord.store.sqlite import Database, Migrations

_FOUNDATION = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    job_id TEXT, printer_id TEXT, attempt_id TEXT, agent_id TEXT, member_id TEXT,
    actor TEXT,
    data TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX events_job ON events(job_id, seq) WHERE job_id IS NOT NULL;
CREATE INDEX events_printer ON events(printer_id, seq) WHERE printer_id IS NOT NULL;
CREATE INDEX events_agent ON events(agent_id, seq) WHERE agent_id IS NOT NULL;

CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',
    priority INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    token TEXT,
    lease_until TEXT,
    error TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL, started_at TEXT, ended_at TEXT, enqueued_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX runs_live ON runs(kind, subject) WHERE state IN ('queued', 'running');
CREATE INDEX runs_open ON runs(state, lease_until) WHERE state IN ('queued', 'running');
"""

_PEOPLE = """
CREATE TABLE members (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    role TEXT NOT NULL,
    password_hash TEXT,
    created_at TEXT NOT NULL,
    disabled_at TEXT
) STRICT;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    member_id TEXT NOT NULL REFERENCES members(id),
    hash TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL,
    revoked_at TEXT
) STRICT;
CREATE TABLE sessions (
    hash TEXT PRIMARY KEY,
    member_id TEXT NOT NULL REFERENCES members(id),
    csrf TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE TABLE signin_failures (who TEXT NOT NULL, at TEXT NOT NULL) STRICT;
CREATE INDEX signin_failures_who ON signin_failures(who, at);
CREATE TABLE idempotency (
    key TEXT NOT NULL,
    member_id TEXT NOT NULL,
    route TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    status INTEGER NOT NULL,
    headers TEXT NOT NULL,
    answer TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (key, member_id, route)
) STRICT;
"""

_DESIGNS = """
CREATE TABLE designs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    owner_id TEXT NOT NULL REFERENCES members(id),
    licence TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '[]',
    attribution TEXT NOT NULL DEFAULT '',
    forked_from TEXT,
    visibility TEXT NOT NULL DEFAULT 'lab',
    version INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    deleted_at TEXT
) STRICT;
CREATE TABLE revisions (
    design_id TEXT NOT NULL REFERENCES designs(id),
    number INTEGER NOT NULL,
    author_id TEXT NOT NULL REFERENCES members(id),
    note TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL,
    PRIMARY KEY (design_id, number)
) STRICT;
CREATE TABLE files (
    id TEXT PRIMARY KEY,
    design_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    format TEXT NOT NULL,
    derived_from TEXT,
    created_at TEXT NOT NULL,
    FOREIGN KEY (design_id, revision) REFERENCES revisions(design_id, number)
) STRICT;
CREATE INDEX files_revision ON files(design_id, revision);
CREATE INDEX files_content ON files(sha256, format);
CREATE TABLE checks (
    sha256 TEXT NOT NULL,
    format TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    report TEXT NOT NULL DEFAULT '{}',
    mesh_sha256 TEXT,
    light_sha256 TEXT,
    preview_sha256 TEXT,
    check_version INTEGER NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (sha256, format)
) STRICT;
CREATE VIRTUAL TABLE designs_search USING fts5(
    title, description, tags, attribution, content='designs',
    content_rowid='number',
    tokenize='unicode61 remove_diacritics 2', prefix='2 3'
);
CREATE TRIGGER designs_search_insert AFTER INSERT ON designs BEGIN
    INSERT INTO designs_search(rowid, title, description, tags, attribution)
    VALUES (new.number, new.title, new.description, new.tags, new.attribution);
END;
CREATE TRIGGER designs_search_update AFTER UPDATE ON designs BEGIN
    INSERT INTO designs_search(designs_search, rowid, title, description, tags, attribution)
    VALUES ('delete', old.number, old.title, old.description, old.tags, old.attribution);
    INSERT INTO designs_search(rowid, title, description, tags, attribution)
    VALUES (new.number, new.title, new.description, new.tags, new.attribution);
END;
"""

_SLICES = """
CREATE TABLE slices (
    key TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    gcode_sha256 TEXT,
    gcode_size INTEGER,
    estimate TEXT NOT NULL DEFAULT '{}',
    error TEXT NOT NULL DEFAULT '',
    error_slug TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL,
    ended_at TEXT
) STRICT;
CREATE TABLE vettings (
    gcode_sha256 TEXT NOT NULL,
    machine_sha256 TEXT NOT NULL,
    ok INTEGER NOT NULL,
    report TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (gcode_sha256, machine_sha256)
) STRICT;
"""

_QUEUE = """
CREATE TABLE agents (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    instance TEXT, instance_started_at TEXT,
    epoch TEXT,
    acked INTEGER NOT NULL DEFAULT 0,
    version TEXT NOT NULL DEFAULT '',
    draining INTEGER NOT NULL DEFAULT 0,
    last_seen_at TEXT,
    created_at TEXT NOT NULL,
    revoked_at TEXT
) STRICT;
CREATE TABLE pairings (
    pairing_hash TEXT PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    approved_by TEXT,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE TABLE printers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    machine TEXT NOT NULL,
    driver TEXT NOT NULL,
    settings TEXT NOT NULL DEFAULT '{}',
    agent_id TEXT REFERENCES agents(id),
    material TEXT, colour TEXT, nozzle_mm REAL,
    camera_url TEXT,
    state TEXT NOT NULL DEFAULT 'offline',
    reason TEXT NOT NULL DEFAULT '',
    plate_clear INTEGER NOT NULL DEFAULT 0,
    plate_attempt_id TEXT,
    in_maintenance INTEGER NOT NULL DEFAULT 0,
    telemetry TEXT NOT NULL DEFAULT '{}',
    last_seen_at TEXT,
    version INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    deleted_at TEXT
) STRICT;
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    member_id TEXT NOT NULL REFERENCES members(id),
    design_id TEXT NOT NULL REFERENCES designs(id),
    revision INTEGER NOT NULL,
    file_id TEXT NOT NULL REFERENCES files(id),
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    copies INTEGER NOT NULL,
    copies_done INTEGER NOT NULL DEFAULT 0,
    request TEXT NOT NULL DEFAULT '{}',
    machine TEXT, material TEXT, quality TEXT,
    colour TEXT, printer_id TEXT,
    slice_key TEXT,
    gcode_sha256 TEXT,
    estimate TEXT NOT NULL DEFAULT '{}',
    approved INTEGER NOT NULL DEFAULT 0,
    position INTEGER,
    expected_start TEXT, expected_end TEXT,
    due_at TEXT, charge_code TEXT, note TEXT NOT NULL DEFAULT '',
    version INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    queued_at TEXT,
    retried_at TEXT,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_state ON jobs(state, queued_at);
CREATE INDEX jobs_member ON jobs(member_id, created_at);
CREATE INDEX jobs_file ON jobs(file_id) WHERE state = 'checking';
CREATE INDEX jobs_slice ON jobs(slice_key) WHERE state = 'slicing';
CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES jobs(id),
    copy INTEGER NOT NULL,
    printer_id TEXT NOT NULL REFERENCES printers(id),
    agent_id TEXT NOT NULL REFERENCES agents(id),
    state TEXT NOT NULL DEFAULT 'offered',
    token TEXT NOT NULL,
    lease_until TEXT,
    gcode_sha256 TEXT NOT NULL,
    gcode_size INTEGER NOT NULL,
    file_name TEXT NOT NULL,
    progress REAL NOT NULL DEFAULT 0,
    layer INTEGER, layers INTEGER,
    remaining_s REAL,
    duration_s REAL,
    reason TEXT NOT NULL DEFAULT '',
    was_taken INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    started_at TEXT, ended_at TEXT,
    ended_by TEXT
) STRICT;
CREATE INDEX attempts_job ON attempts(job_id);
CREATE UNIQUE INDEX attempts_live_copy ON attempts(job_id, copy)
    WHERE state NOT IN ('finished', 'failed', 'cancelled');
CREATE UNIQUE INDEX attempts_live_printer ON attempts(printer_id)
    WHERE state NOT IN ('finished', 'failed', 'cancelled');
CREATE TABLE commands (
    id TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL REFERENCES agents(id),
    printer_id TEXT NOT NULL,
    attempt_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    choice INTEGER NOT NULL DEFAULT 0,
    actor TEXT,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    ended_at TEXT,
    ok INTEGER,
    reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX commands_open ON commands(agent_id) WHERE ended_at IS NULL;
"""


_STEPS = {
    "foundation": _FOUNDATION,
    "people": _PEOPLE,
    "designs": _DESIGNS,
    "slices": _SLICES,
    "queue": _QUEUE,
}


def migrate(store: Store) -> None:
    """Bring the database to the present schema; each step is applied once, whole or not at all."""
    steps = Migrations("fabcoord")
    for name, sql in _STEPS.items():
        steps(name=name)(_step(sql))
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
