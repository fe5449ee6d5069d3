-- The counter of a printer's plug as it was last told.
CREATE TABLE plug_counters (
    printer_id TEXT PRIMARY KEY REFERENCES printers(id),
    counter_mwh INTEGER NOT NULL,
    power_w REAL,
    seen_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- What an attempt took; settled when it ended.
CREATE TABLE energy_uses (
    attempt_id TEXT PRIMARY KEY REFERENCES attempts(id),
    printer_id TEXT NOT NULL,
    job_id TEXT NOT NULL,
    member_id TEXT NOT NULL,
    design_id TEXT NOT NULL,
    counted INTEGER NOT NULL,
    counted_mwh INTEGER NOT NULL DEFAULT 0,
    energy_mwh INTEGER,
    method TEXT,
    wasted INTEGER NOT NULL DEFAULT 0,
    co2e_mg INTEGER,
    cost_minor INTEGER, currency TEXT,
    settled_at TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX energy_uses_settled ON energy_uses(settled_at);
