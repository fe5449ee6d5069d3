ALTER TABLE checks ADD COLUMN deep_state TEXT NOT NULL DEFAULT 'pending';
ALTER TABLE checks ADD COLUMN deep TEXT NOT NULL DEFAULT '{}';
INSERT INTO runs (id, kind, subject, priority, created_at, enqueued_at)
SELECT lower(hex(randomblob(8))), 'deep', sha256 || ':' || format, 0,
    strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ''
FROM checks WHERE mesh_sha256 IS NOT NULL;
CREATE TABLE repairs (
    id TEXT PRIMARY KEY,
    file_id TEXT NOT NULL REFERENCES files(id),
    design_id TEXT NOT NULL REFERENCES designs(id),
    member_id TEXT NOT NULL REFERENCES members(id),
    options TEXT NOT NULL,
    repair_version INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    revision INTEGER NOT NULL,
    result TEXT NOT NULL DEFAULT '{}',
    result_sha256 TEXT,
    result_size INTEGER,
    created_at TEXT NOT NULL,
    ended_at TEXT
) STRICT;
CREATE UNIQUE INDEX repairs_asked ON repairs(file_id, options, repair_version);
CREATE INDEX repairs_design ON repairs(design_id);
