// Package stripemock provides Stripe's own mock server, stripe-mock, for tests. It checks requests
// against Stripe's description of its API and answers with samples; it is stateless. If it is not
// available, the test fails.
package stripemock

import (
	"strings"
	"sync"
	"testing"

	"patchbay/tests/program"
)

// URL returns the URL of the server. The server is built and started once, and ends with the test
// process.
func URL(t testing.TB) string {
	t.Helper()
	url, err := start()
	if err != nil {
		t.Fatalf("no stripe-mock for this test: %v", err)
	}
	return url
}

var start = sync.OnceValues(func() (string, error) {
	// Without an address for HTTPS it would listen on all interfaces.
	args := []string{"-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0"}
	return program.Start("stripemock/server", "github.com/stripe/stripe-mock", args, func(line string) (string, bool) {
		address, ok := strings.CutPrefix(line, "Listening for HTTP at address: ")
		return "http://" + address, ok
	})
})
