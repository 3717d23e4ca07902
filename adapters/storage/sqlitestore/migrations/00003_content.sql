-- +goose Up
-- content is what lists leave out of a record. It is the last column: what is before it
-- is read without it.
ALTER TABLE record ADD COLUMN content BLOB;

-- +goose Down
ALTER TABLE record DROP COLUMN content;
