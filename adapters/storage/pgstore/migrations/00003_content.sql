-- +goose Up
-- content is what lists leave out of a record.
ALTER TABLE patchbay_record ADD COLUMN content bytea;

-- +goose Down
ALTER TABLE patchbay_record DROP COLUMN content;
