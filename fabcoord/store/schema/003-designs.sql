CREATE TABLE designs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    owner_id TEXT NOT NULL REFERENCES members(id),
    licence TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '[]',
    attribution TEXT NOT NULL DEFAULT '',
    forked_from TEXT,
    visibility TEXT NOT NULL DEFAULT 'lab',
    version INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    deleted_at TEXT
) STRICT;
CREATE TABLE revisions (
    design_id TEXT NOT NULL REFERENCES designs(id),
    number INTEGER NOT NULL,
    author_id TEXT NOT NULL REFERENCES members(id),
    note TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL,
    PRIMARY KEY (design_id, number)
) STRICT;
CREATE TABLE files (
    id TEXT PRIMARY KEY,
    design_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    format TEXT NOT NULL,
    derived_from TEXT,
    created_at TEXT NOT NULL,
    FOREIGN KEY (design_id, revision) REFERENCES revisions(design_id, number)
) STRICT;
CREATE INDEX files_revision ON files(design_id, revision);
CREATE INDEX files_content ON files(sha256, format);
CREATE TABLE checks (
    sha256 TEXT NOT NULL,
    format TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    report TEXT NOT NULL DEFAULT '{}',
    mesh_sha256 TEXT,
    light_sha256 TEXT,
    preview_sha256 TEXT,
    check_version INTEGER NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (sha256, format)
) STRICT;
CREATE VIRTUAL TABLE designs_search USING fts5(
    title, description, tags, attribution, content='designs',
    content_rowid='number',
    tokenize='unicode61 remove_diacritics 2', prefix='2 3'
);
CREATE TRIGGER designs_search_insert AFTER INSERT ON designs BEGIN
    INSERT INTO designs_search(rowid, title, description, tags, attribution)
    VALUES (new.number, new.title, new.description, new.tags, new.attribution);
END;
CREATE TRIGGER designs_search_update AFTER UPDATE ON designs BEGIN
    INSERT INTO designs_search(designs_search, rowid, title, description, tags, attribution)
    VALUES ('delete', old.number, old.title, old.description, old.tags, old.attribution);
    INSERT INTO designs_search(rowid, title, description, tags, attribution)
    VALUES (new.number, new.title, new.description, new.tags, new.attribution);
END;
