CREATE TABLE policies (
    version INTEGER PRIMARY KEY,
    document TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    actor TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE groups (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    limits TEXT NOT NULL DEFAULT '{}',
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE group_members (
    group_id TEXT NOT NULL REFERENCES groups(id),
    member_id TEXT NOT NULL REFERENCES members(id),
    PRIMARY KEY (group_id, member_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_member ON group_members(member_id);
CREATE TABLE trainings (
    member_id TEXT NOT NULL REFERENCES members(id),
    machine TEXT NOT NULL,
    given_by TEXT NOT NULL,
    given_at TEXT NOT NULL,
    expires_at TEXT,
    PRIMARY KEY (member_id, machine)
) STRICT, WITHOUT ROWID;
ALTER TABLE members ADD COLUMN shares REAL NOT NULL DEFAULT 1.0;
ALTER TABLE jobs ADD COLUMN machines TEXT;
ALTER TABLE jobs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE jobs ADD COLUMN class TEXT NOT NULL DEFAULT 'normal';
ALTER TABLE jobs ADD COLUMN overnight INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN forecast_at TEXT;
ALTER TABLE printers ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
CREATE INDEX attempts_ended ON attempts(ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_waiting ON jobs(position) WHERE position IS NOT NULL;
