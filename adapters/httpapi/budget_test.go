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
			t.Fatal("half of it is refused")
		}
		if _, ok := b.Reserve(t.Context(), "acme", 1); ok {
			t.Error("a caller has more than half, want not ok")
		}
		began := time.Now()
		if _, ok := b.Reserve(t.Context(), "other", 50); !ok || time.Since(began) > 0 {
			t.Error("another caller does not get the other half at once")
		}
		release()
		if _, ok := b.Reserve(t.Context(), "acme", 1); !ok {
			t.Error("what was given back is not there")
		}
	})
}

// Whoever knows the address of a webhook can send any number of bodies from any number of
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
				t.Errorf("one address has %d of 800", held)
			}
		}
		if held != 200 {
			t.Errorf("they have %d of 800, want 200", held)
		}
		if _, ok := b.Reserve(t.Context(), "acme", 400); !ok {
			t.Error("a tenant does not get its half")
		}
	})
}

func TestReleasedBytesGoToWhoeverWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := httpapi.NewBodyBudget(100)
		release, _ := b.Reserve(t.Context(), "acme", 50)
		got := make(chan func())
		go func() {
			release, ok := b.Reserve(t.Context(), "acme", 50)
			if !ok {
				t.Error("it waited in vain")
			}
			got <- release
		}()
		synctest.Wait()
		release()
		(<-got)()
		if n := b.Callers(); n != 0 {
			t.Errorf("%d callers are remembered that have nothing, want 0", n)
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
			if a.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if log := r.log.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "code=bodies_in_flight") || strings.Contains(log, "level=ERROR") {
				t.Errorf("the log says %s, want \"level=WARN\" in it, \"code=bodies_in_flight\" in it, no \"level=ERROR\" in it", log)
			}
			if a := r.do(t, http.MethodPost, "/api/users", user, asJSON); a.status != 201 {
				t.Errorf("a small body: got %d %s, want 201", a.status, a.body)
			}
			if a := r.do(t, http.MethodPost, "/api/users", padded, asJSON, header{"Authorization": "Bearer " + r.key(t)}); a.status != 201 {
				t.Errorf("another tenant: got %d %s, want 201", a.status, a.body)
			}

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
				t.Errorf("the first: got %d %s, want 201", a.status, a.body)
			}
			if a := r.do(t, http.MethodPost, "/api/users", padded, asJSON); a.status != 201 {
				t.Errorf("when the first has ended: got %d %s, want 201", a.status, a.body)
			}
		})
	}
}
