-- +goose Up
-- Whose data a wrapped key protects (it says so itself); keys that were destroyed.
ALTER TABLE wrapped_keys
    ADD COLUMN subject   text NOT NULL DEFAULT '',
    ADD COLUMN month     text NOT NULL DEFAULT '',
    ADD COLUMN recipient text NOT NULL DEFAULT '';
CREATE INDEX wrapped_keys_subject ON wrapped_keys (subject, month);
CREATE TABLE destroyed_keys (
    id   text PRIMARY KEY,
    list bigint NOT NULL,
    at   timestamptz NOT NULL
);

-- +goose Down
DROP TABLE destroyed_keys;
DROP INDEX wrapped_keys_subject;
ALTER TABLE wrapped_keys DROP COLUMN recipient, DROP COLUMN month, DROP COLUMN subject;
