-- +goose Up
-- content is what lists leave out of a record.
ALTER TABLE record ADD COLUMN content bytea;

-- +goose Down
ALTER TABLE record DROP COLUMN content;
