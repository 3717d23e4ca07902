-- +goose Up
-- flag is what somebody may have to look after, NULL for most records, and flagged since
-- when. Both take no room in a row where there is nothing.
ALTER TABLE record ADD COLUMN flag TEXT;
ALTER TABLE record ADD COLUMN flagged INTEGER NOT NULL DEFAULT 0;
CREATE INDEX record_flag ON record (kind, flag, flagged) WHERE flag IS NOT NULL;

-- +goose Down
DROP INDEX record_flag;
ALTER TABLE record DROP COLUMN flagged;
ALTER TABLE record DROP COLUMN flag;
