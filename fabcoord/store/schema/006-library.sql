-- What never changes: the revisions of a design, and the files in them.
ALTER TABLE revisions ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE revisions ADD COLUMN restored_from INTEGER;
CREATE INDEX revisions_content ON revisions(sha256) WHERE sha256 != '';
CREATE TRIGGER revisions_never_change BEFORE UPDATE ON revisions BEGIN
    SELECT raise(ABORT, 'a revision never changes');
END;
CREATE TRIGGER revisions_never_go BEFORE DELETE ON revisions BEGIN
    SELECT raise(ABORT, 'a revision never changes');
END;
CREATE TRIGGER files_never_change BEFORE UPDATE ON files BEGIN
    SELECT raise(ABORT, 'a revision never changes');
END;
CREATE TRIGGER files_never_go BEFORE DELETE ON files BEGIN
    SELECT raise(ABORT, 'a revision never changes');
END;

ALTER TABLE designs ADD COLUMN documentation TEXT NOT NULL DEFAULT '';
ALTER TABLE designs ADD COLUMN documentation_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE designs ADD COLUMN file_names TEXT NOT NULL DEFAULT '';
ALTER TABLE designs ADD COLUMN main_picture_id TEXT;
ALTER TABLE designs ADD COLUMN hidden_at TEXT;
ALTER TABLE designs ADD COLUMN hidden_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE designs ADD COLUMN purged_at TEXT;
CREATE INDEX designs_owner ON designs(owner_id);
CREATE TABLE documentation (
    design_id TEXT NOT NULL REFERENCES designs(id),
    version INTEGER NOT NULL,
    text TEXT NOT NULL,
    author_id TEXT NOT NULL REFERENCES members(id),
    note TEXT NOT NULL DEFAULT '',
    restored_from INTEGER,
    created_at TEXT NOT NULL,
    PRIMARY KEY (design_id, version)
) STRICT;

-- The index of words, now with documentation and file names, a title weighing most.
DROP TRIGGER designs_search_insert;
DROP TRIGGER designs_search_update;
DROP TABLE designs_search;
CREATE VIRTUAL TABLE designs_search USING fts5(
    title, tags, file_names, description, attribution, documentation, content='designs',
    content_rowid='number', tokenize='unicode61 remove_diacritics 2', prefix='2 3'
);
INSERT INTO designs_search(designs_search, rank) VALUES ('rank', 'bm25(10, 6, 3, 2, 2, 1)');
INSERT INTO designs_search(designs_search) VALUES ('rebuild');
CREATE TRIGGER designs_search_insert AFTER INSERT ON designs BEGIN
    INSERT INTO designs_search(rowid, title, tags, file_names, description, attribution, documentation)
    VALUES (new.number, new.title, new.tags, new.file_names, new.description, new.attribution, new.documentation);
END;
CREATE TRIGGER designs_search_update
AFTER UPDATE OF title, tags, file_names, description, attribution, documentation ON designs BEGIN
    INSERT INTO designs_search(designs_search, rowid, title, tags, file_names, description, attribution, documentation)
    VALUES ('delete', old.number, old.title, old.tags, old.file_names, old.description, old.attribution, old.documentation);
    INSERT INTO designs_search(rowid, title, tags, file_names, description, attribution, documentation)
    VALUES (new.number, new.title, new.tags, new.file_names, new.description, new.attribution, new.documentation);
END;

-- What a search can be narrowed by; kept by designs/facets.py.
CREATE TABLE facet_values (
    facet INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (kind, value)
) STRICT;
CREATE TABLE facets (
    number INTEGER NOT NULL,
    facet INTEGER NOT NULL,
    listed INTEGER NOT NULL,
    PRIMARY KEY (number, facet)
) STRICT, WITHOUT ROWID;
CREATE INDEX facets_value ON facets(facet, listed, number);
CREATE TABLE printed_materials (
    design_id TEXT NOT NULL REFERENCES designs(id),
    material TEXT NOT NULL,
    PRIMARY KEY (design_id, material)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO facet_values (kind, value) SELECT 'licence', licence FROM designs;
INSERT OR IGNORE INTO facet_values (kind, value) SELECT 'format', format FROM files;
INSERT OR IGNORE INTO facet_values (kind, value)
    SELECT 'tag', tag.value FROM designs, json_each(designs.tags) AS tag;
INSERT OR IGNORE INTO facets
    SELECT number, facet, visibility != 'private' FROM designs JOIN facet_values
    ON kind = 'licence' AND value = licence WHERE deleted_at IS NULL;
INSERT OR IGNORE INTO facets
    SELECT number, facet, visibility != 'private' FROM designs JOIN files ON design_id = designs.id
    JOIN facet_values ON kind = 'format' AND value = format WHERE deleted_at IS NULL
    AND revision = (SELECT max(revisions.number) FROM revisions WHERE design_id = designs.id);
INSERT OR IGNORE INTO facets
    SELECT number, facet, visibility != 'private' FROM designs, json_each(designs.tags) AS tag
    JOIN facet_values ON kind = 'tag' AND facet_values.value = tag.value WHERE deleted_at IS NULL;
CREATE INDEX runs_kind ON runs(kind, created_at);
