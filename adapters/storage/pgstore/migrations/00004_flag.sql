-- +goose Up
-- flag is what somebody may have to look after, NULL for most records, and flagged since
-- when.
ALTER TABLE patchbay_record ADD COLUMN flag text COLLATE "C";
ALTER TABLE patchbay_record ADD COLUMN flagged bigint NOT NULL DEFAULT 0;
CREATE INDEX patchbay_record_flag ON patchbay_record (kind, flag, flagged) WHERE flag IS NOT NULL;

-- +goose Down
DROP INDEX patchbay_record_flag;
ALTER TABLE patchbay_record DROP COLUMN flagged;
ALTER TABLE patchbay_record DROP COLUMN flag;
