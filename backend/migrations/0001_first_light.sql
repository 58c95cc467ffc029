-- People, sessions, the queue, generations and their pictures, and progress in lessons.
-- One text for SQLite and PostgreSQL: identifiers are TEXT, times are BIGINT milliseconds since 1970 UTC.

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,                -- a JSON list
    created_at_ms BIGINT NOT NULL
);

CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    data TEXT NOT NULL,                 -- a JSON object
    expires_at_ms BIGINT NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at_ms);

CREATE TABLE generations (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    parameters TEXT NOT NULL,           -- the request as JSON, with the model and the seed that were chosen
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX generations_of_owner ON generations (owner_id, id);

CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL,
    subject_id TEXT NOT NULL UNIQUE,    -- the generation
    model TEXT NOT NULL,                -- a device that has it loaded may take this job first
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    attempts BIGINT NOT NULL DEFAULT 0,
    bypassed BIGINT NOT NULL DEFAULT 0, -- how often another job went first for its loaded model
    lease_token BIGINT NOT NULL DEFAULT 0,
    lease_expires_at_ms BIGINT,
    worker TEXT,
    cancel_requested BIGINT NOT NULL DEFAULT 0,
    phase TEXT,
    step BIGINT NOT NULL DEFAULT 0,
    total_steps BIGINT NOT NULL DEFAULT 0,
    losses BIGINT NOT NULL DEFAULT 0,   -- attempts that ended with the loss of their worker
    lost_place TEXT,                    -- how far the last lost attempt was
    lost_there BIGINT NOT NULL DEFAULT 0, -- how many attempts in a row were lost at that place
    seq BIGINT NOT NULL DEFAULT 0,      -- number of the last event that is known to be covered
    result_id TEXT,                     -- the picture
    error TEXT,                         -- why it failed, as JSON
    created_at_ms BIGINT NOT NULL,
    started_at_ms BIGINT,
    finished_at_ms BIGINT
);
CREATE INDEX jobs_by_state ON jobs (state, created_at_ms, id);
CREATE INDEX jobs_of_owner ON jobs (owner_id, state);

-- Whose turn it is: the owner with the smallest number goes next.
CREATE TABLE queue_turns (
    owner_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id),
    turn BIGINT NOT NULL
);

CREATE TABLE images (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    generation_id TEXT NOT NULL REFERENCES generations (id),
    job_id TEXT NOT NULL UNIQUE REFERENCES jobs (id), -- a job completes once
    sha256 TEXT NOT NULL,               -- the name of its file
    size_bytes BIGINT NOT NULL,
    record TEXT NOT NULL,               -- how it was made, as JSON
    duration_ms BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    deleted_at_ms BIGINT                -- in the trash since
);
CREATE INDEX images_of_owner ON images (owner_id, id);
CREATE INDEX images_of_generation ON images (generation_id);

CREATE TABLE lesson_steps (
    owner_id TEXT NOT NULL REFERENCES users (id),
    lesson TEXT NOT NULL,
    step TEXT NOT NULL,
    done_at_ms BIGINT NOT NULL,
    PRIMARY KEY (owner_id, lesson, step)
);
