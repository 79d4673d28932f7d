-- One generation of the read model; {g} is its number, {p} a prefix that is empty
-- for the one in use. n is (at in ms << 20 | running number): the words index is
-- then ordered by time and can be limited to a span of it.
CREATE TABLE {p}events (
    n            INTEGER PRIMARY KEY,
    log          INTEGER NOT NULL,
    idx          INTEGER NOT NULL,
    pos          INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    received     INTEGER NOT NULL,
    clock_offset INTEGER NOT NULL,
    id           TEXT NOT NULL,
    type         TEXT NOT NULL,
    class        TEXT NOT NULL,
    severity     INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 5),
    timestamp    INTEGER,
    collected    INTEGER,
    station      TEXT NOT NULL,
    equipment    TEXT,
    signal       TEXT,
    correlation  TEXT,
    user_id      TEXT,
    ip           TEXT,
    agent        TEXT NOT NULL,
    quarantined  INTEGER NOT NULL,
    leaf_hash    BLOB NOT NULL,
    problems     TEXT,
    leaf         BLOB NOT NULL,
    words        TEXT
);
CREATE INDEX g{g}_at ON {p}events (at, log, idx, severity);
CREATE INDEX g{g}_pos ON {p}events (pos, log, idx);
CREATE INDEX g{g}_station ON {p}events (station, at, log, idx);
CREATE INDEX g{g}_type ON {p}events (type, at, log, idx);
CREATE INDEX g{g}_severity ON {p}events (severity, at, log, idx);
CREATE INDEX g{g}_user ON {p}events (user_id, at, log, idx) WHERE user_id IS NOT NULL;
CREATE INDEX g{g}_correlation ON {p}events (correlation, at, log, idx) WHERE correlation IS NOT NULL;
CREATE INDEX g{g}_id ON {p}events (id);

CREATE VIRTUAL TABLE {p}words USING fts5(text, content='', contentless_delete=1, detail=none, tokenize="ascii tokenchars '_='");

CREATE TABLE {p}stations (
    station TEXT PRIMARY KEY,
    first   INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    events  INTEGER NOT NULL,
    agent   TEXT NOT NULL
) WITHOUT ROWID;
-- Events by station, hour (its start, microseconds) and severity.
CREATE TABLE {p}hours (
    hour     INTEGER NOT NULL,
    station  TEXT NOT NULL,
    severity INTEGER NOT NULL,
    events   INTEGER NOT NULL,
    PRIMARY KEY (hour, station, severity)
) WITHOUT ROWID;
CREATE TABLE {p}types (type TEXT PRIMARY KEY) WITHOUT ROWID;
-- The row that shows a copied leaf.
CREATE TABLE {p}copy_rows (
    log    INTEGER NOT NULL,
    idx    INTEGER NOT NULL,
    of_log INTEGER NOT NULL,
    of_idx INTEGER NOT NULL,
    PRIMARY KEY (log, idx)
) WITHOUT ROWID;
CREATE TABLE {p}refused (
    log    INTEGER NOT NULL,
    idx    INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (log, idx)
) WITHOUT ROWID;
-- The blind index: which events have a sealed field of this value. It goes with the
-- data key.
CREATE TABLE {p}blind (
    token TEXT NOT NULL,
    n     INTEGER NOT NULL,
    key   TEXT NOT NULL,
    PRIMARY KEY (token, n, key)
) WITHOUT ROWID;
CREATE INDEX g{g}_blind_key ON {p}blind (key);
