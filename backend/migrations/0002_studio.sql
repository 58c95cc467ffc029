-- Several pictures per job, pictures that no generation made, folders, stars, larger copies, grids, and the trash's end.
-- One text for SQLite and PostgreSQL.

CREATE TABLE folders (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    UNIQUE (owner_id, name)
);

CREATE TABLE upscales (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    parameters TEXT NOT NULL,           -- the request as JSON, with the upscaler that was chosen
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX upscales_of_owner ON upscales (owner_id, id);

CREATE TABLE grids (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    parameters TEXT NOT NULL,           -- the request as JSON, with the model and the seed that were chosen
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX grids_of_owner ON grids (owner_id, id);

ALTER TABLE generations ADD COLUMN reproduces TEXT; -- the picture that it makes again; it may be gone by now
CREATE INDEX generations_by_original ON generations (reproduces);

-- A picture comes from a job or from its owner; SQLite cannot loosen a column, so the table is made anew.
CREATE TABLE images_of_all_kinds (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL CHECK (kind IN ('made', 'upload', 'mask', 'upscale', 'grid', 'again')),
    generation_id TEXT REFERENCES generations (id),
    upscale_id TEXT REFERENCES upscales (id),
    grid_id TEXT REFERENCES grids (id),
    job_id TEXT REFERENCES jobs (id),
    place BIGINT NOT NULL,              -- its number among the pictures of its job
    sha256 TEXT NOT NULL,               -- the name of its file
    size_bytes BIGINT NOT NULL,
    width BIGINT NOT NULL,              -- 0 in rows from before, until the server has read their records
    height BIGINT NOT NULL,
    record TEXT,                        -- how it was made here, as JSON
    imported TEXT,                      -- what its file says about its making elsewhere, as JSON
    words TEXT NOT NULL,                -- what a search looks in, in small letters
    duration_ms BIGINT NOT NULL,
    starred BIGINT NOT NULL,
    folder_id TEXT REFERENCES folders (id),
    created_at_ms BIGINT NOT NULL,
    deleted_at_ms BIGINT,               -- in the trash since
    UNIQUE (job_id, place)              -- a job completes once
);
INSERT INTO images_of_all_kinds (id, owner_id, kind, generation_id, job_id, place, sha256, size_bytes, width, height,
    record, words, duration_ms, starred, created_at_ms, deleted_at_ms)
SELECT id, owner_id, 'made', generation_id, job_id, 0, sha256, size_bytes, 0, 0,
    record, '', duration_ms, 0, created_at_ms, deleted_at_ms
FROM images;
DROP TABLE images;
ALTER TABLE images_of_all_kinds RENAME TO images;
CREATE INDEX images_of_owner ON images (owner_id, id);
CREATE INDEX images_of_generation ON images (generation_id);
CREATE INDEX images_of_folder ON images (folder_id);
CREATE INDEX images_by_file ON images (sha256);
CREATE INDEX images_in_trash ON images (deleted_at_ms);

-- Files that no picture may need any more. They are looked at again after a while, and removed if that is so.
CREATE TABLE doomed_files (
    sha256 TEXT NOT NULL PRIMARY KEY,
    since_ms BIGINT NOT NULL
);

-- Hashes of weight files, which take long to compute.
CREATE TABLE weight_hashes (
    stamp TEXT NOT NULL PRIMARY KEY,    -- paths, sizes and times of change, hashed
    sha256 TEXT NOT NULL
);
