-- Uploads that arrive in pieces. "arrived" is how many bytes are on the disk for certain; what
-- the file holds beyond that is dropped when the upload goes on.
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    member_id TEXT NOT NULL REFERENCES members(id),
    name TEXT NOT NULL DEFAULT '',
    metadata TEXT NOT NULL DEFAULT '',
    size INTEGER,
    arrived INTEGER NOT NULL DEFAULT 0,
    announced_sha256 TEXT,
    sha256 TEXT,
    is_duplicate INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_at TEXT
) STRICT;
CREATE INDEX uploads_member ON uploads(member_id, created_at);
CREATE INDEX uploads_expiry ON uploads(expires_at);
