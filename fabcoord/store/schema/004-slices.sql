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
