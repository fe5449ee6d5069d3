-- What every attempt came to, written once when it ends.
CREATE TABLE prints (
    attempt_id TEXT PRIMARY KEY REFERENCES attempts(id),
    job_id TEXT NOT NULL, design_id TEXT NOT NULL, member_id TEXT NOT NULL,
    printer_id TEXT NOT NULL, machine TEXT NOT NULL, material TEXT NOT NULL,
    outcome TEXT NOT NULL,
    cause TEXT NOT NULL DEFAULT '',
    day TEXT NOT NULL,
    estimate_s REAL, duration_s REAL NOT NULL, waited_s REAL, mass_g REAL NOT NULL,
    ended_at TEXT NOT NULL
) STRICT;
CREATE INDEX prints_ended ON prints(ended_at, attempt_id);
CREATE INDEX prints_member ON prints(member_id, ended_at);
CREATE INDEX prints_printer ON prints(printer_id, ended_at);
CREATE INDEX prints_job ON prints(job_id);
-- The same, added up: a year is answered from some thousand rows.
CREATE TABLE prints_daily (
    dimension TEXT NOT NULL, day TEXT NOT NULL, key TEXT NOT NULL, outcome TEXT NOT NULL,
    prints INTEGER NOT NULL, duration_s REAL NOT NULL, mass_g REAL NOT NULL,
    PRIMARY KEY (dimension, day, key, outcome)
) STRICT, WITHOUT ROWID;
CREATE TABLE printer_spans (
    printer_id TEXT PRIMARY KEY, state TEXT NOT NULL, since TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE printer_days (
    day TEXT NOT NULL, printer_id TEXT NOT NULL, state TEXT NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (day, printer_id, state)
) STRICT, WITHOUT ROWID;
-- Logarithms of what was measured, the newest of each scope, with their median.
CREATE TABLE learnt (
    what TEXT NOT NULL, scope TEXT NOT NULL,
    samples TEXT NOT NULL, middle REAL NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (what, scope)
) STRICT, WITHOUT ROWID;
ALTER TABLE attempts ADD COLUMN cause TEXT NOT NULL DEFAULT '';
INSERT INTO printer_spans SELECT id, state, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
    FROM printers WHERE deleted_at IS NULL;

-- What persons did stays; chatter goes after some days, by this list and by nothing else.
CREATE TABLE retention (kind TEXT PRIMARY KEY, keep_days INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO retention VALUES ('job.forecast', 7), ('file.pictured', 30), ('picture.ready', 30),
    ('printer.prompt', 90), ('agent.waiting', 30), ('slice.done', 90), ('garbage.collected', 365);
CREATE TRIGGER retention_fixed_insert BEFORE INSERT ON retention
    BEGIN SELECT RAISE(ABORT, 'what may be forgotten changes with a step of the schema only'); END;
CREATE TRIGGER retention_fixed_update BEFORE UPDATE ON retention
    BEGIN SELECT RAISE(ABORT, 'what may be forgotten changes with a step of the schema only'); END;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER events_stay BEFORE DELETE ON events
    WHEN old.actor IS NOT NULL OR NOT EXISTS (SELECT 1 FROM retention WHERE kind = old.kind
        AND old.at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || keep_days || ' days'))
    BEGIN SELECT RAISE(ABORT, 'events are never removed'); END;
CREATE INDEX events_kind ON events(kind, at) WHERE actor IS NULL;
CREATE INDEX events_acted ON events(seq) WHERE actor IS NOT NULL AND actor NOT LIKE 'agent:%';
CREATE INDEX events_actor ON events(actor, seq) WHERE actor IS NOT NULL;
CREATE VIEW audit AS SELECT * FROM events WHERE actor IS NOT NULL AND actor NOT LIKE 'agent:%';
