-- One generation of the read model; {g} is its number, {p} a prefix that is empty
-- for the one in use. Its partitions, one for each month of at, are made on demand.
CREATE TABLE {p}events (
    log          integer NOT NULL,
    idx          bigint NOT NULL,
    pos          bigint NOT NULL,
    at           timestamptz NOT NULL,
    received     timestamptz NOT NULL,
    clock_offset bigint NOT NULL,
    id           uuid NOT NULL,
    type         text NOT NULL,
    class        text NOT NULL,
    severity     smallint NOT NULL CHECK (severity BETWEEN 0 AND 5),
    timestamp    timestamptz,
    collected    timestamptz,
    station      text NOT NULL,
    equipment    text,
    signal       text,
    correlation  text,
    user_id      text,
    ip           inet,
    agent        text NOT NULL,
    quarantined  boolean NOT NULL,
    leaf_hash    bytea NOT NULL,
    problems     text,
    leaf         bytea NOT NULL,
    data         jsonb,
    context      jsonb,
    words        text NOT NULL
) PARTITION BY RANGE (at);
-- What is pending in a GIN index is read from end to end by each search in it: 1 MiB
-- is a millisecond or two.
ALTER TABLE ONLY {p}events ADD CONSTRAINT g{g}_key PRIMARY KEY (log, idx, at);
CREATE INDEX g{g}_at ON ONLY {p}events (at, log, idx) INCLUDE (severity);
CREATE INDEX g{g}_pos ON ONLY {p}events (pos, log, idx);
CREATE INDEX g{g}_station ON ONLY {p}events (station, at, log, idx);
CREATE INDEX g{g}_type ON ONLY {p}events (type, at, log, idx);
CREATE INDEX g{g}_severity ON ONLY {p}events (severity, at, log, idx);
CREATE INDEX g{g}_user ON ONLY {p}events (user_id, at, log, idx) WHERE user_id IS NOT NULL;
CREATE INDEX g{g}_correlation ON ONLY {p}events (correlation, at, log, idx) WHERE correlation IS NOT NULL;
CREATE INDEX g{g}_id ON ONLY {p}events (id);
CREATE INDEX g{g}_data ON ONLY {p}events USING gin (data jsonb_path_ops) WITH (gin_pending_list_limit = 1024);
CREATE INDEX g{g}_words ON ONLY {p}events USING gin (array_to_tsvector(string_to_array(words, ' '))) WITH (gin_pending_list_limit = 1024);

CREATE TABLE {p}stations (
    station text CONSTRAINT g{g}_stations PRIMARY KEY,
    first   timestamptz NOT NULL,
    last    timestamptz NOT NULL,
    events  bigint NOT NULL,
    agent   text NOT NULL
) WITH (fillfactor = 50);
-- Events by station, hour (its start) and severity.
CREATE TABLE {p}hours (
    hour     timestamptz NOT NULL,
    station  text NOT NULL,
    severity smallint NOT NULL,
    events   bigint NOT NULL,
    CONSTRAINT g{g}_hours PRIMARY KEY (hour, station, severity)
) WITH (fillfactor = 80);
CREATE TABLE {p}types (type text CONSTRAINT g{g}_types PRIMARY KEY);
-- The row that shows a copied leaf.
CREATE TABLE {p}copy_rows (
    log    integer NOT NULL,
    idx    bigint NOT NULL,
    of_log integer NOT NULL,
    of_idx bigint NOT NULL,
    CONSTRAINT g{g}_copy_rows PRIMARY KEY (log, idx)
);
CREATE TABLE {p}refused (
    log    integer NOT NULL,
    idx    bigint NOT NULL,
    reason text NOT NULL,
    CONSTRAINT g{g}_refused PRIMARY KEY (log, idx)
);
-- The blind index: which events have a sealed field of this value. It goes with the
-- data key.
CREATE TABLE {p}blind (
    token text NOT NULL,
    log   integer NOT NULL,
    idx   bigint NOT NULL,
    key   text NOT NULL,
    CONSTRAINT g{g}_blind PRIMARY KEY (token, log, idx, key)
);
CREATE INDEX g{g}_blind_key ON {p}blind (key);
