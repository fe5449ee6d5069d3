CREATE TABLE collections (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    owner_id TEXT NOT NULL REFERENCES members(id),
    visibility TEXT NOT NULL DEFAULT 'lab',
    hidden_at TEXT, hidden_reason TEXT NOT NULL DEFAULT '',
    version INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL, deleted_at TEXT
) STRICT;
CREATE TABLE collection_items (
    collection_id TEXT NOT NULL REFERENCES collections(id),
    design_id TEXT NOT NULL REFERENCES designs(id),
    position INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (collection_id, design_id)
) STRICT;
CREATE INDEX collection_items_design ON collection_items(design_id);
CREATE TABLE pictures (
    id TEXT PRIMARY KEY,
    design_id TEXT NOT NULL REFERENCES designs(id),
    make_id TEXT,
    name TEXT NOT NULL,
    caption TEXT NOT NULL DEFAULT '',
    author_id TEXT NOT NULL REFERENCES members(id),
    state TEXT NOT NULL DEFAULT 'pending',
    reason TEXT NOT NULL DEFAULT '',
    upload_sha256 TEXT,
    sha256 TEXT, small_sha256 TEXT,
    format TEXT NOT NULL DEFAULT '',
    width INTEGER, height INTEGER,
    hidden_at TEXT, hidden_reason TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL, deleted_at TEXT
) STRICT;
CREATE INDEX pictures_design ON pictures(design_id);
CREATE TABLE comments (
    id TEXT PRIMARY KEY,
    design_id TEXT NOT NULL REFERENCES designs(id),
    parent_id TEXT REFERENCES comments(id),
    author_id TEXT NOT NULL REFERENCES members(id),
    text TEXT NOT NULL,
    hidden_at TEXT, hidden_reason TEXT NOT NULL DEFAULT '',
    version INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL, edited_at TEXT, deleted_at TEXT
) STRICT;
CREATE INDEX comments_design ON comments(design_id, created_at);
CREATE TABLE likes (
    design_id TEXT NOT NULL REFERENCES designs(id),
    member_id TEXT NOT NULL REFERENCES members(id),
    created_at TEXT NOT NULL,
    PRIMARY KEY (design_id, member_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE makes (
    id TEXT PRIMARY KEY,
    design_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    file_id TEXT REFERENCES files(id),
    job_id TEXT,
    member_id TEXT NOT NULL REFERENCES members(id),
    machine TEXT NOT NULL,
    material TEXT NOT NULL DEFAULT '',
    quality TEXT NOT NULL DEFAULT '',
    nozzle_mm REAL, layer_mm REAL,
    duration_s REAL, mass_g REAL,
    outcome TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    hidden_at TEXT, hidden_reason TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL, deleted_at TEXT,
    FOREIGN KEY (design_id, revision) REFERENCES revisions(design_id, number)
) STRICT;
CREATE INDEX makes_design ON makes(design_id, revision);
CREATE UNIQUE INDEX makes_job ON makes(job_id) WHERE job_id IS NOT NULL AND deleted_at IS NULL;
CREATE TABLE reports (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    design_id TEXT,
    member_id TEXT NOT NULL REFERENCES members(id),
    reason TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    settled_by TEXT, settled_at TEXT,
    answer TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX reports_open ON reports(created_at) WHERE state = 'open';
CREATE UNIQUE INDEX reports_once ON reports(kind, subject_id, member_id) WHERE state = 'open';
