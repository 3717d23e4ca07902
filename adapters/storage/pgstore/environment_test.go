package pgstore_test

import (
	"os"
	"path/filepath"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/storage/pgstore"
	"patchbay/ports"
	"patchbay/tests/postgres"
)

func thing(id string) *ports.Record {
	return &ports.Record{Tenant: "t", Kind: "thing", ID: id, Body: []byte("body")}
}

// Variables and files of the account are for psql and other programs, not for the gateway.
func TestVariablesAndFilesOfPsqlAreNotRead(t *testing.T) {
	s := postgres.Shared(t)
	home := t.TempDir()
	for file, content := range map[string]string{
		".postgresql/postgresql.crt": "no certificate", ".postgresql/postgresql.key": "no key", ".postgresql/root.crt": "no authority",
		".pgpass": "*:*:*:*:wrong\n", ".pg_service.conf": "[other]\nhost=other.example\ntarget_session_attrs=standby\n",
	} {
		path := filepath.Join(home, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	variables := map[string]string{
		"PGSERVICE": "none", "PGSERVICEFILE": "/no/such/file", "PGPORT": "abc", "PGHOST": "other.example", "PGUSER": "other", "PGDATABASE": "other",
		"PGPASSWORD": "wrong", "PGPASSFILE": "/no/such/file", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/no/such/file", "PGSSLCERT": "/no/such/file",
		"PGSSLKEY": "/no/such/file", "PGSSLCERTMODE": "no such mode", "PGSSLNEGOTIATION": "direct", "PGTARGETSESSIONATTRS": "standby",
		"PGCONNECT_TIMEOUT": "soon", "PGOPTIONS": "-c default_transaction_read_only=on", "PGTZ": "Mars", "PGAPPNAME": "other",
		"PGREQUIREAUTH": "gss", "PGCHANNELBINDING": "require", "PGMINPROTOCOLVERSION": "9", "PGMAXPROTOCOLVERSION": "9",
	}
	databases := map[string]string{}
	for name := range variables {
		databases[name] = s.Database(t) // by a client that reads all of this
	}
	t.Setenv("HOME", home)
	for name, value := range variables {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			store, err := pgstore.Open(t.Context(), environment(s.Port, databases[name], clock.System{}))
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close() // returns nil always
			if err := store.Save(t.Context(), thing("one"))[0]; err != nil {
				t.Error(err)
			}
			if got := os.Getenv(name); got != value {
				t.Errorf("the variable after Open = %q, want %q", got, value)
			}
		})
	}
}

func TestTextsAreStoredAsUTF8WhateverTheDefaultEncodingIs(t *testing.T) {
	t.Parallel()
	for name, alter := range map[string]string{
		"default of the database": "ALTER DATABASE %s SET client_encoding TO 'LATIN1'",
		"default of the role":     "ALTER ROLE " + postgres.Username + " IN DATABASE %s SET client_encoding TO 'LATIN1'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := postgres.Shared(t)
			database := s.Database(t)
			s.Exec(t, "postgres", alter, database)
			store := open(t, s, database)
			r := thing("café €")
			r.Idem, r.Index.Status = "ключ", "é"
			if err := store.Save(t.Context(), r)[0]; err != nil {
				t.Fatal(err)
			}
			got, err := store.Get(t.Context(), r.Tenant, r.Kind, r.ID)
			if err != nil {
				t.Fatal(err)
			}
			for name, texts := range map[string][2]string{"ID": {got.ID, r.ID}, "Idem": {got.Idem, r.Idem}, "status": {got.Index.Status, r.Index.Status}} {
				if got, want := texts[0], texts[1]; got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			var stored string
			c := s.Connect(t, database)
			if _, err := c.Exec(t.Context(), "SET client_encoding TO 'UTF8'"); err != nil {
				t.Fatal(err)
			}
			if err := c.QueryRow(t.Context(), "SELECT id FROM patchbay_record").Scan(&stored); err != nil || stored != r.ID {
				t.Errorf("stored ID = %q, %v, want %q", stored, err, r.ID)
			}
		})
	}
}
