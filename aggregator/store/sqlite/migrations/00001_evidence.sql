-- +goose Up
-- Evidence and registry. Times are microseconds since 1970, UTC. The read model
-- is not here: it is made by readmodel.sql and can be made anew.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
-- pos numbers the commits; its upper bits are the epoch of the store (feed.go).
INSERT INTO meta (key, value) VALUES ('epoch', 1), ('pos', 281474976710656), ('row', 0), ('generation', 0);

CREATE TABLE logs (
    n           INTEGER PRIMARY KEY,
    log         TEXT NOT NULL UNIQUE,
    origin      TEXT NOT NULL UNIQUE,
    agent       TEXT NOT NULL,
    class       TEXT NOT NULL,
    size        INTEGER NOT NULL,
    frontier    BLOB NOT NULL,
    note        BLOB,
    receipt     BLOB,
    keys        TEXT NOT NULL,
    state       TEXT NOT NULL,
    predecessor TEXT NOT NULL,
    copies      INTEGER NOT NULL,
    registered  INTEGER,
    reason      TEXT NOT NULL
);

CREATE TABLE segments (
    log          INTEGER NOT NULL,
    first        INTEGER NOT NULL,
    count        INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    pos          INTEGER NOT NULL,
    received     INTEGER NOT NULL,
    clock_offset INTEGER NOT NULL,
    note         BLOB NOT NULL,
    receipt      BLOB NOT NULL,
    frame        BLOB NOT NULL,
    PRIMARY KEY (log, first)
);
CREATE INDEX segments_pos ON segments (pos, log, first);
CREATE INDEX segments_holes ON segments (log, first) WHERE kind = 'hole';

-- Complete tiles of 256 hashes, and the leaves behind them.
CREATE TABLE tiles (
    log    INTEGER NOT NULL,
    level  INTEGER NOT NULL,
    tile   INTEGER NOT NULL,
    root   BLOB NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (log, level, tile)
);
CREATE TABLE tails (
    log    INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (log, first)
) WITHOUT ROWID;

-- Which leaves are copies of another log's leaves.
CREATE TABLE copies (
    log       INTEGER NOT NULL,
    idx       INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    PRIMARY KEY (log, idx)
) WITHOUT ROWID;

CREATE TABLE wrapped_keys (
    id       TEXT PRIMARY KEY,
    blob     BLOB NOT NULL,
    log      INTEGER NOT NULL,
    received INTEGER NOT NULL
);
CREATE TABLE root_lists (
    log   TEXT NOT NULL,
    idx   INTEGER NOT NULL,
    lines BLOB NOT NULL,
    PRIMARY KEY (log, idx)
);

CREATE TABLE agents (id TEXT PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE agents_seen (id TEXT PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE tokens (hash TEXT PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE users (name TEXT PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE settings (key TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry INTEGER NOT NULL);
CREATE INDEX sessions_expiry ON sessions (expiry);

-- +goose Down
DROP TABLE sessions;
DROP TABLE settings;
DROP TABLE users;
DROP TABLE tokens;
DROP TABLE agents_seen;
DROP TABLE agents;
DROP TABLE root_lists;
DROP TABLE wrapped_keys;
DROP TABLE copies;
DROP TABLE tails;
DROP TABLE tiles;
DROP TABLE segments;
DROP TABLE logs;
DROP TABLE meta;
