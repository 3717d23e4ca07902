-- +goose Up
-- Each term of a record is a row of its own, in the order of a list. The triggers keep these rows,
-- whichever statement writes a record. A change that leaves terms and created as they are writes none.
ALTER TABLE record ADD COLUMN terms TEXT; -- a JSON array, NULL for none

CREATE TABLE term (
  of_kind    TEXT    NOT NULL,
  of_tenant  TEXT    NOT NULL,
  term       TEXT    NOT NULL,
  of_created INTEGER NOT NULL,
  of_id      TEXT    NOT NULL,
  PRIMARY KEY (of_kind, of_tenant, term, of_created, of_id)
) WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER record_term_insert AFTER INSERT ON record WHEN new.terms IS NOT NULL BEGIN
  INSERT OR IGNORE INTO term SELECT new.kind, new.tenant, value, new.created, new.id FROM json_each(new.terms);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER record_term_update AFTER UPDATE OF terms, created ON record
WHEN new.terms IS NOT old.terms OR new.created <> old.created AND new.terms IS NOT NULL BEGIN
  DELETE FROM term WHERE of_kind = old.kind AND of_tenant = old.tenant
    AND term IN (SELECT value FROM json_each(old.terms)) AND of_created = old.created AND of_id = old.id;
  INSERT OR IGNORE INTO term SELECT new.kind, new.tenant, value, new.created, new.id FROM json_each(new.terms);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER record_term_delete AFTER DELETE ON record WHEN old.terms IS NOT NULL BEGIN
  DELETE FROM term WHERE of_kind = old.kind AND of_tenant = old.tenant
    AND term IN (SELECT value FROM json_each(old.terms)) AND of_created = old.created AND of_id = old.id;
END;
-- +goose StatementEnd
