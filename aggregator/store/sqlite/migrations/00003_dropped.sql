-- +goose Up
-- Segments whose leaves were dropped keep their place, note and receipt.
CREATE INDEX segments_dropped ON segments (log, first) WHERE kind = 'dropped';

-- +goose Down
DROP INDEX segments_dropped;
