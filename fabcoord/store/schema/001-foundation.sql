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
