-- Gives the tables of an earlier version, which had names that another program may
-- have as well, names of our own. Gateways of that version which still run find them
-- under the old names, as views. Run in one transaction, where all of the tables are
-- there (adopt.go).
DO $$
DECLARE
  old   text;
  own   text;
  space text;
  index record;
BEGIN
  FOREACH old IN ARRAY ARRAY['record', 'told', 'feed', 'person', 'ping', 'goose_db_version'] LOOP
    own := CASE old WHEN 'goose_db_version' THEN 'patchbay_migrations' ELSE 'patchbay_' || old END;
    SELECT n.nspname INTO space FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(old);
    FOR index IN
      SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass(old)
    LOOP
      EXECUTE format('ALTER INDEX %I.%I RENAME TO %I', space, index.relname, own || substr(index.relname, length(old) + 1));
    END LOOP;
    EXECUTE format('ALTER TABLE %I.%I RENAME TO %I', space, old, own);
    IF old <> 'goose_db_version' THEN
      EXECUTE format('CREATE VIEW %I.%I AS SELECT * FROM %I.%I', space, old, space, own);
    END IF;
  END LOOP;
END $$
