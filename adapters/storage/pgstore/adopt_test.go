package pgstore_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/storage/pgstore"
	"patchbay/core/fault"
	"patchbay/tests/adopted"
	"patchbay/tests/postgres"
)

// version4 creates a database as the last program with several migrations has left it, and then
// executes further statements.
func version4(t *testing.T, s *postgres.Server, more ...string) (database string) {
	t.Helper()
	raw, err := os.ReadFile("testdata/version4.sql")
	if err != nil {
		t.Fatal(err)
	}
	database = s.Database(t)
	c := s.Connect(t, database).PgConn()
	for _, statement := range append([]string{string(raw)}, more...) {
		if err := c.Exec(t.Context(), statement).Close(); err != nil {
			t.Fatal(err)
		}
	}
	return database
}

func TestAStoreOfVersion4IsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	s := postgres.Shared(t)
	database := version4(t, s)
	store := open(t, s, database)
	adopted.Check(t, store, store.Users())
	open(t, s, database) // nothing is left to be migrated
	if got, want := relations(t, s, database), relations(t, s, freshDatabase(t, s)); !slices.Equal(got, want) {
		t.Errorf("tables, columns and indexes: got\n%q\nwant those of a new database\n%q", got, want)
	}
}

func TestAStoreOfAnotherVersionIsRefusedUnchanged(t *testing.T) {
	t.Parallel()
	unprefixed := []string{
		`DROP TABLE public.patchbay_migrations, public.patchbay_told, public.patchbay_feed, public.patchbay_person, public.patchbay_ping`,
		`ALTER TABLE public.patchbay_record RENAME TO record`,
	}
	for name, c := range map[string]struct {
		code, message string // message is a part of it
		changes       []string
	}{
		"version 3, with store_older": {"store_older", "86a7f45", []string{`DELETE FROM public.patchbay_migrations WHERE version_id = 4`}},
		"the first version, whose tables had other names, with store_older": {"store_older", "version 1,", append(unprefixed,
			`CREATE TABLE public.goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp)`,
			`INSERT INTO public.goose_db_version (version_id, is_applied) VALUES (0, true), (1, true)`)},
		"the second version, whose tables had other names, with store_older": {"store_older", "version 2,", append(unprefixed,
			`CREATE TABLE public.goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp)`,
			`INSERT INTO public.goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), (2, true)`)},
		"a version without a table of versions, whose tables had other names, with store_older": {"store_older", "86a7f45", unprefixed},
		"no version, with store_foreign":         {"store_foreign", "another program", []string{`DROP TABLE public.patchbay_migrations`}},
		"no script executed, with store_foreign": {"store_foreign", "another program", []string{`DELETE FROM public.patchbay_migrations WHERE version_id > 0`}},
		"version 999, with store_newer": {"store_newer", "version 999", []string{
			`INSERT INTO public.patchbay_migrations (version_id, is_applied) VALUES (999, true)`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := postgres.Shared(t)
			database := version4(t, s, c.changes...)
			before := relations(t, s, database)
			_, err := pgstore.Open(t.Context(), environment(s.Port, database, clock.System{}))
			f := fault.From(err)
			if f.Kind != fault.Invalid || f.Code != c.code {
				t.Errorf("Open: error = %v, want kind %s, code %s", err, fault.Invalid, c.code)
			}
			if !strings.Contains(f.Message, c.message) {
				t.Errorf("message = %q, want %q in it", f.Message, c.message)
			}
			if after := relations(t, s, database); !slices.Equal(after, before) {
				t.Errorf("tables, columns and indexes: got\n%q\nwant as before\n%q", after, before)
			}
		})
	}
}

// Other programs may have anything in the schema.
func TestTablesOfOtherProgramsStayUnchanged(t *testing.T) {
	t.Parallel()
	for name, theirs := range map[string][]string{
		"a table of goose, at a version of theirs": {
			`CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp)`,
			`INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (20260101000000, true)`,
		},
		"a table of goose, at a version that we have": {
			`CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp)`,
			`INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), (2, true)`,
		},
		"tables of our earlier names": {
			`CREATE TABLE record (id int)`, `CREATE TABLE feed (id int)`, `CREATE TABLE person (id int)`, `CREATE TABLE told (id int)`,
			`CREATE TABLE ping (id int)`, `CREATE INDEX record_list ON record (id)`,
			`CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp)`,
		},
		"a view of the name": {`CREATE VIEW record AS SELECT 1 AS id`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := postgres.Shared(t)
			database := s.Database(t)
			for _, statement := range theirs {
				s.Exec(t, database, "%s", statement)
			}
			before := relations(t, s, database)
			journal := open(t, s, database)
			if err := journal.Save(t.Context(), thing("one"))[0]; err != nil {
				t.Fatal(err)
			}
			if _, err := journal.Get(t.Context(), "t", "thing", "none"); !fault.Is(err, fault.NotFound) {
				t.Errorf("Get of a record that does not exist: error = %v, want kind %s", err, fault.NotFound)
			}
			after := relations(t, s, database)
			for _, one := range before {
				if !slices.Contains(after, one) {
					t.Errorf("%s is missing, want it unchanged", one)
				}
			}
		})
	}
}

func freshDatabase(t *testing.T, s *postgres.Server) string {
	t.Helper()
	database := s.Database(t)
	open(t, s, database)
	return database
}

// relations lists the indexes of a schema, and the columns of its tables, whatever their order.
func relations(t *testing.T, s *postgres.Server, database string) []string {
	t.Helper()
	var all []string
	err := s.Connect(t, database).QueryRow(t.Context(), `SELECT array_agg(line ORDER BY line) FROM (
		SELECT pg_get_indexdef(c.oid) AS line FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'i'
		UNION ALL SELECT concat_ws(' ', relname, attname, format_type(atttypid, atttypmod), attcollation, attnotnull, attidentity) FROM pg_class c
		JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')) AS lines`).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
