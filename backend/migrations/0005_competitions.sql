-- Competitions, and the ballots of the blind vote.
-- One text for SQLite and PostgreSQL.

CREATE TABLE competitions (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    dataset_id TEXT NOT NULL,           -- it may be gone by now
    name TEXT NOT NULL,
    parameters TEXT NOT NULL,           -- the request as JSON, with all that was chosen
    trigger_word TEXT,                  -- of the dataset, as it was when the competition was accepted
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX competitions_of_owner ON competitions (owner_id, id);
CREATE INDEX competitions_of_dataset ON competitions (dataset_id);

-- Two pictures that a person was asked to choose from. Who drew them is known here alone.
CREATE TABLE ballots (
    id TEXT NOT NULL PRIMARY KEY,
    competition_id TEXT NOT NULL REFERENCES competitions (id),
    voter_id TEXT NOT NULL REFERENCES users (id),
    pair TEXT NOT NULL,                 -- what is asked, whichever side each picture is on
    prompt TEXT NOT NULL,
    left_contestant TEXT NOT NULL,
    left_file TEXT NOT NULL,            -- relative to the competition's folder
    right_contestant TEXT NOT NULL,
    right_file TEXT NOT NULL,
    choice TEXT CHECK (choice IN ('left', 'right', 'tie')), -- nothing: not voted yet
    created_at_ms BIGINT NOT NULL,
    voted_at_ms BIGINT,
    UNIQUE (competition_id, voter_id, pair) -- nobody is asked the same twice
);
CREATE INDEX ballots_of_competition ON ballots (competition_id, choice);
