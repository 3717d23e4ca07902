-- +goose Up
-- parent is kind|id of the record that this one is a child of.
ALTER TABLE patchbay_record ADD COLUMN parent text COLLATE "C";
CREATE INDEX patchbay_record_parent ON patchbay_record (tenant, parent) WHERE parent IS NOT NULL;
CREATE INDEX patchbay_person_traces ON patchbay_person (created) WHERE idem IS NOT NULL OR deleted;

-- +goose Down
DROP INDEX patchbay_person_traces;
DROP INDEX patchbay_record_parent;
ALTER TABLE patchbay_record DROP COLUMN parent;
