package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/httpapi"
)

func TestNoCallerHasMoreThanHalfOfTheBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := httpapi.NewBodyBudget(100)
		release, ok := b.Reserve(t.Context(), "acme", 50)
		if !ok {
			t.Fatal("a reservation of half the budget is refused, want it granted")
		}
		if _, ok := b.Reserve(t.Context(), "acme", 1); ok {
			t.Error("a caller reserved more than half the budget, want a refusal")
		}
		began := time.Now()
		if _, ok := b.Reserve(t.Context(), "other", 50); !ok {
			t.Error("another caller is refused the other half, want it granted")
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("another caller waited %s, want no wait", took)
		}
		release()
		if _, ok := b.Reserve(t.Context(), "acme", 1); !ok {
			t.Error("a reservation of released bytes is refused, want it granted")
		}
	})
}

// Anybody who knows the address of a webhook can send any number of bodies from any number of
// addresses. That must not block callers with a key.
func TestCallersWithoutAKeyHaveAQuarterTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := httpapi.NewBodyBudget(800)
		held := 0
		for n := range 200 {
			if _, ok := b.ReserveFor(t.Context(), fmt.Sprint("address ", n/4), 50); ok {
				held += 50
			}
			if n == 3 && held != 100 {
				t.Errorf("one address reserved %d of 800, want 100", held)
			}
		}
		if held != 200 {
			t.Errorf("all addresses reserved %d of 800, want 200", held)
		}
		if _, ok := b.Reserve(t.Context(), "acme", 400); !ok {
			t.Error("a tenant is refused half the budget, want it granted")
		}
	})
}

func TestReleasedBytesGoToWaitingCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := httpapi.NewBodyBudget(100)
		release, _ := b.Reserve(t.Context(), "acme", 50)
		got := make(chan func())
		go func() {
			release, ok := b.Reserve(t.Context(), "acme", 50)
			if !ok {
				t.Error("a waiting caller is refused, want it granted")
			}
			got <- release
		}()
		synctest.Wait()
		release()
		(<-got)()
		if n := b.Callers(); n != 0 {
			t.Errorf("%d callers without bytes are remembered, want 0", n)
		}
	})
}

// open sends the head of a request and the beginning of its body, and then stops.
func (r *rig) open(t *testing.T, path, length, begun string) io.Writer {
	t.Helper()
	c := r.dial(t)
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s\r\n\r\n%s", path, length, begun); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBodiesInFlightHaveABudget(t *testing.T) {
	t.Parallel()
	const budget, large = 1 << 20, 400 << 10
	user := `{"email":"ada@example.com"}`
	padded := user + strings.Repeat(" ", large-len(user))
	for _, row := range []struct{ name, length, frame string }{
		{"of declared length", fmt.Sprint("Content-Length: ", large), "%s"},
		{"in chunks", "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%%s", large)},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var s *httpapi.Server
			r := serve(t, func(o *httpapi.Server) {
				s = o
				o.SetBodyBytes(budget)
				o.SetBodyPatience(10 * time.Millisecond)
			})
			first := r.open(t, "/api/users", row.length, fmt.Sprintf(row.frame, padded[:large-10]))
			s.AwaitBodies(t, 1)

			a := r.do(t, http.MethodPost, "/api/users", padded, asJSON)
			a.refused(t, 503, "bodies_in_flight", "")
			if got := a.header.Get("Retry-After"); got != "2" {
				t.Errorf("Retry-After = %q, want 2", got)
			}
			if log := r.log.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "code=bodies_in_flight") {
				t.Errorf("log = %q, want a warning with code=bodies_in_flight", log)
			}
			if log := r.log.String(); strings.Contains(log, "level=ERROR") {
				t.Errorf("log = %q, want no error", log)
			}
			// A small body and a large one of another tenant are accepted.
			r.do(t, http.MethodPost, "/api/users", user, asJSON).hasStatus(t, 201)
			r.do(t, http.MethodPost, "/api/users", padded, asJSON, header{"Authorization": "Bearer " + r.key(t)}).hasStatus(t, 201)

			end := padded[large-10:]
			if strings.HasPrefix(row.length, "Transfer") {
				end += "\r\n0\r\n\r\n"
			}
			if _, err := io.WriteString(first, end); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(first.(io.Reader)), nil)
			if err != nil {
				t.Fatal(err)
			}
			if a := read(t, resp); a.status != 201 {
				t.Errorf("the first request: status = %d, want 201: %s", a.status, a.body)
			}
			// The memory of the first is free again.
			r.do(t, http.MethodPost, "/api/users", padded, asJSON).hasStatus(t, 201)
		})
	}
}
