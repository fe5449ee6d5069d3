CREATE TABLE previews (
    sha256 TEXT NOT NULL,
    format TEXT NOT NULL,
    kind TEXT NOT NULL,
    blob_sha256 TEXT NOT NULL,
    PRIMARY KEY (sha256, format, kind)
) STRICT;
