package mongostore

import (
	"net"
	"strconv"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/x/mongo/driver/connstring"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/tests/mongod"
)

// AllowSlowCalls gives calls more time: many tests share the server and the processors.
func AllowSlowCalls() { queryTimeout = 20 * time.Second }

// Environment returns what a store is built with: a database of the server for tests.
func Environment(t testing.TB, database string) provider.Environment {
	t.Helper()
	e, err := EnvironmentAt(mongod.URI(t), database)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// EnvironmentAt is Environment for a server with a URI.
func EnvironmentAt(uri, database string) (provider.Environment, error) {
	server, err := connstring.ParseAndValidate(uri)
	if err != nil {
		return provider.Environment{}, err
	}
	d := setting.StandardDatabase("mongodb", 27017)
	d.Host = server.Hosts[0]
	if host, port, err := net.SplitHostPort(d.Host); err == nil {
		d.Host = host
		if d.Port, err = strconv.Atoi(port); err != nil {
			return provider.Environment{}, err
		}
	}
	d.Database, d.Username, d.Password = database, server.Username, setting.NewSecret(server.Password)
	d.SSL, d.Pool = false, setting.Pool{Max: 100}
	return provider.Environment{Settings: d, Clock: clock.System{}, IDs: ids.UUIDs{}}, nil
}
