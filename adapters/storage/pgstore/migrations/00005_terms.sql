-- +goose Up
-- Each term of a record is a row of its own, in the order of a list. A change of a record writes all
-- of its indexes anew, and so terms in an index of patchbay_record would be written with each. The
-- triggers keep these rows, whichever statement writes a record; a change that leaves terms and
-- created as they are calls no function.
ALTER TABLE patchbay_record ADD COLUMN terms text; -- a JSON array, NULL for none

CREATE TABLE patchbay_term (
  of_kind    text   COLLATE "C" NOT NULL,
  of_tenant  text   COLLATE "C" NOT NULL,
  term       text   COLLATE "C" NOT NULL,
  of_created bigint NOT NULL,
  of_id      text   COLLATE "C" NOT NULL,
  PRIMARY KEY (of_kind, of_tenant, term, of_created, of_id)
);

-- +goose StatementBegin
CREATE FUNCTION patchbay_keep_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' AND OLD.terms IS NOT NULL THEN
    DELETE FROM patchbay_term WHERE of_kind = OLD.kind AND of_tenant = OLD.tenant
      AND term = ANY (ARRAY(SELECT jsonb_array_elements_text(OLD.terms::jsonb))) AND of_created = OLD.created AND of_id = OLD.id;
  END IF;
  IF TG_OP <> 'DELETE' AND NEW.terms IS NOT NULL THEN
    INSERT INTO patchbay_term (of_kind, of_tenant, term, of_created, of_id)
      SELECT NEW.kind, NEW.tenant, one, NEW.created, NEW.id FROM jsonb_array_elements_text(NEW.terms::jsonb) AS one
      ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER patchbay_term_insert AFTER INSERT ON patchbay_record FOR EACH ROW
  WHEN (NEW.terms IS NOT NULL) EXECUTE FUNCTION patchbay_keep_terms();
CREATE TRIGGER patchbay_term_update AFTER UPDATE OF terms, created ON patchbay_record FOR EACH ROW
  WHEN (NEW.terms IS DISTINCT FROM OLD.terms OR NEW.created <> OLD.created AND NEW.terms IS NOT NULL) EXECUTE FUNCTION patchbay_keep_terms();
CREATE TRIGGER patchbay_term_delete AFTER DELETE ON patchbay_record FOR EACH ROW
  WHEN (OLD.terms IS NOT NULL) EXECUTE FUNCTION patchbay_keep_terms();
