ALTER TABLE record ADD COLUMN parent text COLLATE "C";
CREATE INDEX record_parent ON record (tenant, parent) WHERE parent IS NOT NULL;
CREATE INDEX person_traces ON person (created) WHERE idem IS NOT NULL OR deleted;

