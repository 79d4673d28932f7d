-- +goose Up
-- Whose data a wrapped key protects (it says so itself); keys that were destroyed.
ALTER TABLE wrapped_keys ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE wrapped_keys ADD COLUMN month TEXT NOT NULL DEFAULT '';
ALTER TABLE wrapped_keys ADD COLUMN recipient TEXT NOT NULL DEFAULT '';
CREATE INDEX wrapped_keys_subject ON wrapped_keys (subject, month);
CREATE TABLE destroyed_keys (
    id   TEXT PRIMARY KEY,
    list INTEGER NOT NULL,
    at   INTEGER NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE destroyed_keys;
DROP INDEX wrapped_keys_subject;
ALTER TABLE wrapped_keys DROP COLUMN recipient;
ALTER TABLE wrapped_keys DROP COLUMN month;
ALTER TABLE wrapped_keys DROP COLUMN subject;
