-- A line moves money from one account to another, so that every entry balances by its form.
CREATE TABLE ledger_entries (
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    currency TEXT NOT NULL,
    at TEXT NOT NULL,
    member_id TEXT REFERENCES members(id),
    job_id TEXT REFERENCES jobs(id),
    attempt_id TEXT REFERENCES attempts(id),
    actor TEXT,
    note TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX ledger_entries_attempt ON ledger_entries(attempt_id) WHERE attempt_id IS NOT NULL;
CREATE INDEX ledger_entries_job ON ledger_entries(job_id) WHERE job_id IS NOT NULL;
CREATE TABLE ledger_lines (
    entry INTEGER NOT NULL REFERENCES ledger_entries(seq),
    line INTEGER NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL CHECK (target != source),
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (entry, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_lines_source ON ledger_lines(source, amount_minor);
CREATE INDEX ledger_lines_target ON ledger_lines(target, amount_minor);
CREATE TRIGGER ledger_entries_stay BEFORE UPDATE ON ledger_entries
BEGIN
    SELECT RAISE(ABORT, 'what is booked is not changed: book its reverse');
END;
CREATE TRIGGER ledger_entries_last BEFORE DELETE ON ledger_entries
BEGIN
    SELECT RAISE(ABORT, 'what is booked is not removed: book its reverse');
END;
CREATE TRIGGER ledger_lines_stay BEFORE UPDATE ON ledger_lines
BEGIN
    SELECT RAISE(ABORT, 'what is booked is not changed: book its reverse');
END;
CREATE TRIGGER ledger_lines_last BEFORE DELETE ON ledger_lines
BEGIN
    SELECT RAISE(ABORT, 'what is booked is not removed: book its reverse');
END;
CREATE TABLE charge_codes (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    title TEXT NOT NULL DEFAULT '',
    budget_minor INTEGER,
    members TEXT,
    created_at TEXT NOT NULL,
    closed_at TEXT
) STRICT, WITHOUT ROWID;
ALTER TABLE jobs ADD COLUMN quote TEXT NOT NULL DEFAULT '{}';
ALTER TABLE jobs ADD COLUMN quote_minor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN unpaid INTEGER NOT NULL DEFAULT 0;
