-- Meshes that are asked for from a source: OpenSCAD with chosen parameters, one plate of a project.
CREATE TABLE renders (
    id TEXT PRIMARY KEY,
    file_id TEXT NOT NULL REFERENCES files(id),
    asked_by TEXT NOT NULL REFERENCES members(id),
    choice TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    reason TEXT NOT NULL DEFAULT '',
    made_file_id TEXT REFERENCES files(id),
    created_at TEXT NOT NULL,
    ended_at TEXT
) STRICT;
CREATE INDEX renders_file ON renders(file_id, created_at);
