CREATE TABLE spools (
    id TEXT PRIMARY KEY,
    material TEXT NOT NULL,
    colour TEXT NOT NULL DEFAULT '',
    diameter_mm REAL NOT NULL DEFAULT 1.75,
    vendor TEXT NOT NULL DEFAULT '',
    location TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    initial_mg INTEGER NOT NULL CHECK (initial_mg > 0),
    -- used in other ways than by our attempts; negative when more is there than was thought
    adjusted_mg INTEGER NOT NULL DEFAULT 0,
    empty_mg INTEGER,
    low_mg INTEGER NOT NULL DEFAULT 100000,
    price_minor INTEGER CHECK (price_minor >= 0),
    opened_on TEXT, dried_on TEXT,
    printer_id TEXT UNIQUE REFERENCES printers(id),
    spoolman_id INTEGER UNIQUE,
    version INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    archived_at TEXT
) STRICT;
-- What an attempt took from a spool. A further part begins where the spool was changed.
CREATE TABLE spool_uses (
    attempt_id TEXT NOT NULL REFERENCES attempts(id),
    part INTEGER NOT NULL,
    spool_id TEXT NOT NULL REFERENCES spools(id),
    copy_mg INTEGER NOT NULL,
    from_progress REAL NOT NULL,
    mass_mg INTEGER,
    wasted INTEGER NOT NULL DEFAULT 0,
    started_at TEXT NOT NULL,
    settled_at TEXT,
    -- how far Spoolman knows of it: '' (not its spool), pending, sending, done, doubt, refused
    report TEXT NOT NULL DEFAULT '',
    report_before_mg INTEGER,
    report_error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (attempt_id, part)
) STRICT;
CREATE INDEX spool_uses_spool ON spool_uses(spool_id);
CREATE UNIQUE INDEX spool_uses_open ON spool_uses(attempt_id) WHERE mass_mg IS NULL;
CREATE INDEX spool_uses_report ON spool_uses(report) WHERE report NOT IN ('', 'done');
