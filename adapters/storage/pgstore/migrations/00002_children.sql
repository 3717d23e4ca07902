-- +goose Up
-- parent is kind|id of the record that this one is a child of.
ALTER TABLE record ADD COLUMN parent text COLLATE "C";
CREATE INDEX record_parent ON record (tenant, parent) WHERE parent IS NOT NULL;
CREATE INDEX person_traces ON person (created) WHERE idem IS NOT NULL OR deleted;

-- +goose Down
DROP INDEX person_traces;
DROP INDEX record_parent;
ALTER TABLE record DROP COLUMN parent;
