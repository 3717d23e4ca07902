// Package mongod provides a MongoDB for tests: the server that TEST_MONGODB_URI names, or FerretDB,
// which it builds and starts. If neither is available, the test fails.
package mongod

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"patchbay/tests/program"
)

// URI returns the URI of the server. The server is started once and ends with the test process.
func URI(t testing.TB) string {
	t.Helper()
	uri, err := start()
	if err != nil {
		t.Fatalf("no MongoDB for this test: %v", err)
	}
	return uri
}

var databases atomic.Int64

// Database returns the name of a database that no other test uses.
func Database() string { return fmt.Sprintf("test_%d_%d", os.Getpid(), databases.Add(1)) }

var start = sync.OnceValues(func() (string, error) {
	if uri := os.Getenv("TEST_MONGODB_URI"); uri != "" {
		return uri, nil
	}
	return program.Start("ferretdb", ".", nil, func(line string) (string, bool) { return line, true })
})
