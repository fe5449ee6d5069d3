CREATE TABLE notice_targets (
    id TEXT PRIMARY KEY,
    member_id TEXT REFERENCES members(id),
    means TEXT NOT NULL,
    address TEXT NOT NULL,
    secret TEXT NOT NULL DEFAULT '',
    label TEXT NOT NULL DEFAULT '',
    kinds TEXT NOT NULL DEFAULT '[]',
    failures INTEGER NOT NULL DEFAULT 0,
    not_before TEXT NOT NULL DEFAULT '',
    created_by TEXT NOT NULL, created_at TEXT NOT NULL, deleted_at TEXT
) STRICT;
CREATE INDEX notice_targets_member ON notice_targets(member_id) WHERE deleted_at IS NULL;
CREATE TABLE notices (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    target_id TEXT NOT NULL REFERENCES notice_targets(id),
    kind TEXT NOT NULL, subject TEXT NOT NULL,
    title TEXT NOT NULL, body TEXT NOT NULL, path TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    delivery_id TEXT,
    tries INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL, ended_at TEXT
) STRICT;
CREATE INDEX notices_waiting ON notices(target_id, seq) WHERE state = 'waiting';
CREATE INDEX notices_target ON notices(target_id, seq);
CREATE INDEX notices_subject ON notices(subject, kind);
