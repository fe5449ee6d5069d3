CREATE TABLE batches (
    id TEXT PRIMARY KEY,
    member_id TEXT NOT NULL REFERENCES members(id),
    title TEXT NOT NULL,
    due_at TEXT,
    paused_at TEXT,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX batches_member ON batches(member_id, created_at);
ALTER TABLE jobs ADD COLUMN batch_id TEXT REFERENCES batches(id);
ALTER TABLE jobs ADD COLUMN nozzle_mm REAL;
ALTER TABLE jobs ADD COLUMN misfits TEXT NOT NULL DEFAULT '{}';
CREATE INDEX jobs_batch ON jobs(batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX jobs_charge_code ON jobs(charge_code) WHERE charge_code IS NOT NULL;
CREATE TABLE badges (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    member_id TEXT NOT NULL REFERENCES members(id),
    label TEXT NOT NULL DEFAULT '',
    given_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    last_seen_at TEXT
) STRICT;
CREATE TABLE badge_presences (
    hash TEXT PRIMARY KEY,
    member_id TEXT NOT NULL REFERENCES members(id),
    screen_id TEXT NOT NULL REFERENCES members(id),
    expires_at TEXT NOT NULL
) STRICT;
ALTER TABLE members ADD COLUMN pin_hash TEXT;
ALTER TABLE printers ADD COLUMN machine_s REAL NOT NULL DEFAULT 0;
ALTER TABLE printers ADD COLUMN overdue TEXT NOT NULL DEFAULT '';
UPDATE printers SET machine_s = coalesce((
    SELECT sum((julianday(ended_at) - julianday(started_at)) * 86400) FROM attempts
    WHERE printer_id = printers.id AND started_at IS NOT NULL AND ended_at IS NOT NULL), 0);
CREATE TABLE maintenance_tasks (
    id TEXT PRIMARY KEY,
    printer_id TEXT NOT NULL REFERENCES printers(id),
    title TEXT NOT NULL,
    every_h REAL NOT NULL,
    done_machine_s REAL NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX maintenance_tasks_printer ON maintenance_tasks(printer_id);
CREATE TABLE maintenance_log (
    id TEXT PRIMARY KEY,
    printer_id TEXT NOT NULL REFERENCES printers(id),
    title TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    machine_s REAL NOT NULL,
    actor TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
CREATE INDEX maintenance_log_printer ON maintenance_log(printer_id, at);
CREATE TABLE policy_trials (
    id TEXT PRIMARY KEY,
    changes TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    result TEXT NOT NULL DEFAULT '[]',
    error TEXT NOT NULL DEFAULT '',
    actor TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
