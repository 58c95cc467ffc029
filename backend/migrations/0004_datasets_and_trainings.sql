-- Pictures to learn from, datasets of them, and trainings; jobs that give their device back, or rest.
-- One text for SQLite and PostgreSQL.

-- One kind of picture more; SQLite cannot change a check, so the table is made anew.
CREATE TABLE images_to_learn_from (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL CHECK (kind IN ('made', 'upload', 'mask', 'reference', 'upscale', 'grid', 'again')),
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
    enlargement TEXT,                   -- how it was made larger, as JSON; its record is that of the original
    UNIQUE (job_id, place)              -- a job completes once
);
INSERT INTO images_to_learn_from (id, owner_id, kind, generation_id, upscale_id, grid_id, job_id, place, sha256, size_bytes,
    width, height, record, imported, words, duration_ms, starred, folder_id, created_at_ms, deleted_at_ms, enlargement)
SELECT id, owner_id, kind, generation_id, upscale_id, grid_id, job_id, place, sha256, size_bytes,
    width, height, record, imported, words, duration_ms, starred, folder_id, created_at_ms, deleted_at_ms, enlargement
FROM images;
DROP TABLE images;
ALTER TABLE images_to_learn_from RENAME TO images;
CREATE INDEX images_of_owner ON images (owner_id, id);
CREATE INDEX images_of_generation ON images (generation_id);
CREATE INDEX images_of_folder ON images (folder_id);
CREATE INDEX images_by_file ON images (sha256);
CREATE INDEX images_in_trash ON images (deleted_at_ms);

CREATE TABLE datasets (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    trigger_word TEXT,
    findings TEXT NOT NULL,             -- what was found when an archive was read, a JSON list
    analysis TEXT,                      -- what its pictures show together, as JSON
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX datasets_of_owner ON datasets (owner_id, id);

CREATE TABLE dataset_pictures (
    dataset_id TEXT NOT NULL REFERENCES datasets (id),
    image_id TEXT NOT NULL REFERENCES images (id),
    place BIGINT NOT NULL,              -- its number among the pictures of its dataset
    name TEXT NOT NULL,                 -- of the file that it came from
    caption TEXT NOT NULL,
    held_out BIGINT NOT NULL,
    analysis TEXT,                      -- what it shows, as JSON
    PRIMARY KEY (dataset_id, image_id)
);
CREATE INDEX dataset_pictures_of_image ON dataset_pictures (image_id);

CREATE TABLE trainings (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    dataset_id TEXT NOT NULL,           -- it may be gone by now
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    parameters TEXT NOT NULL,           -- the request as JSON, with all that was chosen
    recipe TEXT NOT NULL,               -- what else decides the result, as it was when it was accepted, as JSON
    preflight TEXT NOT NULL,            -- what was found then, as JSON
    lora TEXT,                          -- the LoRA's name, once it is finished
    step_ms DOUBLE PRECISION,           -- how long a step took when it last ran
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX trainings_of_owner ON trainings (owner_id, id);
CREATE INDEX trainings_of_dataset ON trainings (dataset_id);

-- Files of pictures as they were when work on them was accepted: they stay as long as the work does.
CREATE TABLE held_pictures (
    holder_id TEXT NOT NULL,            -- the training or competition
    role TEXT NOT NULL,                 -- reference, class, held_out
    place BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    caption TEXT,
    PRIMARY KEY (holder_id, role, place)
);
CREATE INDEX held_pictures_by_file ON held_pictures (sha256);

ALTER TABLE jobs ADD COLUMN paused BIGINT NOT NULL DEFAULT 0; -- it rests until its owner lets it go on
ALTER TABLE jobs ADD COLUMN yielded_at_ms BIGINT; -- when it last gave its device to those who waited: it stands behind them
