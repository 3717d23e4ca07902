package gateway

import (
	"fmt"
	"net/url"
	"testing"

	"patchbay/tests/mongod"
	"patchbay/tests/postgres"
)

// OnPostgres returns the settings of a storage provider: a database on a PostgreSQL server.
func OnPostgres(s *postgres.Server, database string) string {
	return fmt.Sprintf("{type: postgres, host: 127.0.0.1, port: %d, database: %s, username: %s, ssl: false}", s.Port, database, postgres.Username)
}

// OnMongo returns the settings of a storage provider: an empty MongoDB database.
func OnMongo(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(mongod.URI(t))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("{type: mongo, host: %s, port: %s, database: %s, ssl: false}", u.Hostname(), u.Port(), mongod.Database())
}
