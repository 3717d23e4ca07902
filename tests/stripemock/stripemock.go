// Package stripemock gives tests Stripe's own mock, stripe-mock: it holds requests
// against Stripe's description of its API, and answers with samples. It remembers
// nothing. A test without it fails.
package stripemock

import (
	"strings"
	"sync"
	"testing"

	"patchbay/tests/program"
)

// URL is where it answers. It is built and started once, and ends with the test
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
	// Without an address for HTTPS it would listen for that everywhere.
	args := []string{"-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0"}
	return program.Start("stripemock/server", "github.com/stripe/stripe-mock", args, func(line string) (string, bool) {
		address, ok := strings.CutPrefix(line, "Listening for HTTP at address: ")
		return "http://" + address, ok
	})
})
