package httpapi_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/httpapi"
	"patchbay/adapters/wire"
)

// A client that sends almost nothing holds a connection only for a short time: otherwise a few
// thousand of them would be an outage.
func TestSlowClientsAreClosed(t *testing.T) {
	t.Parallel()
	r := serve(t, func(s *httpapi.Server) {
		s.SetLimits(func(l *wire.Limits) { l.HeadTime, l.Grace = 150*time.Millisecond, 150*time.Millisecond })
	})
	post := "POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
	begun := strings.Repeat(" ", 20_000) // more than is read before a route sees it
	for _, row := range []struct{ name, first, then, status string }{
		{"a client that sends nothing", "", "", ""},
		{"half of a request line", "GET /healthz HT", "", "408"},
		{"header fields that arrive a byte at a time", "GET /healthz HTTP/1.1\r\n", "x", "408"},
		{"a body that does not arrive", post, "", "408"},
		{"a body that arrives a byte at a time", post, " ", "408"},
		{"a body that stops after its beginning", post + begun, "", "408"},
		{"a body that arrives a byte at a time after its beginning", post + begun, " ", "408"},
		{"a chunk that arrives a byte at a time", strings.Replace(post, "Content-Length: 1000000", "Transfer-Encoding: chunked", 1) + "ffff\r\n", " ", "408"},
		{"a body that no route reads", strings.Replace(post, "/api/users", "/nothing", 1) + begun, "", "404"},
		{"a body that no route reads and that arrives a byte at a time", strings.Replace(post, "/api/users", "/nothing", 1) + begun, " ", "404"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := r.dial(t)
			if _, err := fmt.Fprint(c, row.first); err != nil {
				t.Fatal(err)
			}
			closed := make(chan struct{})
			defer close(closed)
			if row.then != "" {
				go func() {
					tick := time.NewTicker(5 * time.Millisecond)
					defer tick.Stop()
					for {
						select {
						case <-closed:
							return
						case <-tick.C:
							if _, err := fmt.Fprint(c, row.then); err != nil {
								return
							}
						}
					}
				}()
			}
			// Reading ends when the server closes the connection, or after the test's patience.
			got, err := io.ReadAll(c)
			if err != nil && strings.Contains(err.Error(), "timeout") {
				t.Fatalf("got error %v after %q, want a closed connection", err, got)
			}
			if row.status != "" && !strings.HasPrefix(string(got), "HTTP/1.1 "+row.status) {
				t.Errorf("answer = %q, %v, want status %s", got, err, row.status)
			}
		})
	}
	t.Run("no user is created", func(t *testing.T) {
		if calls := r.users.all(); len(calls) != 0 {
			t.Errorf("repository calls = %+v, want none", calls)
		}
	})
}
