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
