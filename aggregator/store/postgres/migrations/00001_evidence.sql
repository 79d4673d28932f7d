-- +goose Up
-- Evidence and registry. The read model is not here: it is made by readmodel.sql
-- and can be made anew.
CREATE TABLE meta (
    key   text PRIMARY KEY,
    value bigint NOT NULL
);
INSERT INTO meta (key, value) VALUES ('epoch', 1), ('generation', 0);

CREATE TABLE logs (
    n           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    log         text NOT NULL UNIQUE,
    origin      text NOT NULL UNIQUE,
    agent       text NOT NULL,
    class       text NOT NULL,
    size        bigint NOT NULL,
    frontier    bytea NOT NULL,
    note        bytea,
    receipt     bytea,
    keys        text NOT NULL,
    state       text NOT NULL,
    predecessor text NOT NULL,
    copies      bigint NOT NULL,
    registered  timestamptz,
    reason      text NOT NULL
) WITH (fillfactor = 50);

-- pos is the place in the feed: the epoch of the store << 48 | transaction id.
CREATE TABLE segments (
    log          integer NOT NULL,
    first        bigint NOT NULL,
    count        bigint NOT NULL,
    kind         text NOT NULL,
    pos          bigint NOT NULL,
    received     timestamptz NOT NULL,
    clock_offset bigint NOT NULL,
    note         bytea NOT NULL,
    receipt      bytea NOT NULL,
    frame        bytea NOT NULL,
    PRIMARY KEY (log, first)
);
ALTER TABLE segments ALTER COLUMN frame SET STORAGE EXTERNAL;
CREATE INDEX segments_pos ON segments (pos, log, first);
CREATE INDEX segments_holes ON segments (log, first) WHERE kind = 'hole';

-- Complete tiles of 256 hashes, and the leaves behind them.
CREATE TABLE tiles (
    log    integer NOT NULL,
    level  smallint NOT NULL,
    tile   bigint NOT NULL,
    root   bytea NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (log, level, tile)
);
ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
CREATE TABLE tails (
    log    integer NOT NULL,
    first  bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (log, first)
);

-- Which leaves are copies of another log's leaves.
CREATE TABLE copies (
    log       integer NOT NULL,
    idx       bigint NOT NULL,
    leaf_hash bytea NOT NULL,
    PRIMARY KEY (log, idx)
);

CREATE TABLE wrapped_keys (
    id       text PRIMARY KEY,
    blob     bytea NOT NULL,
    log      integer NOT NULL,
    received timestamptz NOT NULL
);
CREATE TABLE root_lists (
    log   text NOT NULL,
    idx   bigint NOT NULL,
    lines bytea NOT NULL,
    PRIMARY KEY (log, idx)
);

CREATE TABLE agents (id text PRIMARY KEY, doc text NOT NULL);
CREATE TABLE agents_seen (id text PRIMARY KEY, doc text NOT NULL) WITH (fillfactor = 50);
CREATE TABLE tokens (hash text PRIMARY KEY, doc text NOT NULL);
CREATE TABLE users (name text PRIMARY KEY, doc text NOT NULL);
CREATE TABLE settings (key text PRIMARY KEY, value bytea NOT NULL);
CREATE TABLE sessions (token text PRIMARY KEY, data bytea NOT NULL, expiry timestamptz NOT NULL);
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
