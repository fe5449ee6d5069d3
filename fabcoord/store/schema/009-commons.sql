-- What a design was made from, with the licence that it had then: licences once given stay given.
CREATE TABLE design_sources (
    design_id TEXT NOT NULL REFERENCES designs(id),
    position INTEGER NOT NULL,
    parent_id TEXT,
    title TEXT NOT NULL,
    author TEXT NOT NULL DEFAULT '',
    licence TEXT NOT NULL,
    url TEXT NOT NULL DEFAULT '',
    sha256 TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (design_id, position)
) STRICT;
INSERT INTO design_sources (design_id, position, parent_id, title, author, licence)
SELECT child.id, 0, parent.id, parent.title,
    coalesce(nullif(parent.attribution, ''), members.name), parent.licence
FROM designs AS child JOIN designs AS parent ON parent.id = child.forked_from
JOIN members ON members.id = parent.owner_id;
-- Open Know-How manifests as they came, with all that a design has no place for.
CREATE TABLE design_manifests (
    design_id TEXT NOT NULL REFERENCES designs(id),
    version TEXT NOT NULL,
    fields TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (design_id, version)
) STRICT;
-- Where the files of a bundle lay in it, those included that no printer takes: pictures, texts.
CREATE TABLE bundle_files (
    design_id TEXT NOT NULL REFERENCES designs(id),
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (design_id, path)
) STRICT;
CREATE INDEX bundle_files_content ON bundle_files(sha256);
