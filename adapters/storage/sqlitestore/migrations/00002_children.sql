-- +goose Up
-- parent is kind|id of the record that this one is a child of.
ALTER TABLE record ADD COLUMN parent TEXT;
CREATE INDEX record_parent ON record (tenant, parent) WHERE parent IS NOT NULL;
CREATE INDEX user_traces ON user (created) WHERE idem IS NOT NULL OR deleted = 1;

-- +goose Down
DROP INDEX user_traces;
DROP INDEX record_parent;
ALTER TABLE record DROP COLUMN parent;
